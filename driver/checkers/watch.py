"""Watches: what etcd promises of every watch, asked of what the watchers got.

After etcd's API guarantees (etcd.io, "KV API guarantees", watch section) and its robustness tests. Operations:

``f="watch"``: one session of one watcher, from its creation to its end; ``key`` is the key watched, null for all keys.
``value`` is the list of responses in the order received, each ``{"revision": of the header, "events": [...]}``; a
response without events is a bookmark (progress notification): everything up to its revision has been sent. An event is
``{"type": "put" | "delete", "key", "value", "revision"}`` and, where asked for, ``"prev": {"value", "revision"} |
null``. ``extra`` is ``{"start_revision": r, "prev_kv": true | false}``: events from revision r on were asked for.
A response may carry ``"time_ns"``, when it arrived.

``f="write"`` and ``f="delete"`` with ``extra["revision"]``: an acknowledged change and its revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.checkers.watch_log import WatchedChange, WatchHistory, build_watch_history
from raftmon.driver.histories.model import History, freeze
from raftmon.driver.histories.operation import Operation

__all__ = ["Watch"]


class Watch:
    """Names, by the guarantee that was broken: *unordered*, *duplicate* (unique), *missing* (reliable: an event in the
    middle), *not-resumed* (an event between the start revision and the first one delivered), *split* (atomic: one
    revision in two responses), *bookmark* (an event at or below a bookmark, or missing below it), *previous-value*,
    *time-travel* (an event above its header's revision, a header going back, a change seen before its write was
    called), *disagree* (two reports of one revision), *phantom* (a value that nobody wrote), *wrong-key*,
    *before-start*.

    ``details``: ``anomalies``, ``examples``, ``sessions``, ``events``, ``changes`` (distinct ones known).
    """

    stops_by_itself = True

    name = "watch"

    def check(self, history: History) -> Result:
        """Judge every watch of the history."""
        found = Findings()
        sessions = [operation for operation in history.operations if operation.f == "watch"]
        log = build_watch_history(history.operations, found)
        events = 0
        for operation in sessions:
            session = _Session(operation, log, found)
            events += session.run()
        return found.result(
            self.name,
            good=f"{events} events of {len(sessions)} watches came ordered, once each, and none was missing",
            details={"sessions": len(sessions), "events": events, "changes": len(log.changes)},
            unknown=None if events else "no watch delivered an event",
        )


@dataclass(slots=True)
class _Session:
    """One watcher, gone through response by response."""

    operation: Operation
    log: WatchHistory
    found: Findings
    last: int = 0  # revision of the last event
    bookmark: int = 0
    header: int = 0

    def run(self) -> int:
        """Reports what is wrong; returns the number of events."""
        responses = self.operation.value if isinstance(self.operation.value, (list, tuple)) else []
        start = int((self.operation.extra or {}).get("start_revision") or 0)
        seen: dict[tuple[int, Any], int] = {}
        first = None
        for place, response in enumerate(responses):
            if not isinstance(response, Mapping):
                continue
            events = [event for event in response.get("events") or () if isinstance(event, Mapping)]
            for event in events:
                revision = int(event.get("revision") or 0)
                first = revision if first is None else first
                self._event(event, revision, place, start, seen)
            self._header(response, events)
        self._gaps(start, first, {revision for revision, _ in seen}, seen)
        return len(seen)

    def _say(self, name: str, sentence: str) -> None:
        self.found.add(name, sentence, [self.operation], key=self.operation.key)

    def _event(
        self, event: Mapping[str, Any], revision: int, place: int, start: int, seen: dict[tuple[int, Any], int]
    ) -> None:
        key = event.get("key")
        mark = (revision, freeze(key))
        text = f"{event.get('type', 'put')} of {key} at revision {revision}"
        if self.operation.key is not None and key != self.operation.key:
            self._say("wrong-key", f"a watch of {self.operation.key} got the {text}")
        if start and revision < start:
            self._say("before-start", f"a watch from revision {start} on got the {text}")
        if mark in seen:
            self._say("duplicate", f"the {text} came twice")
            return
        if revision < self.last:
            self._say("unordered", f"the {text} came after an event of revision {self.last}")
        elif revision == self.last and any(r == revision and p != place for (r, _), p in seen.items()):
            self._say("split", f"the events of revision {revision} came in more than one response")
        if revision <= self.bookmark:
            self._say("bookmark", f"the {text} came after the promise that all up to {self.bookmark} had been sent")
        seen[mark] = place
        self.last = max(self.last, revision)
        self._previous(event, revision, key)

    def _previous(self, event: Mapping[str, Any], revision: int, key: Any) -> None:
        if "prev" not in event:
            return
        told = event["prev"]
        before = self.log.before(key, revision)
        if before is None:  # what we know of starts later than the store: nothing can be said
            return
        if before.type == "delete":
            if told is not None:
                self._say("previous-value", f"{key} at {revision} came with a previous value, but it had been deleted")
            return
        if told is None:
            self._say("previous-value", f"{key} at {revision} came without its previous value {before.value!r}")
        elif told.get("value") != before.value or int(told.get("revision") or before.revision) != before.revision:
            sentence = (
                f"{key} at {revision} came with the previous value {told.get('value')!r} of revision "
                f"{told.get('revision')}, but that was {before.value!r} of {before.revision}"
            )
            self._say("previous-value", sentence)

    def _header(self, response: Mapping[str, Any], events: list[Mapping[str, Any]]) -> None:
        header = response.get("revision")
        if not isinstance(header, int):
            return
        highest = max((int(event.get("revision") or 0) for event in events), default=0)
        if highest > header:
            self._say("time-travel", f"an event of revision {highest} came under the header of revision {header}")
        if header < self.header:
            self._say("time-travel", f"the revision went back from {self.header} to {header}")
        self.header = max(self.header, header)
        arrived = response.get("time_ns")
        if isinstance(arrived, int):
            for event in events:
                self._too_early(event, arrived)
        if not events:
            self.bookmark = max(self.bookmark, header)

    def _too_early(self, event: Mapping[str, Any], arrived_ns: int) -> None:
        write = self.log.write_of(event)
        if write is not None and arrived_ns < write.call_ns:
            sentence = f"{event.get('key')} = {event.get('value')!r} was delivered before its write was called"
            self.found.add("time-travel", sentence, [write, self.operation], key=event.get("key"))

    def _gaps(self, start: int, first: int | None, revisions: set[int], seen: Mapping[tuple[int, Any], int]) -> None:
        """Every change we know of that this session should have had, and had not."""
        end = max(self.last, self.bookmark)
        begin = start or first
        if begin is None:
            return
        for change in self.log.between(begin, end):
            if self.operation.key is not None and change.key != self.operation.key:
                continue
            if (change.revision, freeze(change.key)) in seen:
                continue
            self._say(*self._gap(change, first, revisions))

    def _gap(self, change: WatchedChange, first: int | None, revisions: set[int]) -> tuple[str, str]:
        text = f"the {change.type} of {change.key} at revision {change.revision}"
        if change.revision > self.last:
            return "bookmark", f"{text} never came, though a bookmark says all up to {self.bookmark} was sent"
        if change.revision in revisions:
            return "split", f"{text} did not come with the others of its revision"
        if first is not None and change.revision < first:
            return "not-resumed", f"{text} was asked for, but the first event delivered was that of {first}"
        return "missing", f"{text} never came, though later ones did (up to {self.last})"
