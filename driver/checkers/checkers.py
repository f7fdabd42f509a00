"""Registry of checkers: one row each, entry points of ``raftmon.checkers``, or a ``.py`` file.

To add one, write its class and a row in ``CHECKERS``. Which of them a workload or a history asks for is in
``asked_for.py``. What an entry point or ``FILE.py:NAME`` offers may be a row, a checker, or a class or function that
makes one; a subclass of ``Model`` becomes a linearizability checker.
"""

from __future__ import annotations

from typing import Any

from raftmon.driver.checkers import shapes, shapes_of_reports
from raftmon.driver.checkers.base import Checker
from raftmon.driver.checkers.checker_kind import (
    CheckerKind,
    at_isolation,
    grow_only_set,
    later,
    lock_under_lease,
    made_of,
    options_of,
    register,
    searching,
    summary_of,
)
from raftmon.driver.checkers.search.levels import LEVELS
from raftmon.driver.checkers.search.models import MODELS, Model
from raftmon.driver.checkers.zones.observations import FUNCTIONS
from raftmon.setup.errors import InputError
from raftmon.setup.kinds import Kinds, first_line

__all__ = ["CHECKERS", "CheckerKind", "checker", "checker_kind", "checker_kinds", "installed_checkers"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TXN = _words("txn")
_CHANGES = _words("write put delete cas")
_LOCKS = _words("acquire release guarded")
_LEVEL = {"level": "isolation level to check for"}
_CONSISTENCY = {"level": f"consistency level: {', '.join(LEVELS)}"}
_MODEL_WORKLOADS = {"key-value": ("key-value",), "multi-register": ("multi-register",), "counter": ("counter",)}
_MODEL_FUNCTIONS = {"multi-register": _words("txn read write")}
_MODEL_ALIASES = {"counter": {"increment": "inc", "decrement": "dec"}}
_MODEL_ASKED_BY = {
    "counter": _words("inc dec increment decrement"),
    "stack": _words("push pop"),
    "priority-queue": _words("extract-max"),
}

CHECKERS: dict[str, CheckerKind] = {
    "register": CheckerKind(
        register,
        "registers are linearizable (read, write, cas, delete)",
        frozenset(FUNCTIONS),
        _CONSISTENCY,
        aliases={"read-init": "read"},  # Jepsen's causal test
        workloads=("register", "uniform", "mixed", "reads"),
        shape=shapes.REGISTERS,
    ),
    **{
        f"linearizable-{name}": CheckerKind(
            searching(model),
            summary_of(model),
            model.functions or _MODEL_FUNCTIONS.get(name),
            _CONSISTENCY,
            workloads=_MODEL_WORKLOADS.get(name, ()),
            aliases=_MODEL_ALIASES.get(name, {}),
            asked_by=_MODEL_ASKED_BY.get(name, frozenset()),
            shape=shapes.OF_MODELS.get(name),
            lenient="counter-bounds" if name == "counter" else "",
        )
        for name, model in MODELS.items()
    },
    "list-append": CheckerKind(
        at_isolation("elle", "ListAppend"),
        "transactions on lists are isolated (Elle's list-append)",
        _TXN,
        _LEVEL,
        workloads=("append", "list-append", "mixed"),
    ),
    "rw-register": CheckerKind(
        at_isolation("elle", "RwRegister"),
        "transactions on registers are isolated (Elle's rw-register)",
        _TXN,
        _LEVEL,
        workloads=("rw-register",),
    ),
    "queue": CheckerKind(
        later("queues", "Queue"),
        "queues lose and duplicate nothing; FIFO order with order=fifo",
        _words("enqueue dequeue drain"),
        {"order": "fifo or any"},
        asked_by=_words("enqueue dequeue drain"),
        shape=shapes.QUEUES,
    ),
    "total-queue": CheckerKind(
        later("queues", "TotalQueue"),
        "a drained queue has lost and duplicated nothing (Jepsen's total-queue)",
        _words("enqueue dequeue drain"),
        shape=shapes.QUEUES,
    ),
    "deliveries": CheckerKind(
        later("deliveries", "Deliveries"),
        "every acknowledged value is delivered, at least or at most once as promised, and none that nobody enqueued",
        _words("enqueue dequeue drain"),
        workloads=("queue",),
        shape=shapes.QUEUES,
    ),
    "delivery-order": CheckerKind(
        later("deliveries", "DeliveryOrder"),
        "values are first delivered in the order of their enqueues",
        _words("enqueue dequeue drain"),
        workloads=("queue",),
        shape=shapes.QUEUES,
    ),
    "kafka": CheckerKind(
        later("kafka", "Kafka"),
        "logs lose, duplicate and reorder no acknowledged record",
        _words("send poll txn assign subscribe crash debug-topic-partitions"),
        asked_by=_words("send poll"),
        shape=shapes.micro_operations("send", "poll"),
    ),
    "long-fork": CheckerKind(
        later("long_fork", "LongFork"),
        "all readers see writes to different keys in one order (no long fork)",
        _words("txn read write"),
        shape=shapes.micro_operations("r", "read", "w", "write"),
    ),
    "unique-ids": CheckerKind(
        later("unique_ids", "UniqueIds"),
        "generated identifiers are unique",
        _words("generate"),
        asked_by=_words("generate"),
        shape=shapes.IDENTIFIERS,
    ),
    "bank": CheckerKind(
        later("bank", "Bank"),
        "the total balance is constant (snapshot isolation)",
        _words("transfer read"),
        workloads=("bank",),
        asked_by=_words("transfer"),
        shape=shapes.BALANCES,
    ),
    "lock": CheckerKind(
        later("lock", "Lock"),
        "locks provide mutual exclusion",
        _LOCKS,
        asked_by=_words("acquire guarded"),
        shape=shapes.LOCKS,
    ),
    "lock-under-lease": CheckerKind(
        lock_under_lease,
        "locks under leases: mutual exclusion until the lease may have expired",
        _LOCKS,
        workloads=("lock",),
        shape=shapes.LOCKS,
    ),
    "semaphore": CheckerKind(
        later("semaphore", "Semaphore"),
        "a semaphore never has more holders than permits",
        _words("acquire release"),
        {"permits": "how many may hold it at once (default: 1)"},
        shape=shapes.LOCKS,
    ),
    "set-full": CheckerKind(
        later("set_full", "SetFull"),
        "acknowledged elements are neither lost nor read stale",
        _words("add read"),
        aliases={"broadcast": "add"},
        workloads=("set", "lock"),
        shape=shapes.SETS,
        lenient="g-set",
    ),
    "g-set": CheckerKind(
        grow_only_set,
        "grow-only sets lose nothing; stale reads are allowed (Maelstrom's g-set and broadcast)",
        _words("add read"),
        aliases={"broadcast": "add"},
        asked_by=_words("broadcast"),
        shape=shapes.SETS,
    ),
    "counter-bounds": CheckerKind(
        later("counter_bounds", "CounterBounds"),
        "every value read from a counter lies between what was surely and what was possibly added",
        _words("add inc dec read"),
        {"reads": "all, or final: the reads marked :final? only (Maelstrom's pn-counter)"},
        shape=shapes.COUNTERS,
    ),
    "watch": CheckerKind(
        later("watch", "Watch"),
        "watches deliver every event once and in order",
        _words("watch read") | _CHANGES,
        workloads=("mixed", "watch"),
        asked_by=_words("watch"),
        shape=shapes_of_reports.WATCHES,
    ),
    "txn-branches": CheckerKind(
        later("branches", "Branches"),
        "transactions with comparisons agree with the order of their revisions",
        _words("transact"),
        workloads=("txn",),
        asked_by=_words("transact"),
    ),
    "kubernetes": CheckerKind(
        later("kubernetes", "Kubernetes"),
        "etcd's nine guarantees of watches; lists and changes by mod revision",
        _words("list observe create update delete compact"),
        workloads=("kubernetes",),
        asked_by=_words("observe"),
        shape=shapes_of_reports.KUBERNETES,
    ),
    "lease": CheckerKind(
        later("lease", "Lease"),
        "keys exist exactly as long as their leases",
        _words("grant revoke keepalive left attach read") | _CHANGES,
        workloads=("lease",),
        asked_by=_words("grant keepalive"),
        shape=shapes_of_reports.LEASES,
    ),
    "revision-reads": CheckerKind(
        later("revision_reads", "RevisionReads"),
        "reads, past and local ones too, agree with the log at the revision that they tell",
        _words("write read read-at read-local"),
        workloads=("reads",),
        asked_by=_words("read-at read-local"),
    ),
    "stores-agree": CheckerKind(
        later("stores_agree", "StoresAgree"),
        "all nodes hold the same data at the end",
        _words("store"),
        asked_by=_words("store"),
        shape=shapes_of_reports.STORES,
    ),
}
"""The built-in checkers by name, in the order in which results are given."""


def _adopted(name: str, thing: Any) -> CheckerKind:
    if isinstance(thing, CheckerKind):
        return thing
    return CheckerKind(lambda: made_of(thing, name), first_line(thing), None)


def _fits(thing: Any) -> bool:
    is_class = isinstance(thing, type) and (callable(getattr(thing, "check", None)) or issubclass(thing, Model))
    return is_class or isinstance(thing, CheckerKind)


_KINDS = Kinds("checker", "raftmon.checkers", _adopted, _fits, "CHECKER", "class with check, or Model")


def installed_checkers() -> dict[str, CheckerKind]:
    """The rows of installed packages, by name. Raises InputError for one that cannot be loaded."""
    return {name: _KINDS.find(name, CHECKERS) for name in _KINDS.names(CHECKERS) if name not in CHECKERS}


def checker_kinds() -> dict[str, CheckerKind]:
    """Every row by name, those of installed packages too."""
    return {**CHECKERS, **installed_checkers()}


def _plain(name: str) -> tuple[str, str]:
    """A name and its options: ``queue:order=any`` is ``queue`` with ``order=any``; a file keeps its colon."""
    if ".py:" in name or name.endswith(".py"):
        return name, ""
    plain, _, text = name.partition(":")
    return plain, text


def checker_kind(name: str) -> CheckerKind:
    """The row of a checker, by name, with or without options, or ``.py`` path. Raises InputError."""
    return _KINDS.find(_plain(name)[0], CHECKERS, ", or FILE.py:Name")


def checker(name: str) -> Checker:
    """A checker by its name, an entry point's name, or ``FILE.py:NAME``; options behind a colon.

    ``queue:order=any`` is the checker ``queue`` with its option ``order``. Raises InputError if there is none.
    """
    plain, text = _plain(name)
    kind = checker_kind(name)
    options = options_of(plain, kind, text)
    try:
        return kind.make(**options)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"the checker {name!r} cannot be made: {type(error).__name__}: {error}") from error
