"""Linearizability of registers whose written values are unique, in O(n log n).

Gibbons and Korach, "Testing Shared Memories", SIAM J. Computing 26(4), 1997: where it is known which write each read
saw (and unique values tell), a register's history can be checked in polynomial time. Operations are grouped by value.
Successful cas glue values into *blocks* with a fixed inner order, because nothing can come between a value and the cas
that replaces it. A block's *zone* lies between its earliest return ``f`` and its latest call ``s``: *forward* if f < s,
else *backward*. Block A must come before block B exactly if A.f < B.s, and orders of blocks are contradictory exactly
if two of them must each come before the other: two forward zones that overlap, or a backward zone inside a forward one.

Intervals are closed, as in Porcupine: an operation that returns at the very time another is called is concurrent to it.
Every key is checked at once; arrays are int64 nanoseconds.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driver.checkers.observations import CAS, READ, WRITE, Observations
from driver.histories.model import NEVER

__all__ = ["LONG_AGO", "Conflict", "Violation", "Zones", "find_violations", "group_by_value"]

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
LONG_AGO = int(np.iinfo(np.int64).min)


class Conflict(enum.Enum):
    """The ways in which a register's history can be wrong."""

    NEVER_WRITTEN = "never written"
    FUTURE_READ = "future read"
    DOUBLE_CAS = "double cas"
    CAS_CYCLE = "cas cycle"
    CHAIN_ORDER = "chain order"
    ZONES = "zones"
    INITIAL = "initial"


@dataclass(frozen=True, slots=True)
class Violation:
    """One contradiction: its kind, the rows of the operations named in its sentence, and roughly when it arose.

    For ZONES rows are (a1, b2, b1, a2): a1 ended before b2 began, and b1 ended before a2 began, where a1 and a2 are of
    one block and b1 and b2 of another. INITIAL is the same with a1 left out. ``glue`` are the producing operations that
    tie them into their blocks.
    """

    conflict: Conflict
    rows: tuple[int, ...]
    key: int
    at_ns: int
    glue: tuple[int, ...] = ()


@dataclass(slots=True)
class Zones:
    """Values (groups of operations) and their blocks.

    A group is one value of one key. ``producer`` is the row that wrote it, -1 if none. ``root`` is the first group of
    its block, ``depth`` its place in it. ``rows`` and ``group`` list the operations that count, with their group.
    """

    seen: Observations
    rows: Integers
    group: Integers
    group_key: Integers
    group_value: Integers
    group_initial: Flags
    producer: Integers
    parent: Integers
    root: Integers
    depth: Integers

    def earliest_return(self) -> Integers:
        """Of each group."""
        result = np.full(len(self.group_key), NEVER, np.int64)
        np.minimum.at(result, self.group, self.seen.return_ns[self.rows])
        return result

    def latest_call(self) -> Integers:
        """Of each group."""
        result = np.full(len(self.group_key), LONG_AGO, np.int64)
        np.maximum.at(result, self.group, self.seen.call_ns[self.rows])
        return result

    def members(self, groups: Integers) -> Integers:
        """The rows of ``groups``."""
        return self.rows[np.isin(self.group, groups)]

    def block(self, root: int) -> Integers:
        """The groups of one block, in order."""
        groups = np.flatnonzero(self.root == root)
        return groups[np.argsort(self.depth[groups])]

    def glue(self, first: int, last: int) -> tuple[int, ...]:
        """The producers of the groups between two groups of a block (both included, either way round)."""
        if self.depth[first] > self.depth[last]:
            first, last = last, first
        chain, group = [], last
        while True:
            if self.producer[group] >= 0:
                chain.append(int(self.producer[group]))
            if group == first or self.parent[group] < 0:
                return tuple(reversed(chain))
            group = int(self.parent[group])


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


def group_by_value(seen: Observations, rows: Integers) -> Zones | list[Violation]:
    """Group operations by value; what cannot be grouped at all is returned as violations."""
    saw, wrote, keys = seen.saw[rows], seen.wrote[rows], seen.key[rows]
    count = len(seen.values)
    pairs, inverse = _distinct(np.concatenate((keys * count + saw, keys * count + wrote)) + 1)
    pairs -= 1  # nothing seen, or written, on the first key is -1
    saw_group, wrote_group = inverse[: len(rows)], inverse[len(rows) :]
    saw_group[saw < 0] = -1
    wrote_group[wrote < 0] = -1
    group_key, group_value = np.divmod(pairs, count)
    effective = _effective(seen, rows, saw_group, wrote_group, len(pairs))
    rows, saw_group, wrote_group = rows[effective], saw_group[effective], wrote_group[effective]
    producer = np.full(len(pairs), -1, np.int64)
    writes = wrote_group >= 0
    producer[wrote_group[writes]] = rows[writes]
    initial = group_value == seen.initial
    found = _never_written(seen, rows, saw_group, producer, initial, group_key)
    cas = (saw_group >= 0) & writes
    parent = np.full(len(pairs), -1, np.int64)
    parent[wrote_group[cas]] = saw_group[cas]
    found += _double_cas(seen, rows[cas], saw_group[cas], group_key)
    root, depth, cyclic = _chains(parent)
    if len(cyclic):
        found.append(_cycle(seen, parent, producer, int(cyclic[0]), group_key))
    if found:
        return found
    group = np.where(writes, wrote_group, saw_group)
    return Zones(seen, rows, group, group_key, group_value, initial, producer, parent, root, depth)


