"""The checkers there are, which of them a workload or a history asks for, and checkers of the user's own.

Others come from the entry points ``raftmon.checkers`` or as ``path/to/file.py:Name`` (a class, a function or an object
that is, or makes when called, a Checker; a subclass of ``Model`` becomes a linearizability checker).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raftmon.driver.checkers.assumptions import Assumptions
from raftmon.driver.checkers.base import Checker
from raftmon.driver.checkers.register import RegisterChecker
from raftmon.driver.checkers.search.linearizable import Linearizable
from raftmon.driver.checkers.search.models import MODELS, Model
from raftmon.driver.checkers.zones.observations import FUNCTIONS
from raftmon.driver.histories.model import History
from raftmon.setup.errors import InputError

__all__ = ["CHECKERS", "WORKLOAD_CHECKERS", "Entry", "checker", "checkers_for", "checkers_for_history"]

_GROUP = "raftmon.checkers"


@dataclass(frozen=True, slots=True)
class Entry:
    """How to make a checker, and what it asks, in a line."""

    make: Callable[[], Checker]
    summary: str


def _later(module: str, name: str) -> Callable[[], Checker]:
    """Imported only when it is asked for: some need scipy, or much of something."""

    def make() -> Checker:
        made: Checker = getattr(importlib.import_module(module), name)()
        return made

    return make


def _lock_under_lease() -> Checker:
    from raftmon.driver.checkers.lock import Lock

    return Lock(expires=True)


def _searching(model: type[Model]) -> Callable[[], Checker]:
    return lambda: Linearizable(model(), f"linearizable-{model.name}")


CHECKERS: dict[str, Entry] = {
    "register": Entry(RegisterChecker, "registers are linearizable (read, write, cas, delete)"),
    **{
        f"linearizable-{name}": Entry(_searching(model), f"{name} is linearizable, by search")
        for name, model in MODELS.items()
    },
    "list-append": Entry(_later("raftmon.driver.checkers.elle", "ListAppend"), "transactions on lists show no anomaly"),
    "rw-register": Entry(
        _later("raftmon.driver.checkers.elle", "RwRegister"), "transactions on registers show no anomaly"
    ),
    "set-full": Entry(
        _later("raftmon.driver.checkers.set_full", "SetFull"), "no element of a set is lost or read stale"
    ),
    "bank": Entry(_later("raftmon.driver.checkers.bank", "Bank"), "transfers keep the sum of all accounts"),
    "lock": Entry(_later("raftmon.driver.checkers.lock", "Lock"), "no two processes hold a lock at once"),
    "lock-under-lease": Entry(_lock_under_lease, "the same of locks that end with a lease"),
    "watch": Entry(_later("raftmon.driver.checkers.watch", "Watch"), "watches give every event once and in order"),
    "lease": Entry(_later("raftmon.driver.checkers.lease", "Lease"), "keys live as long as their leases"),
    "stores-agree": Entry(
        _later("raftmon.driver.checkers.stores_agree", "StoresAgree"), "all nodes hold the same in the end"
    ),
}
"""The built-in checkers by name."""

WORKLOAD_CHECKERS: dict[str, tuple[str, ...]] = {
    "register": ("register",),
    "uniform": ("register",),
    "append": ("list-append",),
    "mixed": ("register", "list-append", "watch"),
    "key-value": ("linearizable-key-value",),
    "multi-register": ("linearizable-multi-register",),
    "queue": ("linearizable-fifo-queue",),
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
    """A checker by its name, an entry point's name, or ``file.py:Name``. Raises InputError where there is none."""
    if name in CHECKERS:
        return CHECKERS[name].make()
    if ".py:" in name:
        return _made(_from_file(name), name)
    for point in importlib.metadata.entry_points(group=_GROUP):
        if point.name == name:
            return _made(point.load(), name)
    raise InputError(f"there is no checker {name!r}; there are {', '.join(CHECKERS)}, or give file.py:Name")


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
        raise InputError(f"the checker {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
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


def checkers_for(workload: str, history: History | None = None) -> list[Checker]:
    """The assumptions, and what a workload's histories are to be judged by.

    For a workload that is not in ``WORKLOAD_CHECKERS`` the history decides; without one it is taken for a register's.
    """
    names = WORKLOAD_CHECKERS.get(workload)
    if names is None and history is not None:
        return checkers_for_history(history)
    return [Assumptions(), *map(checker, names or ("register",))]


def checkers_for_history(history: History) -> list[Checker]:
    """The assumptions, and the checkers that know the functions found in ``history``."""
    return [Assumptions(), *map(checker, _names_for(history))]


_BY_FUNCTION = {
    "transfer": "bank",
    "acquire": "lock",
    "guarded": "lock",
    "watch": "watch",
    "grant": "lease",
    "keepalive": "lease",
    "store": "stores-agree",
    "enqueue": "linearizable-fifo-queue",
    "dequeue": "linearizable-fifo-queue",
    "inc": "linearizable-counter",
    "dec": "linearizable-counter",
}


def _names_for(history: History) -> list[str]:
    functions = history.functions()
    names = list(dict.fromkeys(_BY_FUNCTION[f] for f in sorted(functions) if f in _BY_FUNCTION))
    if "txn" in functions:
        names.append(_transactions(history))
    if "append" in functions:
        names.append("linearizable-key-value")
    if "add" in functions and "linearizable-counter" not in names:
        names.append(_set_or_counter(history))
    written = functions & FUNCTIONS.keys() - {"read", "get", "r"}
    if not names or (written and set(names) <= {"watch", "lease", "stores-agree"}):
        names.append("register")
    return names


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
