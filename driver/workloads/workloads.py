"""Registry of workloads: one row each, entry points of ``raftmon.workloads``, or a ``.py`` file.

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
from raftmon.driver.workloads.kubernetes import KubernetesWorkload
from raftmon.driver.workloads.lease import LeaseWorkload
from raftmon.driver.workloads.lock import LockWorkload
from raftmon.driver.workloads.mixed import MixedWorkload
from raftmon.driver.workloads.queue import QueueWorkload
from raftmon.driver.workloads.reads import ReadsWorkload
from raftmon.driver.workloads.register import RegisterWorkload
from raftmon.driver.workloads.set import SetWorkload
from raftmon.driver.workloads.txn import TxnWorkload
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
    """One row of the table of workloads.

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


_KEYS = {"keys": "number of keys"}
_PREFIX = {"prefix": "prefix of every key"}
_CHOICE = {"choice": "distribution of keys: uniform, zipf or hot", "skew": "skew of zipf or hot"}
_SESSION = {"session_s": "duration of one watch in seconds"}

WORKLOADS: dict[str, WorkloadKind] = {
    "register": WorkloadKind(
        RegisterWorkload,
        "reads, writes and compare-and-set on registers",
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
        "reckon's: reads and writes at scheduled times",
        {
            "max_key": "largest key (keys are 0 to this)",
            "payload_size": "size of written values in bytes",
            "write_ratio": "fraction of writes",
            **_CHOICE,
        },
    ),
    "set": WorkloadKind(
        SetWorkload,
        "adds elements to sets and reads whole sets",
        {
            "size": "elements of a set before the next is started",
            "sets": "maximum number of sets",
            "reads": "fraction of reads",
            **_PREFIX,
        },
    ),
    "append": WorkloadKind(
        AppendWorkload,
        "transactions of appends to and reads of lists",
        {
            "keys": "number of lists in use at a time",
            "most": "maximum operations in a transaction",
            "length": "maximum length of a list",
        },
    ),
    "bank": WorkloadKind(
        BankWorkload,
        "transfers between accounts and reads of all balances",
        {
            "accounts": "number of accounts",
            "balance": "initial balance of each",
            "most": "maximum amount of a transfer",
            "reads": "fraction of reads",
        },
    ),
    "lock": WorkloadKind(
        LockWorkload,
        "read-modify-write of sets under the system's lock",
        {
            "locks": "number of locks, each guarding one set",
            "guard": "fenced (sets in the system, written if the lock is held), stored, or memory (of the client host)",
            "ttl_s": "time to live of a lock's lease in seconds",
            "hold_ms": "pause between reading a set and writing it",
            "long": "fraction of holds that last twice the time to live",
        },
    ),
    "watch": WorkloadKind(
        WatchWorkload,
        "writers, and watchers that resume where they stopped",
        {
            **_KEYS,
            **_SESSION,
            "slow": "fraction of watches whose client reads slowly",
            "slow_ms": "pause after each response of those",
            **_CHOICE,
        },
    ),
    "lease": WorkloadKind(
        LeaseWorkload,
        "keys attached to leases that are renewed, revoked or expire",
        {
            "leases": "leases a client holds at a time",
            "ttl_s": "requested time to live in seconds",
            "renewals": "rounds of keep-alives in the life of a lease",
            "pause_ms": "pause between two operations of a client",
            "revoked": "fraction of leases that are revoked",
        },
    ),
    "kubernetes": WorkloadKind(
        KubernetesWorkload,
        "lists, watches, changes by mod revision and compaction, as Kubernetes does",
        {
            "objects": "number of objects",
            "page": "items in a page of a list",
            **_SESSION,
            "compact_s": "time between compactions in seconds",
            "leased": "fraction of objects under leases",
        },
    ),
    "txn": WorkloadKind(
        TxnWorkload,
        "random small transactions with comparisons on value, version and revision",
        {**_KEYS, "most": "maximum comparisons, and steps of a branch"},
    ),
    "queue": WorkloadKind(
        QueueWorkload,
        "producers and consumers of queues, drained at the end",
        {
            "queues": "number of queues",
            "enqueues": "fraction of enqueues",
            "ack": "manual (acknowledged by the consumer: at least once) or auto (at most once)",
        },
    ),
    "reads": WorkloadKind(
        ReadsWorkload,
        "writes, and reads: linearizable, at a past revision, of a node's own store",
        {
            **_KEYS,
            "writes": "weight of writes",
            "reads": "weight of linearizable reads",
            "past": "weight of reads at a past revision",
            "local": "weight of reads of the node's own store",
            "far": "how many revisions back at most",
            **_CHOICE,
        },
    ),
    "mixed": WorkloadKind(
        MixedWorkload,
        "registers, transactions and watches on the same keys",
        {
            **_KEYS,
            "transactions": "fraction of transactions",
            "watchers_every": "one in this many clients watches",
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
    """The row of a workload, by name or ``.py`` path. Raises InputError with the available names."""
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
