"""Tell deletes apart by the store's revision, where the history gives one.

A delete brings the initial value back, and many deletes bring the same: values are then not unique and a read of
*nothing* does not say which nothing it saw. etcd's revision does: a delete at revision r made the nothing that reads
at revisions from r on saw, until the next delete. So each delete writes its own value, ``extra.revision`` of a
read (the store's revision in its answer) says which, and the polynomial check applies.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.checkers.zones.observations import CAS, DELETE, READ, WRITE, Observations
from raftmon.driver.histories.model import Columns

__all__ = ["Absent", "tell_deletes_apart"]

Integers = NDArray[np.int64]


class Absent:
    """Nothing, as the delete at one revision left it."""

    def __init__(self, revision: int) -> None:
        self.revision = revision

    def __repr__(self) -> str:
        return f"nothing since revision {self.revision}"


def tell_deletes_apart(seen: Observations, columns: Columns) -> tuple[Observations, set[int]]:
    """Observations in which deletes write values of their own, and the keys where that could not be done.

    It cannot be where an answer that matters gives no revision, where a delete's outcome is not known or does not say
    whether it removed anything, or where two deletes of a key claim one revision.
    """
    deletes = np.flatnonzero(seen.kind == DELETE)
    if not len(deletes):
        return seen, set()
    seen = replace(seen, kind=seen.kind.copy(), saw=seen.saw.copy(), wrote=seen.wrote.copy(), values=list(seen.values))
    left: set[int] = set()
    for key in np.unique(seen.key[deletes]).tolist():
        of_key = deletes[seen.key[deletes] == key]
        if not _one_key(seen, columns, key, of_key):
            seen.kind[of_key], seen.saw[of_key], seen.wrote[of_key] = DELETE, -1, seen.initial
            left.add(key)
    return seen, left


def _extra(columns: Columns, row: int, name: str) -> int | None:
    number = (columns.rare.get(row, {}).get("extra") or {}).get(name)
    return int(number) if isinstance(number, int) else None


def _one_key(seen: Observations, columns: Columns, key: int, deletes: Integers) -> bool:
    removed = [_extra(columns, row, "deleted") for row in deletes.tolist()]
    if seen.indefinite[deletes].any() or None in removed:
        return False
    idle = deletes[np.array(removed, np.int64) == 0]
    seen.kind[idle], seen.saw[idle], seen.wrote[idle] = READ, seen.initial, -1
    deletes = deletes[np.array(removed, np.int64) != 0]
    made = [(_extra(columns, row, "revision"), row) for row in deletes.tolist()]
    known = sorted((revision, row) for revision, row in made if revision is not None)
    revisions = [revision for revision, _ in known]
    if len(known) < len(made) or len(set(revisions)) < len(revisions):
        return False
    looks = np.flatnonzero((seen.key == key) & (seen.saw == seen.initial) & np.isin(seen.kind, (READ, CAS)))
    first_code = len(seen.values)
    changes = []
    for row in looks.tolist():
        revision = _extra(columns, row, "revision")
        if revision is None or seen.indefinite[row]:
            return False
        # A cas that succeeded made a revision of its own; what it saw is older.
        place = (bisect_left if seen.kind[row] == CAS else bisect_right)(revisions, revision)
        if place:
            changes.append((row, first_code + place - 1))
    for row, code in changes:
        seen.saw[row] = code
    for number, (revision, row) in enumerate(known):
        seen.kind[row], seen.wrote[row] = WRITE, first_code + number
        seen.values.append(Absent(revision))
    return True