def _distinct(numbers: Integers) -> tuple[Integers, Integers]:
    """As numpy.unique with the inverse, for numbers >= 0: by a table where they are dense, which needs no sorting."""
    largest = int(numbers.max(initial=0))
    if largest > 4 * len(numbers) + 1024:
        distinct, inverse = np.unique(numbers, return_inverse=True)
        return distinct, inverse
    there = np.zeros(largest + 1, np.bool_)
    there[numbers] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[numbers]


def _effective(seen: Observations, rows: Integers, saw: Integers, wrote: Integers, groups: int) -> Flags:
    """Which operations count: all definite ones, and an indefinite one only where somebody saw its value."""
    doubtful = seen.indefinite[rows]
    if not doubtful.any():
        return np.ones(len(rows), np.bool_)
    observed = np.zeros(groups, np.bool_)
    definite_saw = saw[~doubtful]
    observed[definite_saw[definite_saw >= 0]] = True
    chained = np.flatnonzero(doubtful & (saw >= 0))  # indefinite cas: an effective one has itself seen a value
    maker = dict(zip(wrote[chained].tolist(), saw[chained].tolist(), strict=True))
    waiting = [group for group in maker if observed[group]]
    while waiting:
        expected = maker[waiting.pop()]
        if not observed[expected]:
            observed[expected] = True
            if expected in maker:
                waiting.append(expected)
    return ~doubtful | observed[wrote]


def _never_written(
    seen: Observations, rows: Integers, saw: Integers, producer: Integers, initial: Flags, group_key: Integers
) -> list[Violation]:
    orphan = saw >= 0
    orphan[orphan] = (producer[saw[orphan]] < 0) & ~initial[saw[orphan]]
    if not orphan.any():
        return []
    candidates = np.flatnonzero(orphan)
    first = candidates[np.argmin(seen.return_ns[rows[candidates]])]
    row = int(rows[first])
    return [Violation(Conflict.NEVER_WRITTEN, (row,), int(group_key[saw[first]]), int(seen.return_ns[row]))]


def _double_cas(seen: Observations, rows: Integers, saw: Integers, group_key: Integers) -> list[Violation]:
    order = np.lexsort((seen.call_ns[rows], saw))
    same = np.flatnonzero(saw[order][1:] == saw[order][:-1])
    if not len(same):
        return []
    ends = seen.call_ns[rows[order[same + 1]]]
    first = int(same[np.argmin(ends)])
    one, two = order[first], order[first + 1]
    at_ns = int(ends.min())
    return [Violation(Conflict.DOUBLE_CAS, (int(rows[one]), int(rows[two])), int(group_key[saw[one]]), at_ns)]


def _chains(parent: Integers) -> tuple[Integers, Integers, Integers]:
    """The root and depth of each group by pointer doubling, and the groups that hang on a cycle."""
    size = len(parent)
    root = np.where(parent >= 0, parent, np.arange(size))
    depth = (parent >= 0).astype(np.int64)
    if not depth.any():
        return root, depth, np.empty(0, np.int64)
    for _ in range(size.bit_length() + 1):
        further = root[root]
        if np.array_equal(further, root):
            break
        depth = depth + depth[root]
        root = further
    return root, depth, np.flatnonzero(parent[root] >= 0)


def _cycle(seen: Observations, parent: Integers, producer: Integers, start: int, group_key: Integers) -> Violation:
    visited: dict[int, None] = {}
    group = start
    while group not in visited:
        visited[group] = None
        group = int(parent[group])
    rows = [int(producer[group])]
    step = int(parent[group])
    while step != group:
        rows.append(int(producer[step]))
        step = int(parent[step])
    rows.reverse()  # each saw what the one before it wrote
    at_ns = max(int(seen.call_ns[row]) for row in rows)
    return Violation(Conflict.CAS_CYCLE, tuple(rows), int(group_key[group]), at_ns)


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
