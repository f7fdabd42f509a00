"""Packets that wait for their time: a bounded heap that keeps the order of arrival among equals. Pure: no I/O."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["HoldHeap"]

T = TypeVar("T")


class HoldHeap(Generic[T]):
    """Items with a due time in nanoseconds of any one clock; at most ``bound`` of them."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.most = 0
        self._heap: list[tuple[int, int, T]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, due_ns: int, item: T) -> bool:
        """Hold ``item`` until ``due_ns``; False (and nothing held) where the heap is full."""
        if len(self._heap) >= self.bound:
            return False
        self._serial += 1  # items are never compared, and equal times leave in the order they came
        heapq.heappush(self._heap, (due_ns, self._serial, item))
        self.most = max(self.most, len(self._heap))
        return True

    @property
    def next_due_ns(self) -> int | None:
        """When the first item is due, None if nothing is held."""
        return self._heap[0][0] if self._heap else None

    def due(self, now_ns: int) -> Iterator[tuple[int, T]]:
        """Take out, in order, every item due at ``now_ns``, as (due_ns, item)."""
        while self._heap and self._heap[0][0] <= now_ns:
            due_ns, _, item = heapq.heappop(self._heap)
            yield due_ns, item

    def drain(self) -> Iterator[T]:
        """Take out everything, in due order, whatever the time."""
        while self._heap:
            yield heapq.heappop(self._heap)[2]
