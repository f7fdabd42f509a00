"""The nine guarantees that etcd documents for watches, and what lists and changes by mod revision promise.

Operations: ``list`` (value: items; ``revision``), ``create``, ``update`` and ``delete`` (``revision``, ``previous``,
``expected``) and ``observe`` (value: responses ``{"revision", "events"}``; ``start_revision``, ``without``). An item
and an event have ``key``, ``value``, ``mod``, ``create``, ``version``, an event ``type`` and ``previous`` too. Values
are unique. What is found, by the guarantee's name (etcd, "KV API guarantees", "Watch APIs"):

- *ordered*, *unique*, *atomic* (the events of one revision come in one response), *reliable* (none is missing between
  others), *resumable* (none is missing behind the start, and none comes from before it), *bookmarkable* (a response
  without events says that all up to its revision was told), *previous-value*, *is-create*, *filter*;
- *header* (a response's revision is below its event's), *revision-back* (an answer's revision is below one that had
  been given to anybody before it was asked for), *revision-twice* (two changes at one); *header-back* (harmless: a
  bookmark of an older revision than what was told before it);
- *phantom* (a value that nobody wrote), *failed-took-effect* (its write was refused), *disagree* (two reports of one
  revision), *list* (a list that is not the state at its revision), *precondition* (a change over another revision).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.checkers.kubernetes_log import CHANGES, RevisionLog, build_log
from raftmon.driver.histories.model import NEVER, History, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Kubernetes"]


class Kubernetes:
    """``details``: ``anomalies``, ``examples``, ``changes``, ``sessions``, ``events``, ``bookmarks``, ``lists``."""

    name = "kubernetes"

    def check(self, history: History) -> Result:
        """Judge the whole history."""
        found = Findings()
        log = build_log(history.operations, found)
        totals = {"changes": len(log.ordered), "sessions": 0, "events": 0, "bookmarks": 0, "lists": 0}
        for one in history.operations:
            if one.f == "observe" and one.outcome is Outcome.OK:
                totals["sessions"] += 1
                _session(one, log, found, totals)
            elif one.f == "list" and one.outcome is Outcome.OK:
                totals["lists"] += 1
                _list(one, log, found)
        _revisions(history.operations, found)
        seen = totals["events"] or totals["lists"]
        return found.result(
            self.name,
            good=f"{totals['sessions']} watches told {totals['events']} events and {totals['bookmarks']} bookmarks, "
            f"each once and in order; {totals['lists']} lists agree with {totals['changes']} changes",
            details=totals,
            harmless=("header-back",),
            unknown=None if seen else "no watch told an event and no list was answered",
        )


def _session(one: Operation, log: RevisionLog, found: Findings, totals: dict[str, int]) -> None:
    """One watch: what came, in what order, and what did not."""
    extra = one.extra or {}
    start, without = int(extra.get("start_revision", 0)), extra.get("without") or ""
    last, header, bookmark = 0, 0, 0
    told: dict[tuple[int, str], Mapping[str, Any]] = {}
    by_key: dict[str, Mapping[str, Any]] = {}
    for response in one.value or ():
        events = response["events"]
        if response["revision"] < header:
            found.add("header-back", f"a watch's revision went back from {header} to {response['revision']}", [one])
        header = max(header, response["revision"])
        if not events:
            totals["bookmarks"] += 1
            bookmark = max(bookmark, response["revision"])
            continue
        if events[0]["mod"] == last:
            found.add("atomic", f"the events of revision {last} came in two responses", [one])
        for event in events:
            totals["events"] += 1
            _event(one, event, start, without, last, bookmark, told, found)
            if event["mod"] > response["revision"]:
                found.add("header", f"revision {response['revision']} was said with an event of {event['mod']}", [one])
            _previous(one, event, None if without else by_key.get(event["key"]), log, found)
            told[event["mod"], event["key"]] = by_key[event["key"]] = event
            last = max(last, event["mod"])
    _missing(one, start, without, last, bookmark, told, log, found)


def _event(
    one: Operation,
    event: Mapping[str, Any],
    start: int,
    without: str,
    last: int,
    bookmark: int,
    told: Mapping[tuple[int, str], Any],
    found: Findings,
) -> None:
    said = f"{event['type']} of {event['key']} at revision {event['mod']}"
    if (event["mod"], event["key"]) in told:
        found.add("unique", f"{said} was told twice", [one], key=event["key"])
    elif event["mod"] < last:
        found.add("ordered", f"{said} was told after revision {last}", [one], key=event["key"])
    if event["mod"] < start:
        found.add("resumable", f"{said} was told to a watch from {start}", [one], key=event["key"])
    if event["mod"] <= bookmark:
        found.add("bookmarkable", f"{said} was told after the bookmark {bookmark}", [one], key=event["key"])
    if without == f"no{event['type']}":
        found.add("filter", f"{said} was told to a watch with the filter {without}", [one], key=event["key"])


def _previous(
    one: Operation, event: Mapping[str, Any], before: Mapping[str, Any] | None, log: RevisionLog, found: Findings
) -> None:
    """The previous value, and whether it is a creation: by what the session was told before, and by the log."""
    said, previous = f"{event['type']} of {event['key']} at revision {event['mod']}", event.get("previous")
    put, creates = event["type"] == "put", event.get("create") == event["mod"]
    if put and (creates != (event.get("version") == 1) or (creates and previous is not None)):
        sentence = f"{said} is a creation by one of its fields, and by another it is not"
        found.add("is-create", sentence, [one], key=event["key"])
        return
    if put and before is not None and creates != (before["type"] == "delete"):
        words = "says that it creates the key, which was there" if creates else "updates a key that was not there"
        found.add("is-create", f"{said} {words}", [one], key=event["key"])
        return
    known = log.newest(event["key"], event["mod"] - 1)
    if previous is None:
        due = known is not None and known.type == "put" and log.compacted < known.revision
        if due and not creates and known is not None:
            sentence = f"{said} came without the previous value {known.value!r}"
            found.add("previous-value", sentence, [one, known.source], key=event["key"])
        return
    if known is None:
        return
    same = known.type == "put" and (known.revision, freeze(known.value)) == (previous["mod"], freeze(previous["value"]))
    if not same and previous["mod"] <= known.revision:
        sentence = (
            f"{said} came with the previous value {previous['value']!r} of revision {previous['mod']}; "
            f"the last change before it was a {known.type} of {known.value!r} at {known.revision}"
        )
        found.add("previous-value", sentence, [one, known.source], key=event["key"])


def _missing(
    one: Operation,
    start: int,
    without: str,
    last: int,
    bookmark: int,
    told: Mapping[tuple[int, str], Any],
    log: RevisionLog,
    found: Findings,
) -> None:
    """Changes that the session must have been told of: none is left out up to its last event or bookmark."""
    first = min((revision for revision, _ in told), default=NEVER)
    for change in log.between(start, max(last, bookmark)):
        if (change.revision, change.key) in told or without == f"no{change.type}":
            continue
        name = "bookmarkable" if change.revision > last else "resumable" if change.revision < first else "reliable"
        covered = f"the bookmark {bookmark}" if name == "bookmarkable" else f"an event of revision {last}"
        sentence = (
            f"a watch from {start} was told of {covered} and not of the {change.type} of {change.key} "
            f"at revision {change.revision}"
        )
        found.add(name, sentence, [one, change.source], key=change.key)


def _list(one: Operation, log: RevisionLog, found: Findings) -> None:
    """The list must be the state at its revision, as far as that is known."""
    extra = one.extra or {}
    revision = extra.get("revision")
    if not isinstance(revision, int):
        return
    if any(page < revision for page in extra.get("pages") or ()):
        found.add("header", f"a page of a list at {revision} bears an older revision", [one])
    items = {item["key"]: item for item in one.value or ()}
    for key, item in items.items():
        newest = log.newest(key, revision)
        if item["mod"] > revision or (newest is not None and newest.revision > item["mod"]):
            what = f"though it was changed at {newest.revision}" if newest else ""
            sentence = f"a list at revision {revision} has {key} of revision {item['mod']} {what}"
            found.add("list", sentence.rstrip(), [one, *([newest.source] if newest else [])], key=key)
    ended = NEVER if one.return_ns is None else one.return_ns
    for key in log.of_key:
        newest = log.newest(key, revision)
        if newest is None or newest.type == "delete" or key in items or key in log.leased:
            continue
        if log.doubtful_deletes.get(key, NEVER) < ended:
            continue
        sentence = f"a list at revision {revision} lacks {key}, which was put at {newest.revision}"
        found.add("list", sentence, [one, newest.source], key=key)


def _revisions(operations: list[Operation], found: Findings) -> None:
    """Revisions in answers follow real time; each change has one of its own, over what it expected."""
    asked = [
        (one, one.extra["revision"])
        for one in operations
        if one.outcome is Outcome.OK
        and one.f in (*CHANGES, "list")
        and isinstance((one.extra or {}).get("revision"), int)
        if one.extra is not None
    ]
    ended = sorted(asked, key=lambda row: row[0].return_ns or NEVER)
    at, most, whose = 0, 0, None
    for one, revision in sorted(asked, key=lambda row: row[0].call_ns):
        while at < len(ended) and (ended[at][0].return_ns or NEVER) < one.call_ns:
            if ended[at][1] > most:
                most, whose = ended[at][1], ended[at][0]
            at += 1
        if revision < most and whose is not None:
            sentence = f"revision {revision} was answered after {most} had been"
            found.add("revision-back", sentence, [whose, one], key=one.key)
    by_revision: dict[int, Operation] = {}
    for one, revision in asked:
        if one.f not in CHANGES:
            continue
        other = by_revision.setdefault(revision, one)
        if other is not one:
            found.add(
                "revision-twice", f"two changes were answered with revision {revision}", [other, one], key=one.key
            )
        extra = one.extra or {}
        previous = extra.get("previous")
        if "expected" in extra and (previous["mod"] if previous else 0) != extra["expected"]:
            sentence = f"{one.f} of {one.key} expected revision {extra['expected']} and replaced {previous!r}"
            found.add("precondition", sentence, [one], key=one.key)
