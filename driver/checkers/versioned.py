"""Registers whose values come with versions, as jepsen.etcd's register test writes them.

There a write is invoked with ``[nil, value]``, a cas with ``[nil, [old, new]]``, and completed with the version in
place of the nil; a read gives ``[version, value]``. ``without_versions`` takes the versions off; a version that was
read with two values is found by ``version_conflict``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from raftmon.driver.checkers.zones.observations import CAS, FUNCTIONS, READ, WRITE
from raftmon.driver.histories.model import History, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["version_conflict", "without_versions"]


def _pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2


def _is_versioned(operation: Operation) -> bool:
    kind, value = FUNCTIONS.get(operation.f), operation.value
    if kind == WRITE:
        return _pair(value) and value[0] is None
    if kind == CAS:
        return _pair(value) and value[0] is None and _pair(value[1])
    if kind == READ and operation.outcome is Outcome.OK:
        return _pair(value) and (value[0] is None or (isinstance(value[0], int) and not isinstance(value[0], bool)))
    return True


def without_versions(history: History) -> History | None:
    """The history without versions; None where it has none. Every write, cas and answered read has to have one."""
    columns = history.columns
    changing = [FUNCTIONS.get(name) in (WRITE, CAS) for name in columns.f_names]
    first = next((row for row, f in enumerate(columns.f.tolist()) if changing[f]), None)
    if first is None or not _is_versioned(columns.operation(first)):
        return None
    operations = list(history.operations)
    if not any(FUNCTIONS.get(one.f) == WRITE for one in operations) or not all(map(_is_versioned, operations)):
        return None
    plain = [
        dataclasses.replace(one, value=one.value[1]) if _pair(one.value) and FUNCTIONS.get(one.f) is not None else one
        for one in operations
    ]
    return History(plain, problems=history.problems, notes=history.notes, meta=history.meta)


def version_conflict(history: History) -> tuple[Operation, Operation] | None:
    """Two reads of a key that give one version with different values, in a history that has versions."""
    first: dict[Any, Operation] = {}
    for one in history.operations:
        if FUNCTIONS.get(one.f) == READ and one.outcome is Outcome.OK and one.value[0] is not None:
            before = first.setdefault((freeze(one.key), one.value[0]), one)
            if freeze(before.value[1]) != freeze(one.value[1]):
                return before, one
    return None
