"""Priority queues with unique values, exactly, in O(n log n) and the time that a sorted list takes.

While a value is inside no smaller one comes out, and none is found missing. The largest value is in nobody's way if its
insert and extract can share a moment; otherwise it is certainly inside from the insert's return to the extract's call,
and all others come out at another moment. So the values are placed from the largest down: each comes out at the first
moment at which it can and no larger one is inside (later would only keep smaller ones waiting), and goes in as late as
it can. No order explains a value that finds no moment before its extract returned. (After Lee and Mathur, "Efficient
decrease-and-conquer linearizability monitoring", 2024, and Bouajjani, Enea and Wang, CONCUR 2017.)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from raftmon.driver.checkers.lifo import Inside
from raftmon.driver.histories.model import NEVER
from raftmon.driver.histories.operation import Operation

__all__ = ["misplaced"]


class _Blocked:
    """Open intervals of time, apart from each other, in order."""

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []

    def after(self, time: int) -> int:
        """The first moment from ``time`` on that lies in none."""
        place = bisect_left(self._begins, time) - 1  # the last that begins before it
        return self._ends[place] if place >= 0 and time < self._ends[place] else time

    def add(self, begin: int, end: int) -> None:
        """Intervals that only touch stay apart: the moment between them is free."""
        first = bisect_left(self._begins, begin)
        if first and begin < self._ends[first - 1]:
            first -= 1
        last = bisect_left(self._begins, end)
        if first < last:
            begin, end = min(begin, self._begins[first]), max(end, self._ends[last - 1])
        self._begins[first:last] = [begin]
        self._ends[first:last] = [end]


def misplaced(values: Sequence[tuple[Any, Inside]], empties: Sequence[Operation]) -> list[Inside] | Operation | None:
    """A value that cannot come out in its turn, before the larger ones; or an empty answer that no moment explains.

    ``values``: each with what it is compared by. Raises TypeError for values that cannot be compared.
    """
    blocked = _Blocked()
    ordered = sorted(values, key=lambda one: one[0], reverse=True)
    for place, (_, one) in enumerate(ordered):
        out = NEVER if one.take_call == NEVER else blocked.after(max(one.take_call, one.put_call))
        if out > one.take_return:
            return [one, *(larger for _, larger in ordered[:place])]
        if one.put_return < out:
            blocked.add(one.put_return, out)
    for empty in empties:
        end = NEVER if empty.return_ns is None else empty.return_ns
        if blocked.after(empty.call_ns) > end:
            return empty
    return None
