"""Failed cas that did not say what they found: which of them ask nothing that is not given anyway.

Such a *mismatch* says that somewhere in its interval the value was not the expected one. That is certain in every
linearization if, by the order that the other operations must have anyway,

- nobody ever brought the expected value, or
- it had surely not been there at the call: its producer, or something that must come before it, began later, or
- it had surely gone by the return: something that must come after it had ended, or
- an operation on another value lies wholly inside the interval.

These are *free*. What remains is left to the search.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.checkers.zones.blocks import LONG_AGO, Zones, group_by_value
from raftmon.driver.checkers.zones.observations import CAS, MISMATCH, READ, WRITE, Observations
from raftmon.driver.histories.model import NEVER

__all__ = ["binding_mismatches"]

Integers = NDArray[np.int64]


def binding_mismatches(seen: Observations, rows: Integers) -> Integers:
    """The rows of mismatches, among ``rows`` of one key whose other operations are linearizable, that are not free."""
    mismatches: Integers = rows[seen.kind[rows] == MISMATCH]
    others: Integers = rows[np.isin(seen.kind[rows], (READ, WRITE, CAS))]
    if not len(mismatches):
        return mismatches
    zones = group_by_value(seen, others)
    if not isinstance(zones, Zones):
        return mismatches
    of_key = np.flatnonzero(zones.group_key == seen.key[rows[0]])
    code_to_group = dict(zip(zones.group_value[of_key].tolist(), of_key.tolist(), strict=True))
    begins, ends = _certain_spans(zones)
    inside = _Inside(zones)
    first_change = int(zones.earliest_return()[~zones.group_initial].min(initial=NEVER))
    binding = []
    for row in mismatches.tolist():
        call, end, code = int(seen.call_ns[row]), int(seen.return_ns[row]), int(seen.saw[row])
        group = code_to_group.get(code, -1)
        if code == seen.initial:
            free = first_change <= end  # what was there first never comes back
        elif group < 0 or zones.producer[group] < 0:
            free = True
        else:
            free = call <= begins[group] or ends[group] <= end
        if not free and not inside.another(group, call, end):
            binding.append(row)
    return np.array(binding, np.int64)


def _certain_spans(zones: Zones) -> tuple[list[int], list[int]]:
    """Of each value a time at which it was surely not there yet, and one at which it had surely gone."""
    earliest, latest = zones.earliest_return(), zones.latest_call()
    size = len(earliest)
    finish, start = np.full(size, NEVER, np.int64), np.full(size, LONG_AGO, np.int64)
    np.minimum.at(finish, zones.root, earliest)
    np.maximum.at(start, zones.root, latest)
    finish[zones.group_initial] = LONG_AGO
    roots = np.unique(zones.root)
    # A block that starts after another's finish comes after it: of these the earliest finish, and the other way round.
    by_start = roots[np.argsort(start[roots], kind="stable")]
    gone_best = _two_least(finish[by_start].tolist(), by_start.tolist())
    gone_from = np.searchsorted(start[by_start], finish, side="right").tolist()
    by_finish = roots[np.argsort(-finish[roots], kind="stable")]
    not_best = _two_least((-start[by_finish]).tolist(), by_finish.tolist())
    not_from = np.searchsorted(-finish[by_finish], -start, side="right").tolist()
    begins = [int(zones.seen.call_ns[row]) if row >= 0 else LONG_AGO for row in zones.producer.tolist()]
    ends = [NEVER] * size
    order = np.lexsort((zones.depth, zones.root)).tolist()
    root, depth = zones.root.tolist(), zones.depth.tolist()
    not_yet = LONG_AGO
    for group in order:
        if depth[group] == 0:
            not_yet = -_least_of_others(not_best[not_from[group]], group)
        begins[group] = max(begins[group], not_yet)
        not_yet = max(not_yet, int(latest[group]))
    gone, block = NEVER, -1
    for group in reversed(order):
        if root[group] != block:
            block = root[group]
            gone = _least_of_others(gone_best[gone_from[block]], block)
        ends[group] = gone
        gone = min(gone, int(earliest[group]))
    return begins, ends


Best = tuple[int, int, int]  # the least value, whose it is, and the least of anybody else


def _two_least(values: list[int], owners: list[int]) -> list[Best]:
    """For each place, over all places from it on."""
    best: list[Best] = [(NEVER, -2, NEVER)] * (len(values) + 1)
    for place in range(len(values) - 1, -1, -1):
        first, owner, second = best[place + 1]
        value, whose = values[place], owners[place]
        if whose == owner:
            first = min(first, value)
        elif value < first:
            first, owner, second = value, whose, first
        else:
            second = min(second, value)
        best[place] = (first, owner, second)
    return best


def _least_of_others(best: Best, owner: int) -> int:
    return best[2] if best[1] == owner else best[0]


class _Inside:
    """Finds an operation on another value that lies inside an interval."""

    def __init__(self, zones: Zones) -> None:
        seen = zones.seen
        order = np.argsort(seen.call_ns[zones.rows], kind="stable")
        self._calls = seen.call_ns[zones.rows][order]
        self._best = _two_least(seen.return_ns[zones.rows][order].tolist(), zones.group[order].tolist())

    def another(self, group: int, call_ns: int, end_ns: int) -> bool:
        """Whether an operation on a value other than ``group`` was called and returned within the interval."""
        return _least_of_others(self._best[int(np.searchsorted(self._calls, call_ns, side="left"))], group) <= end_ns
