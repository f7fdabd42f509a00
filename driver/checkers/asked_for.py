"""Which checkers a workload's history, or a history of unknown origin, asks for."""

from __future__ import annotations

from collections.abc import Sequence

from raftmon.driver.checkers.assumptions import Assumptions
from raftmon.driver.checkers.base import Checker
from raftmon.driver.checkers.checkers import CHECKERS, checker, checker_kind, checker_kinds
from raftmon.driver.checkers.understanding import NobodyUnderstands, Understands, understood
from raftmon.driver.checkers.zones.observations import FUNCTIONS
from raftmon.driver.histories.model import History
from raftmon.setup.errors import InputError

__all__ = ["checkers_for", "checkers_for_history", "chosen_checkers", "judges"]


def judges(workload: str) -> tuple[str, ...]:
    """The names of the checkers whose rows name a workload, those of installed packages too. Raises InputError."""
    return tuple(name for name, kind in checker_kinds().items() if workload in kind.workloads)


def chosen_checkers(names: Sequence[str], history: History, *, level: str | None = None) -> list[Checker]:
    """The checkers of these names, each shown what it understands of ``history``.

    ``level`` is for those that have levels. Raises InputError where none of them has.
    """
    if level is not None and not any("level" in checker_kind(name).options for name in names):
        raise InputError(f"--level {level}: {', '.join(names)} has no levels; leave it out")
    return understood([_row(name, level) for name in names], history)


def _row(name: str, level: str | None = None) -> tuple[Checker, Understands]:
    kind = checker_kind(name)
    if level is not None and "level" in kind.options and "level=" not in name:
        name = f"{name}{',' if ':' in name else ':'}level={level}"
    lenient = checker(kind.lenient) if kind.lenient else None
    return checker(name), Understands(kind.functions, kind.aliases, kind.shape, lenient)


def checkers_for(workload: str, history: History | None = None, *, level: str | None = None) -> list[Checker]:
    """The assumptions, and the checkers for a workload's histories.

    For a workload that no checker names the history decides; without one it is taken for a register's. ``level`` is the
    isolation level that transactions are held to. Raises InputError for one that does not exist.
    """
    names = judges(workload)
    if not names and history is not None:
        return checkers_for_history(history, level=level)
    return [Assumptions(), *understood([_row(name, level) for name in names or ("register",)], history)]


def checkers_for_history(history: History, *, level: str | None = None) -> list[Checker]:
    """The assumptions, and the checkers that understand the functions found in ``history``.

    A history of which no checker understands anything is judged by one that says so: *unknown*.
    """
    names = _names_for(history)
    if not names:
        return [Assumptions(), NobodyUnderstands(tuple(CHECKERS))]
    return [Assumptions(), *understood([_row(name, level) for name in names], history, guessed=True)]


def _asking(functions: frozenset[str] | set[str]) -> list[str]:
    """The checkers that some of these functions ask for, in the order of the functions' names."""
    asked = {f: name for name, kind in checker_kinds().items() for f in kind.asked_by}
    return list(dict.fromkeys(asked[f] for f in sorted(functions) if f in asked))


def _names_for(history: History) -> list[str]:
    functions = history.functions()
    names = _asking(functions)
    if {"add", "remove"} <= functions and not names:
        return ["linearizable-set"]
    if "txn" in functions and "kafka" not in names:
        names.append(_transactions(history))
    if "append" in functions:
        names.append("linearizable-key-value")
    if "add" in functions and not names and _marks_final_reads(history):
        eventual = _set_or_counter(history) == "linearizable-counter"
        return ["counter-bounds:reads=final" if eventual else "g-set"]
    if "add" in functions and not {"linearizable-counter", "set-full"} & set(names):
        names.append(_set_or_counter(history))
    written = functions & FUNCTIONS.keys() - {"read", "get", "r"}
    if not names and functions <= _READS and _reads_balances(history):
        names.append("bank")
    reads = functions & FUNCTIONS.keys()
    if (not names and (reads or not functions)) or (written and set(names) <= {"watch", "lease", "stores-agree"}):
        names.append("register")
    return names


def _marks_final_reads(history: History) -> bool:
    """Whether some read bears ``:final?``, as Maelstrom's tests of eventual consistency mark theirs."""
    return any(one.f == "read" and one.extra and one.extra.get("final?") for one in history.operations)


_READS = frozenset(("read", "get", "r"))


def _reads_balances(history: History) -> bool:
    """Whether all that was read are mappings to numbers, as a bank's accounts are."""
    values = [one.value for one in history.operations if one.value is not None]
    return len(values) > 1 and all(
        isinstance(value, dict) and value and all(isinstance(number, int | float) for number in value.values())
        for value in values
    )


def _transactions(history: History) -> str:
    parts = [
        part
        for operation in history.operations
        if operation.f == "txn" and isinstance(operation.value, list | tuple)
        for part in operation.value
    ]
    named = {part[0] for part in parts if isinstance(part, list | tuple) and part and isinstance(part[0], str)}
    if named & {"send", "poll"}:
        return "kafka"
    if any(isinstance(part, list | tuple) and part and part[0] == "append" for part in parts):
        return "list-append"
    return "rw-register"


def _set_or_counter(history: History) -> str:
    """A set is read as a list, a counter as a number."""
    for operation in history.operations:
        if operation.f == "read" and operation.value is not None:
            return "set-full" if isinstance(operation.value, list | tuple | set) else "linearizable-counter"
    return "set-full"
