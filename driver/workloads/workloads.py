"""The workloads there are: a row each, or one of an entry point ``raftmon.workloads`` or a ``.py`` file.

To add one, write its class and a row in ``WORKLOADS``; a checker that judges its histories names it in its own row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.workloads.append import AppendWorkload
from raftmon.driver.workloads.bank import BankWorkload
from raftmon.driver.workloads.base import Workload
from raftmon.driver.workloads.lease import LeaseWorkload
from raftmon.driver.workloads.lock import LockWorkload
from raftmon.driver.workloads.mixed import MixedWorkload
from raftmon.driver.workloads.register import RegisterWorkload
from raftmon.driver.workloads.set import SetWorkload
from raftmon.driver.workloads.uniform import UniformWorkload
from raftmon.driver.workloads.watch import WatchWorkload
from raftmon.setup.errors import InputError
from raftmon.setup.kinds import Kinds, first_line

__all__ = [
    "WORKLOADS",
    "WorkloadKind",
    "parameters_of",
    "workload",
    "workload_kind",
    "workload_kinds",
    "workload_names",
]


@dataclass(frozen=True, slots=True)
class WorkloadKind:
    """One workload.

    ``make``
        its class; its keyword parameters are the workload's options, of the types of their defaults
    ``summary``
        what clients ask, in one line
    ``options``
        what each parameter means
    """

    make: Callable[..., Workload]
    summary: str
    options: Mapping[str, str] = field(default_factory=dict)

    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The parameters of ``make``, with their defaults."""
        return inspect.signature(self.make).parameters


_KEYS = {"keys": "how many keys"}
_PREFIX = {"prefix": "put before every key"}
_CHOICE = {"choice": "which keys are asked for: uniform, zipf or hot", "skew": "how uneven a choice of zipf or hot is"}
_SESSION = {"session_s": "how long one watch lasts"}

WORKLOADS: dict[str, WorkloadKind] = {
    "register": WorkloadKind(
        RegisterWorkload,
        "reads, writes and cas on registers",
        {
            **_KEYS,
            "reads": "weight of reads",
            "writes": "weight of writes",
            "cas": "weight of cas",
            **_CHOICE,
            **_PREFIX,
        },
    ),
    "uniform": WorkloadKind(
        UniformWorkload,
        "reckon's: reads and writes at given times",
        {
            "max_key": "keys are 0 to it",
            "payload_size": "bytes of a written value",
            "write_ratio": "share of writes",
            **_CHOICE,
        },
    ),
    "set": WorkloadKind(
        SetWorkload,
        "adds to sets, reads of whole sets",
        {
            "size": "elements until the next set is begun",
            "sets": "how many sets at most",
            "reads": "share of reads",
            **_PREFIX,
        },
    ),
    "append": WorkloadKind(
        AppendWorkload,
        "transactions that append to lists and read them",
        {
            "keys": "lists at a time",
            "most": "micro-operations of a transaction at most",
            "length": "elements of a list",
        },
    ),
    "bank": WorkloadKind(
        BankWorkload,
        "transfers between accounts, reads of all",
        {
            "accounts": "how many accounts",
            "balance": "what each begins with",
            "most": "transferred at once at most",
            "reads": "share of reads",
        },
    ),
    "lock": WorkloadKind(
        LockWorkload,
        "a set guarded by the system's lock alone",
        {
            "locks": "how many locks, a set each",
            "guard": "where the sets are: stored or memory",
            "ttl_s": "time to live of a lock's lease",
            "hold_ms": "between reading a set and writing it",
        },
    ),
    "watch": WorkloadKind(WatchWorkload, "writers, and watchers that resume", {**_KEYS, **_SESSION, **_CHOICE}),
    "lease": WorkloadKind(
        LeaseWorkload,
        "keys under leases, kept alive or not",
        {
            "ttl_s": "time to live that is asked for",
            "renewals": "keep-alives of a life",
            "pause_ms": "between two operations of a client",
            "revoked": "share of leases that are revoked",
        },
    ),
    "mixed": WorkloadKind(
        MixedWorkload,
        "registers, transactions and watches on one log",
        {
            **_KEYS,
            "transactions": "share of transactions",
            "watchers_every": "one client of so many watches",
            **_SESSION,
            **_CHOICE,
        },
    ),
}


def _adopted(name: str, thing: Any) -> WorkloadKind:
    if isinstance(thing, WorkloadKind):
        return thing
    if not callable(thing):
        raise InputError(f"the workload {name} is no workload's class and no WorkloadKind: see docs/workloads.md")
    return WorkloadKind(thing, first_line(thing))


def _fits(thing: Any) -> bool:
    is_class = isinstance(thing, type) and all(
        callable(getattr(thing, verb, None)) for verb in ("parameters", "slot", "perform")
    )
    return is_class or isinstance(thing, WorkloadKind)


_KINDS = Kinds("workload", "raftmon.workloads", _adopted, _fits, "WORKLOAD", "class with parameters, slot, perform")


def workload_names() -> list[str]:
    """The names that ``workload`` knows, built-in ones first."""
    return _KINDS.names(WORKLOADS)


def workload_kinds() -> dict[str, WorkloadKind]:
    """Every row by name, those of installed packages too."""
    return _KINDS.rows(WORKLOADS)


def workload_kind(name: str) -> WorkloadKind:
    """The row of a workload, by name or ``.py`` path. Raises InputError that says which there are."""
    return _KINDS.find(name, WORKLOADS)


def workload(name: str, parameters: Mapping[str, Any] | None = None) -> Workload:
    """A workload by name. Raises InputError for a name or a parameter that there is not."""
    kind = workload_kind(name)
    known = list(kind.parameters())
    for given in parameters or {}:
        if given not in known:
            raise InputError(f"the workload {name} has no parameter {given!r}; it has {', '.join(known)}")
    try:
        return kind.make(**(parameters or {}))
    except TypeError as error:
        raise InputError(f"the workload {name} was given a parameter it cannot use: {error}") from error


def parameters_of(name: str, options: Iterable[str] = (), **common: Any) -> dict[str, Any]:
    """A workload's parameters from texts ``name=value``, each of the type of the parameter's default.

    ``common`` are what the command line has for all workloads (``keys``); those that this one has not are left out, and
    ``options`` come first. Raises InputError for a text that is no parameter.
    """
    known = workload_kind(name).parameters()
    found = {key: value for key, value in common.items() if key in known}
    for option in options:
        key, equals, text = option.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or key not in known:
            raise InputError(
                f"--workload-option {option!r} is not understood: write NAME=VALUE; {name} has {', '.join(known)}"
            )
        found[key] = _typed(text.strip(), known[key].default, option)
    return found


def _typed(text: str, default: Any, option: str) -> Any:
    kind = type(default)
    if kind is str:
        return text
    try:
        return int(text) if kind is int else float(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise InputError(f"--workload-option {option!r}: {text!r} is not {wanted}") from None
