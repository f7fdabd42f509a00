"""Edges that need no values: the order of each process, and real time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["process_edges", "realtime_edges", "realtime_pairs"]

Integers = NDArray[np.int64]


def process_edges(operations: Sequence[Operation]) -> tuple[Integers, Integers]:
    """From each completed operation to the next one of its process, by time of call.

    What is indefinite may take effect after its process went on (where a history lets it), so it gives no edge.
    """
    last: dict[int, int] = {}
    source: list[int] = []
    target: list[int] = []
    for position in sorted(range(len(operations)), key=lambda p: operations[p].call_ns):
        process = operations[position].process
        if process in last:
            source.append(last[process])
            target.append(position)
        if operations[position].outcome is Outcome.OK:
            last[process] = position
    return np.array(source, dtype=np.int64), np.array(target, dtype=np.int64)


def realtime_pairs(operations: Sequence[Operation], positions: Sequence[int]) -> tuple[list[int], list[int]]:
    """The transitive reduction of "returned before the other was called", among ``positions``.

    One sweep over time keeps the *frontier*: completed operations that no later completed operation already follows.
    Each call gets an edge from all of them. The frontier is never larger than the number of operations in flight at
    once, so the whole costs O(n * concurrency) (Elle, section 5.1). A call at the very time of a return counts as
    concurrent. An operation without a return gets edges, and gives none.
    """
    events: list[tuple[int, int, int]] = []
    for position in positions:
        operation = operations[position]
        events.append((operation.call_ns, 0, position))
        if operation.return_ns is not None and operation.outcome is Outcome.OK:
            events.append((max(operation.return_ns, operation.call_ns), 1, position))
    events.sort()
    frontier: set[int] = set()
    before: dict[int, tuple[int, ...]] = {}
    source: list[int] = []
    target: list[int] = []
    for _, is_return, position in events:
        if is_return:
            frontier.difference_update(before.pop(position))
            frontier.add(position)
        else:
            seen = before[position] = tuple(frontier)
            source.extend(seen)
            target.extend([position] * len(seen))
    return source, target


def realtime_edges(operations: Sequence[Operation]) -> tuple[Integers, Integers]:
    """``realtime_pairs`` over all operations, as arrays."""
    source, target = realtime_pairs(operations, range(len(operations)))
    return np.array(source, dtype=np.int64), np.array(target, dtype=np.int64)
