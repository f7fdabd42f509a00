"""What values a checker understands: an operation whose value it cannot read is passed over, not guessed at.

Many tests share function names: ``add`` puts an element into a set, a number onto a counter, or a row into a table that
is read back as maps. A checker says *valid* and *invalid* only of values in its own shape. Each function here looks at
a history and tells, by row, why that row's value cannot be understood; ``Understanding`` leaves those rows out, counts
and names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from raftmon.driver.checkers.zones.observations import CAS, FUNCTIONS, READ, WRITE
from raftmon.driver.histories.model import History, freeze

__all__ = [
    "BALANCES",
    "COMPARABLE",
    "COUNTERS",
    "IDENTIFIERS",
    "LOCKS",
    "OF_MODELS",
    "QUEUES",
    "REGISTERS",
    "SETS",
    "Shape",
    "containers",
    "micro_operations",
    "rows_of",
]

_READS = frozenset(("read", "get", "r"))


@dataclass(frozen=True, slots=True)
class Shape:
    """``strange`` tells of a history why a row's value is not understood: {row: "gave no number"}.

    ``reads`` are functions without which what is invalid stays so: a read that is passed over wrote nothing.
    """

    strange: Callable[[History], dict[int, str]]
    reads: frozenset[str] = _READS


_OK, _FAIL = 0, 1  # codes of Columns.outcome
_LISTS = (list, tuple, set, frozenset)
_SCALARS = {int, str, float, bool, type(None)}


def _family(value: Any) -> str:
    """Collections, texts and numbers are never mistaken for each other; null fits everywhere."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "maps"
    if isinstance(value, _LISTS):
        return "lists"
    return "texts" if isinstance(value, str) else "numbers"


def _families(values: Iterable[Any]) -> set[str]:
    listed = list(values)
    if set(map(type, listed)) <= {int, type(None)}:  # at C speed: nearly every history
        return {"numbers"}
    return {_family(value) for value in listed} - {""}


def _foreign(value: Any, written: set[str]) -> str | None:
    """Why a value can have been none of the written ones, judged by its kind alone.

    Numbers and texts are told apart only from collections here: a number that is read as a text may be a mistake of
    the server (``register`` looks at those that look alike).
    """
    family = _family(value)
    if not family or not written or family in written:
        return None
    if family in ("lists", "maps") or not written & {"numbers", "texts"}:
        return f"{family} where {' and '.join(sorted(written))} were written"
    return None


def rows_of(history: History, *functions: str) -> Iterable[tuple[int, int, Any]]:
    """(row, outcome code, value) of the operations of these functions."""
    columns = history.columns
    known = np.array([name in functions for name in columns.f_names], dtype=bool)
    if not len(known):
        return
    rows = np.flatnonzero(known[columns.f])
    for row, outcome in zip(rows.tolist(), columns.outcome[rows].tolist(), strict=True):
        yield row, outcome, columns.value[row]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _registers(history: History) -> dict[int, str]:
    """A cas takes ``[old, new]``; a read gives what somebody can have written, by its kind.

    Of maps: their fields are those of a map that was written. (``{"value": 5, "version": 1}`` after a write of 5 is
    another test's answer, and so is a list of all that was written.)
    """
    columns = history.columns
    found: dict[int, str] = {}
    kinds = np.array([FUNCTIONS.get(name, -1) for name in columns.f_names] or [-1])[columns.f]
    for row in np.flatnonzero((kinds == CAS) & (columns.outcome != _FAIL)).tolist():
        if not (isinstance(columns.value[row], list | tuple) and len(columns.value[row]) == 2):
            found[row] = "has no [old, new]"
    if set(map(type, columns.value)) <= {int, str, type(None)}:
        return found
    written: list[Any] = [columns.value[row] for row in np.flatnonzero(kinds == WRITE).tolist()]
    for row in np.flatnonzero(kinds == CAS).tolist():
        pair = columns.value[row]
        written += pair if isinstance(pair, list | tuple) and len(pair) == 2 else ()
    written.append(history.meta.initial)
    families = _families(written)
    exact = {freeze(value) for value in written}
    alike = {value for value in written if isinstance(value, int | float)}  # 1, 1.0 and True are one here
    fields = {frozenset(map(str, value)) for value in written if isinstance(value, Mapping)}
    for row in np.flatnonzero((kinds == READ) & (columns.outcome == _OK)).tolist():
        value = columns.value[row]
        if isinstance(value, int | float) and freeze(value) not in exact and value in alike:
            found[row] = "gave a number as another type than was written (1, 1.0, true)"
            continue
        if type(value) in _SCALARS and families <= {"numbers", "texts"}:
            continue
        why = _foreign(value, families) or (
            "lists or maps, and none was ever written" if isinstance(value, (*_LISTS, Mapping)) and not families else ""
        )
        if not why and isinstance(value, Mapping) and frozenset(map(str, value)) not in fields:
            why = "maps with other fields than those that were written"
        if why:
            found[row] = f"gave {why}"
    return found


