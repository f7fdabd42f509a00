"""Stacks with unique values, exactly, in O(n log n).

A complete history is one of a stack if every operation can be given a moment in its interval so that the times in which
values are inside are nested or apart. A value whose push and pop overlap can be pushed and popped at one moment, and is
in nobody's way. The others are certainly inside from the push's return to the pop's call: their *core*. Where cores
overlap without a gap, one value must lie under all the others: pushed before the first of them certainly is, popped
after the last. Any value that can be is as good as any other (put it under a right order that has another there: it
stays right), so it is taken out, what remains falls apart at the gaps that its core leaves, and so on. An empty answer
needs a moment in no core, as for a bag (``queues.py``).

The problem is that of Abdulla, Atig, Godbole, Krishna and Vahanwala, "Efficient linearizability monitoring" (PLDI
2025), and of Lee and Mathur, "Efficient decrease-and-conquer linearizability monitoring" (2024), who take out values
one by one too; how the value under the others is found here, with two trees of thresholds, is our own.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from raftmon.driver.checkers.fifo import Pair
from raftmon.driver.histories.model import NEVER
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Inside", "entangled", "spans"]

_INFINITE = 1 << 62


@dataclass(frozen=True, slots=True)
class Inside:
    """When a value can go in, and when it can come out (NEVER: it stays); ``pair`` are its operations."""

    put_call: int
    put_return: int
    take_call: int
    take_return: int
    pair: Pair

    def operations(self) -> list[Operation]:
        """The put, and the take if there is one."""
        return [one for one in self.pair if one is not None]


def spans(pairs: Sequence[Pair]) -> list[Inside]:
    """Each value that certainly went in, or was seen to come out."""
    found = []
    for put, take in pairs:
        certain = put.outcome is Outcome.OK and put.return_ns is not None
        if not certain and take is None:
            continue  # it may never have gone in, and then is in nobody's way
        put_return = put.return_ns if certain and put.return_ns is not None else NEVER
        if take is None:
            found.append(Inside(put.call_ns, put_return, NEVER, NEVER, (put, take)))
        else:
            take_return = NEVER if take.return_ns is None else take.return_ns
            found.append(Inside(put.call_ns, put_return, take.call_ns, take_return, (put, take)))
    return found


def entangled(values: Sequence[Inside]) -> list[Inside]:
    """Values whose cores hang together and of which none can lie under the others; empty if it is a stack's history."""
    cores = sorted((one for one in values if one.put_return < one.take_call), key=lambda one: one.put_return)
    if not cores:
        return []
    return _Knots(cores).find()


