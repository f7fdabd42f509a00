"""A register history as arrays: what each operation wrote and what it saw.

The names of the operations, and what a failed cas means, are decided here and nowhere else:

- ``read`` that succeeded saw its value; one that failed or never ended says nothing.
- ``write`` that failed did not happen; an indefinite one may have happened at any time after its call.
- ``cas`` that succeeded saw ``expected`` and wrote ``new``. One that failed and says what it saw is a read of that. One
  that failed and says neither what it saw nor why (``error``) is a *mismatch*: somewhere in its interval the value was
  not ``expected``. One that failed with an error text did not happen, and says nothing.
- ``delete`` makes the register hold its initial value again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.histories.model import NEVER, Columns, Values
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["CAS", "DELETE", "FUNCTIONS", "MISMATCH", "READ", "SKIP", "WRITE", "Observations", "is_mismatch", "observe"]

SKIP, READ, WRITE, CAS, DELETE, MISMATCH = range(6)

FUNCTIONS = {
    "read": READ,
    "get": READ,
    "r": READ,
    "write": WRITE,
    "put": WRITE,
    "set": WRITE,
    "w": WRITE,
    "cas": CAS,
    "compare-and-set": CAS,
    "delete": DELETE,
    "del": DELETE,
}

Integers = NDArray[np.int64]
Bytes = NDArray[np.int8]
_OK, _FAIL, _INFO = 0, 1, 2


@dataclass(slots=True)
class Observations:
    """One row an operation of the history (row i is ``columns.operation(i)``).

    ``kind`` is SKIP, READ, … ; ``saw`` and ``wrote`` are codes of ``values`` (-1: nothing). ``return_ns`` is NEVER for
    whatever is indefinite. ``initial`` is the code of what a register holds at first. ``strange`` are rows left out
    because their function or value is not a register's.
    """

    kind: Bytes
    key: Integers
    saw: Integers
    wrote: Integers
    call_ns: Integers
    return_ns: Integers
    indefinite: NDArray[np.bool_]
    values: list[Any]
    initial: int
    strange: Integers


def is_mismatch(operation: Operation) -> bool:
    """Whether a cas failed because the value was another one, without saying which."""
    if operation.outcome is not Outcome.FAIL or operation.has_seen:
        return False
    extra = operation.extra or {}
    return operation.error is None or bool(extra.get("mismatch"))


def _pair(value: Any) -> tuple[Any, Any] | None:
    return (value[0], value[1]) if isinstance(value, list | tuple) and len(value) == 2 else None


def _kinds(columns: Columns) -> tuple[Bytes, NDArray[np.bool_]]:
    table = np.array([FUNCTIONS.get(name, SKIP) for name in columns.f_names] or [SKIP], np.int8)
    known = np.array([name in FUNCTIONS for name in columns.f_names] or [False])
    kind = table[columns.f]
    strange = ~known[columns.f]
    kind[(kind == READ) & (columns.outcome != _OK)] = SKIP
    kind[(kind != CAS) & (columns.outcome == _FAIL)] = SKIP
    return kind, strange


def observe(columns: Columns, initial: Any = None) -> Observations:
    """The observations in ``columns``. Values are compared as JSON values: 1, 1.0 and true differ."""
    kind, strange = _kinds(columns)
    size = len(columns)
    saw, wrote = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    values = columns.value
    simple_rows = np.flatnonzero((kind == READ) | (kind == WRITE))
    cas_rows = np.flatnonzero(kind == CAS)
    simple = values if len(simple_rows) == size else [values[row] for row in simple_rows.tolist()]
    expected: list[Any] = []
    new: list[Any] = []
    kept: list[int] = []
    told = columns.rare
    for row, outcome in zip(cas_rows.tolist(), columns.outcome[cas_rows].tolist(), strict=True):
        rare = told.get(row)
        value = values[row]
        pair = value if type(value) is list and len(value) == 2 else _pair(value)
        if outcome == _FAIL and rare is not None and rare.get("has_seen"):
            kind[row], pair = READ, (rare.get("seen"), None)
        elif pair is None:
            kind[row], strange[row] = SKIP, True
            continue
        elif outcome == _FAIL:
            kind[row] = MISMATCH if is_mismatch(columns.operation(row)) else SKIP
        expected.append(pair[0])
        new.append(pair[1])
        kept.append(row)
    codes, objects = _codes([simple, expected, new, [initial]])
    simple_codes, expected_codes, new_codes, initial_codes = codes
    is_read = kind[simple_rows] == READ
    saw[simple_rows[is_read]] = simple_codes[is_read]
    wrote[simple_rows[~is_read]] = simple_codes[~is_read]
    kept_rows = np.array(kept, np.int64)
    saw[kept_rows] = expected_codes
    wrote[kept_rows] = new_codes
    wrote[(kind == READ) | (kind == MISMATCH)] = -1
    saw[kind == SKIP] = -1
    wrote[kind == SKIP] = -1
    wrote[kind == DELETE] = initial_codes[0]
    indefinite = columns.outcome == _INFO
    return_ns = np.where(indefinite, NEVER, columns.return_ns)
    return Observations(
        kind,
        columns.key,
        saw,
        wrote,
        columns.call_ns,
        return_ns,
        indefinite,
        objects,
        int(initial_codes[0]),
        np.flatnonzero(strange),
    )


def _codes(lists: list[list[Any]]) -> tuple[list[Integers], list[Any]]:
    """Intern every object of every list to one set of codes.

    Integers, strings and None, which is what nearly every history has, go through one dict at C speed; anything else
    through ``Values``, because Python holds 1, 1.0 and True for equal and cannot hash lists.
    """
    types: set[type] = set()
    for items in lists:
        types.update(map(type, items))
    if types <= {int, str, type(None)}:
        order: dict[Any, int] = {}
        for items in lists:
            order.update(dict.fromkeys(items, 0))
        order = dict(zip(order, range(len(order)), strict=True))
        return [_integers(map(order.__getitem__, items), len(items)) for items in lists], list(order)
    values = Values()
    return [_integers(map(values.code, items), len(items)) for items in lists], values.objects


def _integers(items: Iterable[int], count: int) -> Integers:
    return np.fromiter(items, np.int64, count)
