"""Events as every reader leaves them, before they are paired into operations.

Readers append one row an event, a field a column; ``pairing.pair`` makes operations of them. Bad lines become Problems
here. ``_scan.pyx`` fills the same columns from text, without a Python object an event.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from raftmon.driver.histories.model import MAX_DEPTH, MONOTONIC, READABLE, Problem, Values, too_deep

__all__ = [
    "FAIL",
    "INFO",
    "INVOKE",
    "MISSING",
    "MUTATING",
    "NESTED",
    "NOTHING",
    "OF_LISTS",
    "OK",
    "PLAIN",
    "PLAIN_FUNCTIONS",
    "TYPES",
    "Events",
    "are_micro_operations",
    "shape_of",
]

INVOKE, OK, FAIL, INFO = range(4)
TYPES = {"invoke": INVOKE, "ok": OK, "fail": FAIL, "info": INFO}

MUTATING = frozenset(
    ("write", "w", "put", "set", "cas", "compare-and-set", "delete", "del", "append", "add", "remove", "enqueue")
) | frozenset(("inc", "dec", "increment", "decrement"))  # some answer with the counter's new value
"""Functions whose value is in the invocation; of any other the completion's value counts."""

MISSING = -(2**63)
"""A time or an index that an event does not have."""

NOTHING, PLAIN, NESTED, OF_LISTS = range(4)
"""Shapes of values: None; a number or text; a list, dict or set; a list that begins with a list."""

NO_KEY = 0  # Events.key of an event without one: the code of None

MAX_PROBLEMS = 1000  # a file of another kind would otherwise fill the memory with complaints


_wide: partial[array[int]] = partial(array, "q")
_codes: partial[array[int]] = partial(array, "i")
_small: partial[array[int]] = partial(array, "b")


@dataclass(slots=True)
class Events:
    """Rows of events in file order, one array a field.

    ``time`` and ``index`` are MISSING where there is none; ``f``, ``key`` and ``place`` are codes of ``f_names``,
    ``keys`` and ``places``. ``value`` holds Python objects, ``shape`` what each is (NOTHING, PLAIN, NESTED, OF_LISTS).
    ``rare`` holds row -> fields that are seldom there (seen, error, extra…).
    """

    line: array[int] = field(default_factory=_wide)
    time: array[int] = field(default_factory=_wide)
    process: array[int] = field(default_factory=_wide)
    type: array[int] = field(default_factory=_small)
    f: array[int] = field(default_factory=_codes)
    key: array[int] = field(default_factory=_codes)
    value: list[Any] = field(default_factory=list)
    shape: array[int] = field(default_factory=_small)
    index: array[int] = field(default_factory=_wide)
    place: array[int] = field(default_factory=_codes)
    rare: dict[int, dict[str, Any]] = field(default_factory=dict)
    f_names: Values = field(default_factory=Values)
    keys: Values = field(default_factory=Values)
    places: Values = field(default_factory=Values)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    lines: int = 0
    others: int = 0
    suppressed: int = 0
    _names: dict[Any, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places.code((None, None))
        self.keys.code(None)

    def __len__(self) -> int:
        return len(self.type)

    def complain(self, line: int | None, sentence: str, breaks: str | None = None) -> None:
        """Record a problem; of very many, only the first are kept and the rest counted."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(line, sentence, breaks))
        else:
            self.suppressed += 1

    def process_code(self, process: Any) -> int:
        """The process as an integer; names get negative ones."""
        if type(process) is int and -(2**62) < process < 2**62:
            return process
        name = str(process)
        return self._names.setdefault(name, -1 - len(self._names))

    def add(self, line: int, event: dict[str, Any]) -> None:
        """Append one event with the fields of ``raftmon.driver.histories.operation``; complain where it is none."""
        kind, process, f = event.get("type"), event.get("process"), event.get("f")
        if process is None and kind in ("ok", "fail", "info") and are_micro_operations(event.get("value")):
            process = f"of line {line}"  # Elle's histories of completions alone: each is its own process
        if process is None or isinstance(process, dict | list | bool):
            self.complain(line, "an event without a process", READABLE)
            return
        if process == "nemesis":
            self.others += 1
            return
        code = TYPES.get(kind.lstrip(":").lower()) if isinstance(kind, str) else None
        if code is None:
            self.complain(line, f"an event of unknown type {kind!r} (available: invoke, ok, fail, info)", READABLE)
            return
        if (f is None or (isinstance(f, str) and f in PLAIN_FUNCTIONS)) and are_micro_operations(event.get("value")):
            f = "txn"
        if isinstance(f, str) and isinstance(kind, str) and kind.startswith(":"):
            f = f.removeprefix(":")  # keywords of EDN that some tool wrote as JSON texts
        if not isinstance(f, str):
            self.complain(line, f"an event whose function is {f!r}", READABLE)
            return
        if any(isinstance(item, list | dict) and too_deep(item) for item in event.values()):
            self.complain(line, f"a value nested more than {MAX_DEPTH} deep", READABLE)
            return
        moment = event.get("time_ns", event.get("time"))
        if moment is not None and not (type(moment) is int and abs(moment) < 2**62):
            self.complain(line, f"a time that is no whole number of nanoseconds: {moment!r}", MONOTONIC)
            moment = None
        index = event.get("index")
        row = len(self.type)
        self.line.append(line)
        self.time.append(MISSING if moment is None else moment)
        self.process.append(self.process_code(process))
        self.type.append(code)
        self.f.append(self.f_names.code(f))
        self.key.append(self.keys.code(event.get("key")))
        self.value.append(event.get("value"))
        self.shape.append(shape_of(event.get("value")))
        self.index.append(index if type(index) is int and abs(index) < 2**62 else MISSING)
        self.place.append(self.places.code((_text(event.get("node")), _text(event.get("host")))))
        rare = {name: value for name, value in event.items() if name not in _COMMON}
        if rare:
            self.rare[row] = rare


PLAIN_FUNCTIONS = frozenset(("read", "write", "r", "w"))
"""Functions that, with a value of micro-operations, are transactions in truth."""
_MICRO = frozenset(("r", "w", "append", "read", "write"))


def shape_of(value: Any) -> int:
    """NOTHING, PLAIN, NESTED or OF_LISTS."""
    if value is None:
        return NOTHING
    if isinstance(value, list):
        return OF_LISTS if value and isinstance(value[0], list) else NESTED
    return NESTED if isinstance(value, dict | set | tuple) else PLAIN


def are_micro_operations(value: Any) -> bool:
    """Whether a value is a transaction as Elle writes it: a list of ``[function, key, value]``."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(part, list) and len(part) == 3 for part in value)
        and all(isinstance(part[0], str) and part[0] in _MICRO for part in value)
    )


_COMMON = frozenset(("type", "process", "f", "time_ns", "time", "index", "key", "value", "node", "host"))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)