class _Knots:
    """``cores``, sorted by their begin. Element 2i is the moment times[i], 2i + 1 the time until the next one."""

    def __init__(self, cores: list[Inside]) -> None:
        self._cores = cores
        self._begins = [one.put_return for one in cores]
        self._times = sorted({time for one in cores for time in (one.put_return, one.take_call)})
        place = {time: number for number, time in enumerate(self._times)}
        self._parts = [(2 * place[one.put_return] + 1, 2 * place[one.take_call] - 1) for one in cores]
        self._depth = _Depth(2 * len(self._times), self._parts)
        self._early = _Thresholds([one.put_call for one in cores])
        self._late = _Thresholds([-one.take_return for one in cores])
        self._met = [0] * len(cores)  # how many of the two conditions a value meets
        self._ready: list[int] = []
        self._gone = [False] * len(cores)

    def find(self) -> list[Inside]:
        waiting = list(_runs(0, 2 * len(self._times) - 1, self._depth.gaps(0, 2 * len(self._times) - 1)))
        while waiting:
            first, last = waiting.pop()
            begin, end = self._times[(first - 1) // 2], self._times[(last + 1) // 2]
            low, high = bisect_left(self._begins, begin), bisect_left(self._begins, end)
            under = self._under(low, high, begin, end)
            if under is None:
                return [self._cores[number] for number in range(low, high) if not self._gone[number]]
            self._gone[under] = True
            self._depth.less(*self._parts[under])
            waiting.extend(_runs(first, last, self._depth.gaps(first, last)))
        return []

    def _under(self, low: int, high: int, begin: int, end: int) -> int | None:
        """A value among these that can lie under all of them. Once it can, it can until it is taken."""
        for thresholds, bound in ((self._early, begin), (self._late, -end)):
            for number in thresholds.taken(low, high, bound):
                self._met[number] += 1
                if self._met[number] == 2:
                    insort(self._ready, number)
        place = bisect_left(self._ready, low)
        if place == len(self._ready) or self._ready[place] >= high:
            return None
        return self._ready.pop(place)


def _runs(first: int, last: int, gaps: Sequence[int]) -> Iterator[tuple[int, int]]:
    """What remains of the elements from ``first`` to ``last`` between the gaps."""
    for gap in gaps:
        if first < gap:
            yield first, gap - 1
        first = gap + 1
    if first <= last:
        yield first, last


class _Thresholds:
    """A tree of minima."""

    def __init__(self, values: Sequence[int]) -> None:
        self._size = 1 << max(0, (len(values) - 1).bit_length())
        padding = [_INFINITE * 2] * (self._size - len(values))
        self._least = [0] * self._size + [*values, *padding]
        for node in range(self._size - 1, 0, -1):
            self._least[node] = min(self._least[2 * node], self._least[2 * node + 1])

    def taken(self, low: int, high: int, bound: int) -> list[int]:
        """The places from ``low`` to before ``high`` whose value is at most ``bound``; they are never given again."""
        least, size, found = self._least, self._size, []
        nodes = []
        left, right = low + size, high + size
        while left < right:
            if left & 1:
                nodes.append(left)
                left += 1
            if right & 1:
                right -= 1
                nodes.append(right)
            left, right = left >> 1, right >> 1
        while nodes:
            node = nodes.pop()
            if least[node] > bound:
                continue
            if node < size:
                nodes += (2 * node, 2 * node + 1)
                continue
            found.append(node - size)
            least[node] = _INFINITE * 2
            node >>= 1
            while node:
                least[node] = min(least[2 * node], least[2 * node + 1])
                node >>= 1
        return found


class _Depth:
    """How many cores lie over each element; an element that no core lies over is told once."""

    def __init__(self, count: int, parts: Sequence[tuple[int, int]]) -> None:
        steps = [0] * (count + 1)
        for first, last in parts:
            steps[first] += 1
            steps[last + 1] -= 1
        depth, depths = 0, []
        for step in steps[:count]:
            depth += step
            depths.append(depth)
        self._size = 1 << max(0, (count - 1).bit_length())
        self._least = [0] * self._size + depths + [_INFINITE] * (self._size - count)
        self._added = [0] * (2 * self._size)
        for node in range(self._size - 1, 0, -1):
            self._least[node] = min(self._least[2 * node], self._least[2 * node + 1])

    def less(self, first: int, last: int) -> None:
        """One core less over the elements from ``first`` to ``last``."""
        self._less(1, 0, self._size, first, last + 1)

    def _less(self, node: int, begin: int, end: int, first: int, after: int) -> None:
        if first <= begin and end <= after:
            self._added[node] -= 1
            self._least[node] -= 1
            return
        middle = (begin + end) // 2
        if first < middle:
            self._less(2 * node, begin, middle, first, after)
        if middle < after:
            self._less(2 * node + 1, middle, end, first, after)
        self._least[node] = self._added[node] + min(self._least[2 * node], self._least[2 * node + 1])

    def gaps(self, first: int, last: int) -> list[int]:
        """The elements from ``first`` to ``last``, in order, that no core lies over and that were not told before."""
        found: list[int] = []
        self._gaps(1, 0, self._size, first, last + 1, 0, found)
        return found

    def _gaps(self, node: int, begin: int, end: int, first: int, after: int, added: int, found: list[int]) -> None:
        if after <= begin or end <= first or self._least[node] + added > 0:
            return
        if end - begin == 1:
            found.append(begin)
            self._least[node] = _INFINITE
            return
        middle, further = (begin + end) // 2, added + self._added[node]
        self._gaps(2 * node, begin, middle, first, after, further, found)
        self._gaps(2 * node + 1, middle, end, first, after, further, found)
        self._least[node] = self._added[node] + min(self._least[2 * node], self._least[2 * node + 1])
