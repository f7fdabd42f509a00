"""The checkers there are, which of them a workload or a history asks for, and checkers of the user's own.

Others come from the entry points ``raftmon.checkers`` or as ``path/to/file.py:Name`` (a class, a function or an object
that is, or makes when called, a Checker; a subclass of ``Model`` becomes a linearizability checker).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raftmon.driver.checkers.assumptions import Assumptions
from raftmon.driver.checkers.base import Checker
from raftmon.driver.checkers.register import RegisterChecker
from raftmon.driver.checkers.search.linearizable import Linearizable
from raftmon.driver.checkers.search.models import MODELS, Model
from raftmon.driver.checkers.understanding import NobodyUnderstands, understood
from raftmon.driver.checkers.zones.observations import FUNCTIONS
from raftmon.driver.histories.model import History
from raftmon.setup.errors import InputError
from raftmon.setup.old_imports import load_failure

__all__ = [
    "CHECKERS",
    "WORKLOAD_CHECKERS",
    "Entry",
    "checker",
    "checkers_for",
    "checkers_for_history",
    "chosen_checkers",
]

_GROUP = "raftmon.checkers"


@dataclass(frozen=True, slots=True)
class Entry:
    """One checker: how to make it, what it asks, in a line, and the functions that it understands.

    ``make`` takes the options of the row (``name:option=value`` on the command line) by name. ``aliases`` are other
    systems' names of its functions.
    """

    make: Callable[..., Checker]
    summary: str
    functions: frozenset[str]
    options: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)


def _later(module: str, name: str) -> Callable[..., Checker]:
    """Imported only when it is asked for: some need scipy, or much of something."""

    def make(**options: Any) -> Checker:
        made: Checker = getattr(importlib.import_module(f"raftmon.driver.checkers.{module}"), name)(**options)
        return made

    return make


def _lock_under_lease() -> Checker:
    from raftmon.driver.checkers.lock import Lock

    return Lock(expires=True)


def _level(module: str, name: str) -> Callable[..., Checker]:
    """A checker of transactions; ``level`` is the isolation level the system promises."""

    def make(level: str = "strict-serializable") -> Checker:
        return _later(module, name)(expected=level)

    return make


def _searching(model: type[Model]) -> Callable[..., Checker]:
    return lambda: Linearizable(model(), f"linearizable-{model.name}")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TXN = _words("txn")
_CHANGES = _words("write put delete cas")
CHECKERS: dict[str, Entry] = {
    "register": Entry(RegisterChecker, "registers are linearizable (read, write, cas, delete)", frozenset(FUNCTIONS)),
    **{
        f"linearizable-{name}": Entry(_searching(model), f"{name} is linearizable, by search", model.functions)
        for name, model in MODELS.items()
    },
    "list-append": Entry(_level("elle", "ListAppend"), "transactions on lists show no anomaly", _TXN, ("level",)),
    "rw-register": Entry(_level("elle", "RwRegister"), "transactions on registers show no anomaly", _TXN, ("level",)),
    "set-full": Entry(
        _later("set_full", "SetFull"),
        "no element of a set is lost or read stale",
        _words("add read"),
        aliases={"broadcast": "add"},
    ),
    "queue": Entry(
        _later("queues", "Queue"),
        "a queue in FIFO order (order=fifo) or in any (order=any), drains included",
        _words("enqueue dequeue drain"),
        ("order",),
    ),
    "kafka": Entry(
        _later("kafka", "Kafka"),
        "logs lose, repeat and reorder no acknowledged record",
        _words("send poll txn assign subscribe crash debug-topic-partitions"),
    ),
    "long-fork": Entry(
        _later("long_fork", "LongFork"), "reads of several keys see all writes in one order", _words("txn read write")
    ),
    "unique-ids": Entry(_later("unique_ids", "UniqueIds"), "no identifier is generated twice", _words("generate")),
    "bank": Entry(_later("bank", "Bank"), "transfers keep the sum of all accounts", _words("transfer read")),
    "lock": Entry(_later("lock", "Lock"), "no two processes hold a lock at once", _words("acquire release guarded")),
    "lock-under-lease": Entry(
        _lock_under_lease, "the same of locks that end with a lease", _words("acquire release guarded")
    ),
    "watch": Entry(
        _later("watch", "Watch"), "watches give every event once and in order", _words("watch read") | _CHANGES
    ),
    "lease": Entry(
        _later("lease", "Lease"),
        "keys live as long as their leases",
        _words("grant revoke keepalive attach read") | _CHANGES,
    ),
    "stores-agree": Entry(_later("stores_agree", "StoresAgree"), "all nodes hold the same in the end", _words("store")),
}
"""The built-in checkers by name."""

WORKLOAD_CHECKERS: dict[str, tuple[str, ...]] = {
    "register": ("register",),
    "uniform": ("register",),
    "append": ("list-append",),
    "mixed": ("register", "list-append", "watch"),
    "key-value": ("linearizable-key-value",),
    "multi-register": ("linearizable-multi-register",),
    "queue": ("queue",),
    "counter": ("linearizable-counter",),
    "list-append": ("list-append",),
    "rw-register": ("rw-register",),
    "set": ("set-full",),
    "bank": ("bank",),
    "lock": ("lock-under-lease", "set-full"),
    "watch": ("watch",),
    "lease": ("lease",),
}
"""Which checkers a workload's history is for; any other workload's is judged by what it contains."""


def checker(name: str) -> Checker:
    """A checker by its name, an entry point's name, or ``file.py:Name``; options behind a colon.

    ``queue:order=any`` is the checker ``queue`` with its option ``order``. Raises InputError where there is none.
    """
    if ".py:" in name:
        return _made(_from_file(name), name)
    plain, _, text = name.partition(":")
    if plain in CHECKERS:
        return CHECKERS[plain].make(**_options(plain, text))
    for point in importlib.metadata.entry_points(group=_GROUP):
        if point.name == name:
            return _made(point.load(), name)
    raise InputError(f"unknown checker {name!r} (available: {', '.join(CHECKERS)}, or FILE.py:Name)")


def _options(name: str, text: str) -> dict[str, str]:
    """``a=1,b=2`` as a dict. Raises InputError for an option that the checker does not have."""
    found = {}
    for part in filter(None, text.split(",")):
        option, equals, value = part.partition("=")
        if not equals or option not in CHECKERS[name].options:
            has = ", ".join(CHECKERS[name].options) or "none"
            raise InputError(f"the checker {name} has no option {part!r} (available: {has})")
        found[option] = value
    return found


def chosen_checkers(names: Sequence[str], history: History) -> list[Checker]:
    """The checkers of these names, each shown what it understands of ``history``."""
    return understood([_row(name) for name in names], history)


def _row(name: str, level: str | None = None) -> tuple[Checker, frozenset[str] | None, dict[str, str]]:
    entry = CHECKERS.get(name.partition(":")[0]) if ".py:" not in name else None
    if entry is None:
        return checker(name), None, {}
    if level is not None and "level" in entry.options and ":" not in name:
        name = f"{name}:level={level}"
    return checker(name), entry.functions, dict(entry.aliases)


def _from_file(name: str) -> Any:
    path_text, _, attribute = name.rpartition(":")
    path = Path(path_text)
    spec = importlib.util.spec_from_file_location(f"raftmon_user_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise InputError(f"the checker {name!r} cannot be loaded: there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"the checker {name!r} cannot be loaded: {load_failure(error)}") from error
    if not hasattr(module, attribute):
        raise InputError(f"{path} has nothing named {attribute!r}")
    return getattr(module, attribute)


def _made(thing: Any, name: str) -> Checker:
    try:
        made = thing() if isinstance(thing, type) or (not hasattr(thing, "check") and callable(thing)) else thing
    except Exception as error:
        raise InputError(f"the checker {name!r} cannot be made: {type(error).__name__}: {error}") from error
    if isinstance(made, Model):
        return Linearizable(made, f"linearizable-{made.name}")
    if not isinstance(made, Checker):
        raise InputError(f"{name!r} is neither a checker (name, check) nor a model (Model)")
    return made


def checkers_for(workload: str, history: History | None = None, *, level: str | None = None) -> list[Checker]:
    """The assumptions, and what a workload's histories are to be judged by.

    For a workload that is not in ``WORKLOAD_CHECKERS`` the history decides; without one it is taken for a register's.
    ``level`` is the isolation level that transactions are held to. Raises InputError for one that does not exist.
    """
    names = WORKLOAD_CHECKERS.get(workload)
    if names is None and history is not None:
        return checkers_for_history(history, level=level)
    return [Assumptions(), *understood([_row(name, level) for name in names or ("register",)], history)]


def checkers_for_history(history: History, *, level: str | None = None) -> list[Checker]:
    """The assumptions, and the checkers that know the functions found in ``history``.

    A history of which no checker understands anything is judged by one that says so: *unknown*.
    """
    names = _names_for(history)
    if not names:
        return [Assumptions(), NobodyUnderstands(tuple(CHECKERS))]
    return [Assumptions(), *understood([_row(name, level) for name in names], history)]


_BY_FUNCTION = {
    "transfer": "bank",
    "acquire": "lock",
    "guarded": "lock",
    "watch": "watch",
    "grant": "lease",
    "keepalive": "lease",
    "store": "stores-agree",
    "enqueue": "queue",
    "dequeue": "queue",
    "drain": "queue",
    "send": "kafka",
    "poll": "kafka",
    "push": "linearizable-stack",
    "pop": "linearizable-stack",
    "insert": "linearizable-priority-queue",
    "extract-max": "linearizable-priority-queue",
    "generate": "unique-ids",
    "broadcast": "set-full",
    "inc": "linearizable-counter",
    "dec": "linearizable-counter",
}


def _names_for(history: History) -> list[str]:
    functions = history.functions()
    names = list(dict.fromkeys(_BY_FUNCTION[f] for f in sorted(functions) if f in _BY_FUNCTION))
    if "txn" in functions and "kafka" not in names:
        names.append(_transactions(history))
    if "append" in functions:
        names.append("linearizable-key-value")
    if "add" in functions and not {"linearizable-counter", "set-full"} & set(names):
        names.append(_set_or_counter(history))
    written = functions & FUNCTIONS.keys() - {"read", "get", "r"}
    if not names and functions <= _READS and _reads_balances(history):
        names.append("bank")
    reads = functions & FUNCTIONS.keys()
    if (not names and (reads or not functions)) or (written and set(names) <= {"watch", "lease", "stores-agree"}):
        names.append("register")
    return names


_READS = frozenset(("read", "get", "r"))


def _reads_balances(history: History) -> bool:
    """Whether all that was read are mappings to numbers, as a bank's accounts are."""
    values = [one.value for one in history.operations if one.value is not None]
    return bool(values) and all(
        isinstance(value, dict) and value and all(isinstance(number, int | float) for number in value.values())
        for value in values
    )


def _transactions(history: History) -> str:
    parts = (
        part
        for operation in history.operations
        if operation.f == "txn" and isinstance(operation.value, list | tuple)
        for part in operation.value
    )
    if any(isinstance(part, list | tuple) and part and part[0] == "append" for part in parts):
        return "list-append"
    return "rw-register"


def _set_or_counter(history: History) -> str:
    """A set is read as a list, a counter as a number."""
    for operation in history.operations:
        if operation.f == "read" and operation.value is not None:
            return "set-full" if isinstance(operation.value, list | tuple | set) else "linearizable-counter"
    return "set-full"
