"""A history in memory: operations, what was wrong with the file they came from, and where that was.

A million operations as Python objects cost a quarter of a gigabyte and more than a second to make. A ``History``
therefore keeps *columns* (numpy arrays) when a reader made them, and makes ``Operation`` objects only when somebody
asks for them. Either form can be made from the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.histories.operation import Operation, Outcome

__all__ = [
    "MONOTONIC",
    "NEVER",
    "ONE_IN_FLIGHT",
    "OUTCOMES",
    "READABLE",
    "Columns",
    "History",
    "Meta",
    "Problem",
    "Values",
]

NEVER = int(np.iinfo(np.int64).max)  # the return time of an operation that never returned
OUTCOMES = (Outcome.OK, Outcome.FAIL, Outcome.INFO)  # a Columns.outcome is an index into this
READABLE = "every line is an event"
ONE_IN_FLIGHT = "one operation in flight per process"
MONOTONIC = "a monotonic clock"
_OUTCOME_CODE = {outcome: code for code, outcome in enumerate(OUTCOMES)}

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a history. ``line`` counts from 1; None if it is about the whole file.

    ``breaks`` names the assumption that it breaks (see ``raftmon.driver.checkers.assumptions``), if it breaks one.
    """

    line: int | None
    sentence: str
    breaks: str | None = None

    def __str__(self) -> str:
        return self.sentence if self.line is None else f"line {self.line}: {self.sentence}"


@dataclass(slots=True)
class Meta:
    """Where a history came from.

    ``folder`` is the run's folder if it was read from one (config.json, events.jsonl, monitor.json lie there).
    ``ordered_only`` is true where the format has no clock and times are only line numbers.
    ``initial`` is what every register holds before the first write.
    """

    source: Path | None = None
    folder: Path | None = None
    format: str = "memory"
    lines: int = 0
    ordered_only: bool = False
    initial: Any = None
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Values:
    """Objects interned to codes: ``objects[code]`` is one of them, ``code(object)`` finds or adds it.

    Lists and dicts, which Python cannot hash, are interned by their text. True and 1 are two objects, as in JSON.
    """

    objects: list[Any] = field(default_factory=list)
    _codes: dict[Any, int] = field(default_factory=dict)

    def code(self, value: Any) -> int:
        """The code of ``value``."""
        handle = freeze(value)
        found = self._codes.get(handle)
        if found is None:
            found = self._codes[handle] = len(self.objects)
            self.objects.append(value)
        return found

    def __len__(self) -> int:
        return len(self.objects)


MAX_DEPTH = 100
"""Values nested deeper are not read: Python's own recursion (comparing, pickling, printing) would give up on them."""


