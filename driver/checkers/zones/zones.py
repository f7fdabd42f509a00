"""Linearizability of registers whose written values are unique, in O(n log n).

Gibbons and Korach, "Testing Shared Memories", SIAM J. Computing 26(4), 1997: where it is known which write each read
saw (and unique values tell), a register's history can be checked in polynomial time. Operations are grouped by value.
Successful cas glue values into *blocks* with a fixed inner order, because nothing can come between a value and the cas
that replaces it. A block's *zone* lies between its earliest return ``f`` and its latest call ``s``: *forward* if f < s,
else *backward*. Block A must come before block B exactly if A.f < B.s, and orders of blocks are contradictory exactly
if two of them must each come before the other: two forward zones that overlap, or a backward zone inside a forward one.

Intervals are closed, as in Porcupine: an operation that returns at the very time another is called is concurrent to it.
All keys are checked at once; arrays are int64 nanoseconds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.checkers.zones.blocks import LONG_AGO, Conflict, Violation, Zones, group_by_value
from raftmon.driver.checkers.zones.observations import CAS, READ, WRITE, Observations
from raftmon.driver.histories.model import NEVER

__all__ = ["Conflict", "Violation", "find_violations"]

Integers = NDArray[np.int64]


def find_violations(seen: Observations, rows: Integers | None = None) -> list[Violation]:
    """Everything wrong with the operations ``rows`` (all by default), one of each kind at most, earliest first.

    The values written to each key must be unique and never the initial one; rows of other kinds than READ, WRITE and
    CAS are passed over. An empty answer means linearizable.
    """
    rows = np.arange(len(seen.kind)) if rows is None else rows
    rows = rows[np.isin(seen.kind[rows], (READ, WRITE, CAS))]
    if not len(rows):
        return []
    grouped = group_by_value(seen, rows)
    found = grouped if isinstance(grouped, list) else _conflicts(grouped)
    return sorted(found, key=lambda violation: violation.at_ns)


def _conflicts(zones: Zones) -> list[Violation]:
    found = _future_reads(zones)
    earliest, latest = zones.earliest_return(), zones.latest_call()
    found += _chain_order(zones, earliest, latest)
    found += _zone_conflicts(zones, earliest, latest)
    return found


def _future_reads(zones: Zones) -> list[Violation]:
    seen = zones.seen
    producer = zones.producer[zones.group]
    early = (producer >= 0) & (seen.return_ns[zones.rows] < seen.call_ns[producer])
    if not early.any():
        return []
    candidates = np.flatnonzero(early)
    first = candidates[np.argmin(seen.call_ns[producer[candidates]])]
    row, write = int(zones.rows[first]), int(producer[first])
    key = int(zones.group_key[zones.group[first]])
    return [Violation(Conflict.FUTURE_READ, (row, write), key, int(seen.call_ns[write]))]


def _chain_order(zones: Zones, earliest: Integers, latest: Integers) -> list[Violation]:
    """Inside a block no operation of a later value may end before one of an earlier value begins."""
    chained = np.zeros(len(zones.root), np.bool_)
    chained[zones.root[zones.depth > 0]] = True
    groups = np.flatnonzero(chained[zones.root])
    if not len(groups):
        return []
    groups = groups[np.lexsort((zones.depth[groups], zones.root[groups]))]
    # A running maximum that starts anew with each block: ranks, lifted by the block's number, never fall back.
    rank = np.empty(len(groups), np.int64)
    by_call = np.argsort(latest[groups], kind="stable")
    rank[by_call] = np.arange(len(groups))
    new_block = zones.depth[groups] == 0
    lifted = rank + (np.cumsum(new_block) - 1) * len(groups)
    before = np.maximum.accumulate(lifted)[:-1] % len(groups)
    bad = np.flatnonzero(~new_block[1:] & (earliest[groups[1:]] < latest[groups][by_call][before]))
    if not len(bad):
        return []
    first = bad[np.argmin(earliest[groups[bad + 1]])]
    later, earlier = int(groups[first + 1]), int(groups[by_call[before[first]]])
    seen = zones.seen
    ended = _pick(zones, np.array([later]), seen.return_ns)
    began = _next_call(zones, np.array([earlier]), int(seen.return_ns[ended]))
    glue = zones.glue(earlier, later)
    return [
        Violation(Conflict.CHAIN_ORDER, (ended, began), int(zones.group_key[later]), int(seen.call_ns[began]), glue)
    ]


def _zone_conflicts(zones: Zones, earliest: Integers, latest: Integers) -> list[Violation]:
    """Forward zones that overlap, and backward zones inside a forward one."""
    finish = np.full(len(zones.root), NEVER, np.int64)
    start = np.full(len(zones.root), LONG_AGO, np.int64)
    np.minimum.at(finish, zones.root, earliest)
    np.maximum.at(start, zones.root, latest)
    finish[zones.group_initial] = LONG_AGO  # as if written before everything
    roots = np.unique(zones.root)
    roots = roots[start[roots] > LONG_AGO]
    forward = roots[finish[roots] < start[roots]]
    backward = roots[finish[roots] >= start[roots]]
    forward = forward[np.lexsort((finish[forward], zones.group_key[forward]))]
    pairs = _overlaps(zones, forward, finish, start) + _enclosed(zones, forward, backward, finish, start)
    return [_zone_violation(zones, one, two, finish) for one, two in pairs]


def _overlaps(zones: Zones, forward: Integers, finish: Integers, start: Integers) -> list[tuple[int, int]]:
    """The earliest two neighbouring forward zones that overlap (if any two do, two neighbours do)."""
    one, two = forward[:-1], forward[1:]
    bad = np.flatnonzero((zones.group_key[one] == zones.group_key[two]) & (finish[two] < start[one]))
    if not len(bad):
        return []
    first = bad[np.argmin(finish[two[bad]])]
    return [(int(one[first]), int(two[first]))]


def _enclosed(
    zones: Zones, forward: Integers, backward: Integers, finish: Integers, start: Integers
) -> list[tuple[int, int]]:
    """The earliest backward zone inside a forward one: looked for in the last forward zone that begins before it."""
    if not len(forward) or not len(backward):
        return []
    both = np.concatenate((forward, backward))
    is_forward = np.arange(len(both)) < len(forward)
    time = np.concatenate((finish[forward], start[backward]))
    order = np.lexsort((is_forward, time, zones.group_key[both]))  # at equal times the backward zone is first
    number = np.cumsum(is_forward[order]) - 1
    inner = order[~is_forward[order]]
    outer = number[~is_forward[order]]
    inner, outer = both[inner[outer >= 0]], forward[outer[outer >= 0]]
    bad = np.flatnonzero((zones.group_key[inner] == zones.group_key[outer]) & (finish[inner] < start[outer]))
    if not len(bad):
        return []
    first = bad[np.argmin(finish[inner[bad]])]
    return [(int(outer[first]), int(inner[first]))]


def _zone_violation(zones: Zones, one: int, two: int, finish: Integers) -> Violation:
    """Name the operations by which two blocks must each come before the other, the earliest such ones."""
    seen = zones.seen
    groups_a, groups_b = zones.block(one), zones.block(two)
    if finish[two] == LONG_AGO:
        groups_a, groups_b = groups_b, groups_a
    b1 = _pick(zones, groups_b, seen.return_ns)
    a2 = _next_call(zones, groups_a, int(seen.return_ns[b1]))
    key, at_ns = int(zones.group_key[one]), int(seen.call_ns[a2])
    group_of = dict(zip(zones.rows.tolist(), zones.group.tolist(), strict=True))
    if finish[groups_a[0]] == LONG_AGO:
        glue = zones.glue(int(groups_a[0]), group_of[a2]) + zones.glue(group_of[b1], group_of[b1])
        return Violation(Conflict.INITIAL, (b1, a2), key, at_ns, glue)
    a1 = _pick(zones, groups_a, seen.return_ns)
    b2 = _next_call(zones, groups_b, int(seen.return_ns[a1]))
    glue = zones.glue(group_of[a1], group_of[a2]) + zones.glue(group_of[b1], group_of[b2])
    return Violation(Conflict.ZONES, (a1, b2, b1, a2), key, max(at_ns, int(seen.call_ns[b2])), glue)


def _pick(zones: Zones, groups: Integers, times: Integers) -> int:
    """The member of ``groups`` with the least time."""
    members = zones.members(groups)
    return int(members[np.argmin(times[members])])


def _next_call(zones: Zones, groups: Integers, after_ns: int) -> int:
    """The member of ``groups`` called first after ``after_ns`` (there is one)."""
    members = zones.members(groups)
    members = members[zones.seen.call_ns[members] > after_ns]
    return int(members[np.argmin(zones.seen.call_ns[members])])
