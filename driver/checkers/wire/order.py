"""Given the log, are all reads and writes in an order that real time allows?

With the log known, linearizability needs no search: a write takes effect at its entry's index, and a read at some
index at which the log holds its value. Going through the operations by time of call, each read takes the lowest such
index that is not below those of the operations that had returned before it was called; if even that one is too high
(the value was overwritten before, or is written by somebody called only later), no order explains it.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raftmon.driver.checkers.findings import Findings
from raftmon.driver.checkers.wire.words import Committed, same_text, written_value
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["check_order"]

END = 2**62


@dataclass(frozen=True, slots=True)
class _Placed:
    """An operation and the indexes between which it may take effect: a write's are one."""

    operation: Operation
    first: int
    last: int
    is_write: bool


def check_order(
    entries: Mapping[int, Committed],
    writes: Iterable[Operation],
    reads: Iterable[Operation],
    repeated: set[tuple[Any, Any]],
    initial: Any,
    found: Findings,
) -> None:
    """Reports *stale-read*, *future-read* and *order-contradicted* into ``found``.

    ``repeated``: pairs of key and value that stand at several indexes, which say nothing here.
    """
    spans = _spans(entries, initial)
    known: list[_Placed] = []
    for operation in writes:
        pair = (same_text(operation.key), same_text(written_value(operation)))
        if pair in spans and pair not in repeated and operation.outcome is not Outcome.FAIL:
            known.append(_Placed(operation, spans[pair][0], spans[pair][0], True))
    unwritten = (0, END)  # of a key the log never changes
    changed = {key for key, _ in spans}
    for read in reads:
        pair = (same_text(read.key), same_text(read.value))
        span = spans.get(pair, unwritten if pair[1] == initial and pair[0] not in changed else None)
        if span is not None and pair not in repeated:
            known.append(_Placed(read, *span, False))
    known.sort(key=lambda placed: placed.operation.call_ns)
    floor = _Floor()
    later = _Later(known)
    for placed in known:
        taken = (_write if placed.is_write else _read)(placed, floor, later, found)
        if taken is not None and placed.operation.outcome is Outcome.OK and placed.operation.return_ns is not None:
            floor.add(placed.operation.return_ns, taken, placed.operation)


def _name(operation: Operation) -> str:
    return f"{operation.f} of {operation.value!r} to {operation.key}"


def _write(placed: _Placed, floor: _Floor, later: _Later, found: Findings) -> int | None:
    low, cause = floor.at(placed.operation.call_ns)
    if cause is not None and placed.first < low:
        sentence = (
            f"{_name(placed.operation)} stands at index {placed.first}, though {_name(cause)}, which stands at {low}, "
            "had returned before it was called"
        )
        found.add("order-contradicted", sentence, [cause, placed.operation], key=placed.operation.key)
    return placed.first


def _read(placed: _Placed, floor: _Floor, later: _Later, found: Findings) -> int | None:
    operation = placed.operation
    low, cause = floor.at(operation.call_ns)
    taken = max(placed.first, low)
    if cause is not None and taken > placed.last:
        sentence = (
            f"{operation.key} was read as {operation.value!r}, which index {placed.last + 1} overwrote, after "
            f"{_name(cause)} (at least index {low}) had returned"
        )
        found.add("stale-read", sentence, [cause, operation], key=operation.key)
        return None
    after = later.lowest(operation.return_ns)
    if after is not None and taken >= after.first:
        sentence = (
            f"{operation.key} was read as {operation.value!r} (at least index {taken}) before "
            f"{_name(after.operation)}, which stands at {after.first}, was called"
        )
        found.add("future-read", sentence, [operation, after.operation], key=operation.key)
        return None
    return taken


def _spans(entries: Mapping[int, Committed], initial: Any) -> dict[tuple[Any, Any], tuple[int, int]]:
    """From which index and up to which one the log holds each (key, value); ``initial`` from 0 on."""
    spans: dict[tuple[Any, Any], tuple[int, int]] = {}
    current: dict[Any, tuple[Any, Any]] = {}
    for index in sorted(entries):
        entry = entries[index]
        before = current.get(entry.key, (entry.key, initial))
        spans[before] = (spans.get(before, (0, 0))[0], index - 1)
        current[entry.key] = pair = (entry.key, entry.value)
        spans[pair] = (spans.get(pair, (index, 0))[0], END)
    return spans


class _Floor:
    """The highest index of any operation that had returned before a time."""

    def __init__(self) -> None:
        self._pending: list[tuple[int, int, Operation]] = []
        self._low = 0
        self._cause: Operation | None = None

    def add(self, return_ns: int, index: int, operation: Operation) -> None:
        bisect.insort(self._pending, (return_ns, index, operation), key=lambda item: item[0])

    def at(self, call_ns: int) -> tuple[int, Operation | None]:
        """Asked with times that never go down."""
        place = bisect.bisect_left(self._pending, call_ns, key=lambda item: item[0])
        for _, index, operation in self._pending[:place]:
            if index > self._low:
                self._low, self._cause = index, operation
        del self._pending[:place]
        return self._low, self._cause


class _Later:
    """The write that stands lowest in the log among those called after a time."""

    def __init__(self, known: Sequence[_Placed]) -> None:
        writes = [placed for placed in known if placed.is_write]
        self._calls = [placed.operation.call_ns for placed in writes]
        self._lowest: list[_Placed] = []
        for placed in reversed(writes):
            best = self._lowest[-1] if self._lowest else placed
            self._lowest.append(placed if placed.first < best.first else best)
        self._lowest.reverse()

    def lowest(self, return_ns: int | None) -> _Placed | None:
        """None if no write was called after ``return_ns``."""
        place = len(self._calls) if return_ns is None else bisect.bisect_right(self._calls, return_ns)
        return self._lowest[place] if place < len(self._lowest) else None