def too_deep(value: Any) -> bool:
    """Whether lists and dicts are nested more than MAX_DEPTH deep in ``value``."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for item in level
            if isinstance(item, list | dict)
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, list | dict)
        ]
        if not level:
            return False
    return True


def freeze(value: Any) -> Any:
    """A hashable stand-in for ``value``; equal only for equal JSON values of the same type (1, 1.0 and True differ)."""
    kind = type(value)
    if kind is int or kind is str or value is None:
        return value
    if kind is list or kind is tuple:
        return ("[]", *map(freeze, value))
    if kind is dict:
        return ("{}", frozenset((freeze(key), freeze(item)) for key, item in value.items()))
    if kind is set or kind is frozenset:
        return ("#{}", frozenset(map(freeze, value)))
    try:
        hash(value)
    except TypeError:
        return (kind.__name__, repr(value))
    return (kind.__name__, value)


@dataclass(slots=True)
class Columns:
    """Operations in order of call, one array a field; row i of each is operation i.

    ``f`` are codes of ``f_names``, ``key`` codes of ``keys``, ``outcome`` codes of ``OUTCOMES``. ``value`` holds the
    Python objects. ``return_ns`` is NEVER where there is none. Everything seldom there (seen, error,
    extra) is in ``rare``: row -> {field: value}. ``places[place[i]]`` is (node, host).
    """

    process: Integers
    f: Integers
    f_names: list[str]
    key: Integers
    keys: Values
    value: list[Any]
    call_ns: Integers
    return_ns: Integers
    outcome: NDArray[np.int8]
    index: Integers
    place: Integers
    places: list[tuple[str | None, str | None]]
    rare: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.value)

    def operation(self, row: int) -> Operation:
        """Row ``row`` as an Operation."""
        return_ns = int(self.return_ns[row])
        node, host = self.places[int(self.place[row])]
        operation = Operation(
            int(self.process[row]),
            self.f_names[int(self.f[row])],
            self.keys.objects[int(self.key[row])],
            self.value[row],
            int(self.call_ns[row]),
            None if return_ns == NEVER else return_ns,
            OUTCOMES[int(self.outcome[row])],
            int(self.index[row]),
            node,
            host,
        )
        for name, value in self.rare.get(row, {}).items():
            setattr(operation, name, value)
        return operation

    def operations(self) -> list[Operation]:
        """All rows as Operations."""
        return [self.operation(row) for row in range(len(self))]

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> Columns:
        """The columns of ``operations``, in their order."""
        listed = list(operations)
        f_names, keys, places = Values(), Values(), Values()
        rare: dict[int, dict[str, Any]] = {}
        for row, operation in enumerate(listed):
            if operation.has_seen or operation.error is not None or operation.extra is not None:
                rare[row] = {
                    "seen": operation.seen,
                    "has_seen": operation.has_seen,
                    "error": operation.error,
                    "extra": operation.extra,
                }

        def integers(column: Iterable[int]) -> Integers:
            return np.fromiter(column, np.int64, len(listed))

        return cls(
            process=integers(o.process for o in listed),
            f=integers(f_names.code(o.f) for o in listed),
            f_names=f_names.objects,
            key=integers(keys.code(o.key) for o in listed),
            keys=keys,
            value=[o.value for o in listed],
            call_ns=integers(o.call_ns for o in listed),
            return_ns=integers(NEVER if o.return_ns is None else o.return_ns for o in listed),
            outcome=np.fromiter((_OUTCOME_CODE[o.outcome] for o in listed), np.int8, len(listed)),
            index=integers(o.index for o in listed),
            place=integers(places.code((o.node, o.host)) for o in listed),
            places=places.objects,
            rare=rare,
        )


class History:
    """Operations in order of call, with the problems found in their file and where it was.

    Made by ``raftmon.driver.histories.read_history(path)`` or from operations: ``History(operations)``. Iterating gives
    Operations. ``operations`` and ``columns`` are each made once, when first asked for. ``problems`` are what is wrong
    with the file, ``notes`` what is unusual but harmless.
    """

    def __init__(
        self,
        operations: Iterable[Operation] | None = None,
        *,
        columns: Columns | None = None,
        problems: Iterable[Problem] = (),
        notes: Iterable[Problem] = (),
        meta: Meta | None = None,
    ) -> None:
        self._operations: list[Operation] | None = None
        if columns is None:
            self._operations = sorted(operations or (), key=lambda operation: operation.call_ns)
        self._columns = columns
        self.problems: list[Problem] = list(problems)
        self.notes: list[Problem] = list(notes)
        self.meta = meta or Meta()

    @property
    def operations(self) -> list[Operation]:
        """Every operation, in order of call. Do not change it."""
        if self._operations is None:
            assert self._columns is not None
            self._operations = self._columns.operations()
        return self._operations

    @property
    def columns(self) -> Columns:
        """Every operation as arrays, in order of call. Do not change them."""
        if self._columns is None:
            self._columns = Columns.of(self._operations or ())
        return self._columns

    def by_key(self) -> dict[Any, list[Operation]]:
        """Operations by their key (lists and dicts as keys by a frozen stand-in), in order of call."""
        groups: dict[Any, list[Operation]] = {}
        for operation in self.operations:
            groups.setdefault(freeze(operation.key), []).append(operation)
        return groups

    def functions(self) -> set[str]:
        """The names of the operations there are."""
        if self._columns is not None:
            return {self._columns.f_names[code] for code in np.flatnonzero(np.bincount(self._columns.f))}
        return {operation.f for operation in self._operations or ()}

    def __len__(self) -> int:
        return len(self._columns) if self._columns is not None else len(self._operations or ())

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __repr__(self) -> str:
        return f"<History {len(self)} operations, {len(self.problems)} problems, {self.meta.format}>"