def _sets(history: History) -> dict[int, str]:
    """A read gives a list of elements, of the kinds that were added."""
    elements = [value for _, _, value in rows_of(history, "add", "broadcast", "remove")]
    added = _families(elements)
    plain = set(map(type, elements)) <= _SCALARS and bool(elements)
    found = {}
    for row, outcome, value in rows_of(history, "read"):
        if outcome != _OK:
            continue
        if not isinstance(value, _LISTS):
            found[row] = "gave no list of elements"
        elif not (plain and set(map(type, value)) <= _SCALARS):
            why = next((why for element in value if (why := _foreign(element, added))), None)
            if why:
                found[row] = f"gave {why.replace('written', 'added')}"
        if row not in found and isinstance(value, _LISTS) and added == {"numbers"} and any(map(_is_text, value)):
            found[row] = "gave texts where numbers were added"
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _counters(history: History) -> dict[int, str]:
    """Amounts and answers are numbers; an amount may be left out."""
    found = {
        row: "adds no number"
        for row, outcome, value in rows_of(history, "add", "inc", "dec", "increment", "decrement")
        if outcome != _FAIL and value is not None and not _is_number(value)
    }
    answers = rows_of(history, "read")
    found.update({row: "gave no number" for row, out, value in answers if out == _OK and not _is_number(value)})
    return found


def containers(put: str, *takes: str) -> Shape:
    """What comes out is of a kind that was put in; a drain gives a list of that."""

    def shape(history: History) -> dict[int, str]:
        put_in = _families(value for _, outcome, value in rows_of(history, put) if outcome != _FAIL)
        found = {}
        for row, outcome, value in rows_of(history, *takes):
            why = _foreign(value, put_in) if outcome == _OK else None
            if why:
                found[row] = f"gave {why.replace('written', 'put in')}"
        for row, outcome, value in rows_of(history, "drain"):
            if outcome == _OK and value is not None and not isinstance(value, _LISTS):
                found[row] = "gave no list of values"
        return found

    return Shape(shape)


def _locks(history: History) -> dict[int, str]:
    """A token or an owner: a number, a text, a map; never a list."""
    names = ("acquire", "release", "guarded")
    return {row: "has a list as its value" for row, _, value in rows_of(history, *names) if isinstance(value, _LISTS)}


def _identifiers(history: History) -> dict[int, str]:
    """Something was generated."""
    rows = rows_of(history, "generate")
    return {row: "gave no identifier" for row, outcome, value in rows if outcome == _OK and value is None}


def _balances(history: History) -> dict[int, str]:
    """A read gives ``{account: balance}``, or the balances of accounts 0, 1, … as a list."""
    found = {}
    for row, outcome, value in rows_of(history, "read"):
        shown = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else None
        if outcome == _OK and (shown is None or not all(one is None or _is_number(one) for one in shown)):
            found[row] = "gave no balances"
    return found


def micro_operations(*names: str) -> Shape:
    """A list of ``[name, …]``, with these names only."""

    def shape(history: History) -> dict[int, str]:
        found = {}
        for row, outcome, value in rows_of(history, "txn", "read", "write", "send", "poll"):
            if outcome == _FAIL:
                continue
            strange = _strange_part(value, names)
            if strange is not None:
                found[row] = f"holds {strange}"
        return found

    return Shape(shape)


def _strange_part(value: Any, names: tuple[str, ...]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        return "no list of micro-operations"
    for part in value:
        if not isinstance(part, list | tuple) or not part or not isinstance(part[0], str):
            return "no micro-operation [f, …]"
        if part[0].lstrip(":") not in names:
            return f"{part[0]!r}, which is not one of {', '.join(names)}"
    return None


def _comparable(history: History) -> dict[int, str]:
    """Values of a priority queue can be compared: those of the commoner kind are."""
    found = _PRIORITIES.strange(history)
    rows = [(row, value) for row, outcome, value in rows_of(history, "insert") if outcome != _FAIL]
    families = [_family(value) for _, value in rows]
    if len(set(families)) > 1 or "maps" in families or "" in families:
        common = max(("numbers", "texts", "lists"), key=families.count)
        found.update(
            {row: f"has no {common} to compare" for (row, _), one in zip(rows, families, strict=True) if one != common}
        )
    return found


_PRIORITIES = containers("insert", "extract-max")
COMPARABLE = Shape(_comparable)
REGISTERS = Shape(_registers)
SETS = Shape(_sets, frozenset())  # a read that was passed over may have shown what seems lost
COUNTERS = Shape(_counters)
LOCKS = Shape(_locks)
IDENTIFIERS = Shape(_identifiers)
BALANCES = Shape(_balances)
QUEUES = containers("enqueue", "dequeue")
OF_MODELS = {
    "register": REGISTERS,
    "cas-register": REGISTERS,
    "counter": COUNTERS,
    "set": SETS,
    "fifo-queue": QUEUES,
    "stack": containers("push", "pop"),
    "priority-queue": COMPARABLE,
    "lock": LOCKS,
    "multi-register": micro_operations("r", "read", "get", "w", "write", "put", "set"),
}
"""By the model's name; the others say themselves what they understand."""
