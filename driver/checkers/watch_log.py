"""Every change of a store that anybody reported, put together from acknowledged writes and all watches."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.checkers.findings import Findings
from raftmon.driver.histories.model import freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["WatchHistory", "WatchedChange", "build_watch_history"]

_WRITES = {"write": "put", "put": "put", "delete": "delete", "cas": "put"}


@dataclass(frozen=True, slots=True)
class WatchedChange:
    """One key's change at one revision; ``value`` is None for a delete."""

    revision: int
    key: Any
    type: str
    value: Any
    source: Operation


@dataclass(slots=True)
class WatchHistory:
    """Changes in order of revision, and the writes by what they wrote."""

    changes: list[WatchedChange] = field(default_factory=list)
    of_key: dict[Any, list[WatchedChange]] = field(default_factory=dict)
    writes: dict[tuple[Any, Any], Operation] = field(default_factory=dict)
    complete_from: int | None = None

    def between(self, first: int, last: int) -> Iterator[WatchedChange]:
        """Changes with first <= revision <= last."""
        place = bisect.bisect_left(self.changes, first, key=lambda change: change.revision)
        while place < len(self.changes) and self.changes[place].revision <= last:
            yield self.changes[place]
            place += 1

    def before(self, key: Any, revision: int) -> WatchedChange | None:
        """The last known change of ``key`` below ``revision``."""
        changes = self.of_key.get(freeze(key), [])
        place = bisect.bisect_left(changes, revision, key=lambda change: change.revision)
        return changes[place - 1] if place else None

    def write_of(self, event: Mapping[str, Any]) -> Operation | None:
        """The operation that wrote the event's value, where it is known."""
        return self.writes.get((freeze(event.get("key")), freeze(event.get("value"))))


def build_watch_history(operations: Iterable[Operation], found: Findings) -> WatchHistory:
    """The log; reports *disagree* where two reports of one revision and key differ, *phantom* for unknown values.

    A put that no operation of the history made is *phantom* only if the history has writes at all.
    """
    listed = list(operations)
    log = WatchHistory()
    known: dict[tuple[int, Any], WatchedChange] = {}
    for operation in listed:
        kind = _WRITES.get(operation.f)
        if kind is None or operation.outcome is Outcome.FAIL:
            continue
        value = _written(operation)
        if kind == "put":
            log.writes[(freeze(operation.key), freeze(value))] = operation
        revision = (operation.extra or {}).get("revision")
        if operation.outcome is Outcome.OK and isinstance(revision, int):
            _note(WatchedChange(revision, operation.key, kind, value, operation), known, found)
    for operation in listed:
        if operation.f != "watch" or not isinstance(operation.value, (list, tuple)):
            continue
        for response in operation.value:
            for event in (response.get("events") or ()) if isinstance(response, Mapping) else ():
                if isinstance(event, Mapping) and isinstance(event.get("revision"), int):
                    _watched(event, operation, log, known, found)
    log.changes = sorted(known.values(), key=lambda change: change.revision)
    for change in log.changes:
        log.of_key.setdefault(freeze(change.key), []).append(change)
    return log


def _written(operation: Operation) -> Any:
    if operation.f == "delete":
        return None
    if operation.f == "cas" and isinstance(operation.value, (list, tuple)) and len(operation.value) == 2:
        return operation.value[1]
    return operation.value


def _watched(
    event: Mapping[str, Any],
    operation: Operation,
    log: WatchHistory,
    known: dict[tuple[int, Any], WatchedChange],
    found: Findings,
) -> None:
    kind = "delete" if event.get("type") == "delete" else "put"
    key, value = event.get("key"), None if kind == "delete" else event.get("value")
    if log.writes and kind == "put" and (freeze(key), freeze(value)) not in log.writes:
        sentence = f"a watch got {key} = {value!r} at revision {event['revision']}, which nobody wrote"
        found.add("phantom", sentence, [operation], key=key)
    _note(WatchedChange(event["revision"], key, kind, value, operation), known, found)


def _note(change: WatchedChange, known: dict[tuple[int, Any], WatchedChange], found: Findings) -> None:
    mark = (change.revision, freeze(change.key))
    other = known.setdefault(mark, change)
    if (other.type, freeze(other.value)) != (change.type, freeze(change.value)):
        sentence = (
            f"at revision {change.revision}, {change.key} was reported as {other.type} {other.value!r} "
            f"and as {change.type} {change.value!r}"
        )
        found.add("disagree", sentence, [other.source, change.source], key=change.key)
