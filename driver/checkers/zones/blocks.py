"""Register operations grouped by value, and values glued into blocks by successful cas (see ``zones.py``).

What cannot be grouped at all (a value from nowhere, two cas that replaced one value, cas in a ring) is a violation.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.checkers.zones.observations import Observations
from raftmon.driver.histories.model import NEVER

__all__ = ["LONG_AGO", "Conflict", "Violation", "Zones", "group_by_value"]

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
