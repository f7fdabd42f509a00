"""What a history of the workload ``kubernetes`` shows of etcd's log: every change by its revision."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.checkers.findings import Findings
from raftmon.driver.histories.model import NEVER, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["CHANGES", "Change", "RevisionLog", "build_log"]

CHANGES = ("create", "update", "delete")


@dataclass(frozen=True, slots=True)
class Change:
    """One key's change at one revision, as ``source`` reported it."""

    key: str
    revision: int
    type: str
    value: Any
    source: Operation


@dataclass(slots=True)
class RevisionLog:
    """Every change that anybody reported, and the operations by what they wrote."""

    changes: dict[tuple[int, str], Change] = field(default_factory=dict)
    ordered: list[Change] = field(default_factory=list)
    of_key: dict[str, list[Change]] = field(default_factory=lambda: defaultdict(list))
    writers: dict[Any, Operation] = field(default_factory=dict)
    doubtful_deletes: dict[str, int] = field(default_factory=dict)
    leased: set[str] = field(default_factory=set)
    compacted: int = 0

    def note(self, change: Change, found: Findings) -> None:
        """Add a report, or compare it with the one that is there."""
        other = self.changes.setdefault((change.revision, change.key), change)
        if (other.type, freeze(other.value)) != (change.type, freeze(change.value)):
            sentence = (
                f"at revision {change.revision}, {change.key} was reported as {other.type} {other.value!r} "
                f"and as {change.type} {change.value!r}"
            )
            found.add("disagree", sentence, [other.source, change.source], key=change.key)

    def sort(self) -> None:
        """After the last ``note``."""
        self.ordered = sorted(self.changes.values(), key=lambda change: change.revision)
        for change in self.ordered:
            self.of_key[change.key].append(change)

    def between(self, first: int, last: int) -> Iterator[Change]:
        """Changes with first <= revision <= last."""
        place = bisect.bisect_left(self.ordered, first, key=lambda change: change.revision)
        while place < len(self.ordered) and self.ordered[place].revision <= last:
            yield self.ordered[place]
            place += 1

    def newest(self, key: str, revision: int) -> Change | None:
        """The last known change of ``key`` at or below ``revision``."""
        changes = self.of_key.get(key, [])
        place = bisect.bisect_right(changes, revision, key=lambda change: change.revision)
        return changes[place - 1] if place else None


def build_log(operations: list[Operation], found: Findings) -> RevisionLog:
    """The log; what contradicts itself goes to ``found``."""
    log = RevisionLog()
    for one in operations:
        extra = one.extra or {}
        if one.f == "compact" and one.outcome is not Outcome.FAIL and isinstance(one.value, int):
            log.compacted = max(log.compacted, one.value)
        if one.f not in CHANGES:
            continue
        if extra.get("leased"):
            log.leased.add(one.key)
        if one.f != "delete":
            log.writers[freeze(one.value)] = one
        elif one.outcome is Outcome.INFO:
            log.doubtful_deletes[one.key] = min(one.call_ns, log.doubtful_deletes.get(one.key, NEVER))
        if one.outcome is Outcome.OK and isinstance(extra.get("revision"), int):
            kind = "delete" if one.f == "delete" else "put"
            log.note(Change(one.key, extra["revision"], kind, one.value, one), found)
    for one in operations:
        if one.outcome is Outcome.OK and one.f == "observe":
            for response in one.value or ():
                for event in response["events"]:
                    _written(event, one, log, found)
                    value = event["value"] if event["type"] == "put" else None
                    log.note(Change(event["key"], event["mod"], event["type"], value, one), found)
        elif one.outcome is Outcome.OK and one.f == "list":
            for item in one.value or ():
                _written({**item, "type": "put"}, one, log, found)
                log.note(Change(item["key"], item["mod"], "put", item["value"], one), found)
    log.sort()
    return log


def _written(event: Mapping[str, Any], by: Operation, log: RevisionLog, found: Findings) -> None:
    if event["type"] != "put" or not log.writers:
        return
    writer = log.writers.get(freeze(event["value"]))
    said = f"{event['key']} = {event['value']!r} at revision {event['mod']}"
    if writer is None or writer.key != event["key"]:
        found.add("phantom", f"{said} was reported, and nobody wrote it", [by], key=event["key"])
    elif writer.outcome is Outcome.FAIL:
        found.add(
            "failed-took-effect", f"{said} was reported, and its write was refused", [writer, by], key=event["key"]
        )
