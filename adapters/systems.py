"""Registry of systems: one row each, entry points of ``raftmon.systems``, or a ``.py`` file.

To add one, write its adapter and a row in ``SYSTEMS``.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raftmon.adapters.base import Adapter
from raftmon.setup.errors import InputError
from raftmon.setup.kinds import Kinds, first_line
from raftmon.setup.servers import resolve

__all__ = ["SYSTEMS", "SystemKind", "system", "system_kind", "system_kinds", "system_names", "with_server"]

_VERBS = ("command", "ready", "connect")


@dataclass(frozen=True, slots=True)
class SystemKind:
    """One system.

    ``adapter``
        its class, or ``module:Class``, imported when it is asked for
    ``summary``
        one line
    ``server``
        the name of its server binary (``raftmon servers``), None if it has none of its own
    ``fixed``
        what the adapter is made with beside the user's options
    ``raft_is_read``
        whether raftmon decodes its Raft messages, so that a run without any is worth a sentence
    ``server_is_library``
        the server is a Python library: it is looked up only where a version is asked for, and the adapter is given the
        folder that holds it
    ``takes_election_ms``
        the adapter has the options ``election_ms`` and ``heartbeat_ms``
    """

    adapter: Callable[..., Any] | str
    summary: str
    server: str | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    raft_is_read: bool = False
    server_is_library: bool = False
    takes_election_ms: bool = False

    def load(self) -> Callable[..., Any]:
        """The adapter's class."""
        if not isinstance(self.adapter, str):
            return self.adapter
        module, _, name = self.adapter.partition(":")
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return found


def _etcd(summary: str, **fixed: Any) -> SystemKind:
    return SystemKind(
        "raftmon.adapters.etcd:EtcdAdapter", summary, "etcd", fixed, raft_is_read=True, takes_election_ms=True
    )


SYSTEMS: dict[str, SystemKind] = {
    "etcd": _etcd("stock etcd 3.4 or 3.5"),
    "etcd-pre-vote": _etcd("etcd with --pre-vote=true", pre_vote=True),
    "etcd-no-pre-vote": _etcd("etcd with --pre-vote=false", pre_vote=False),
    "pysyncobj": SystemKind(
        "raftmon.adapters.pysyncobj:PySyncObjAdapter",
        "a register on the Raft library PySyncObj",
        "pysyncobj",
        raft_is_read=True,
        server_is_library=True,
    ),
    "nats": SystemKind(
        "raftmon.adapters.nats:NatsAdapter", "a key-value bucket of NATS JetStream", "nats", raft_is_read=True
    ),
    "zookeeper": SystemKind(
        "raftmon.adapters.zookeeper:ZooKeeperAdapter",
        "ZooKeeper 3.8, replicated by Zab",
        "zookeeper",
        raft_is_read=True,
    ),
    "ovsdb": SystemKind(
        "raftmon.adapters.ovsdb:OvsdbAdapter", "Open vSwitch's clustered database OVSDB", "ovsdb", raft_is_read=True
    ),
    "hashicorp-raft": SystemKind(
        "raftmon.adapters.hashicorp_raft:HashicorpRaftAdapter",
        "a key-value server on hashicorp/raft",
        "hashicorp-raft",
        raft_is_read=True,
    ),
    "dqlite": SystemKind(
        "raftmon.adapters.dqlite:DqliteAdapter", "dqlite: SQLite replicated by Raft", "dqlite", raft_is_read=True
    ),
    "rabbitmq": SystemKind(
        "raftmon.adapters.rabbitmq:RabbitMqAdapter", "RabbitMQ's quorum queues (--workload queue)", "rabbitmq"
    ),
    "memory": SystemKind(
        "raftmon.adapters.memory:MemoryAdapter", "an in-memory register that can misbehave on request (--lie)"
    ),
    "nothing": SystemKind(
        "raftmon.adapters.nothing:NothingAdapter", "answers immediately: measures the driver's own overhead"
    ),
}


def _adopted(name: str, thing: Any) -> SystemKind:
    if isinstance(thing, SystemKind):
        return thing
    if not callable(thing):
        raise InputError(f"the system {name} is no adapter's class and no SystemKind: see docs/adapters.md")
    return SystemKind(thing, first_line(thing))


def _fits(thing: Any) -> bool:
    is_class = isinstance(thing, type) and all(callable(getattr(thing, verb, None)) for verb in _VERBS)
    return is_class or isinstance(thing, SystemKind)


_KINDS = Kinds("system", "raftmon.systems", _adopted, _fits, "ADAPTER", f"class with {', '.join(_VERBS)}")


def system_names() -> list[str]:
    """The names that ``system`` knows, built-in ones first."""
    return _KINDS.names(SYSTEMS)


def system_kinds() -> dict[str, SystemKind]:
    """Every row by name, those of installed packages too."""
    return _KINDS.rows(SYSTEMS)


def system_kind(name_or_path: str) -> SystemKind:
    """The row of a system, by name or ``.py`` path. Raises InputError with the available names."""
    return _KINDS.find(name_or_path, SYSTEMS, ", or the path of a .py file")


def system(name_or_path: str, options: Mapping[str, Any] | None = None) -> Adapter:
    """The adapter of a system, by name or ``.py`` path. Raises InputError with the available names."""
    kind = system_kind(name_or_path)
    return _checked(_made(kind.load(), options, kind.fixed, name_or_path))


def with_server(system: str, spec: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The adapter's options with ``server`` set to a binary's path, where the system has one.

    ``spec`` is the user's (``etcd@3.5.1``, a path) or None for the default. Found, or installed into the cache, before
    any sandbox is entered. Raises InputError if there is no such one.
    """
    result = dict(options)
    kind = system_kind(system)
    if kind.server is not None and not kind.server_is_library:
        result["server"] = str(resolve(spec or kind.server).path)
    elif kind.server is not None and spec is not None and "/" not in spec:
        result["server"] = str(resolve(spec).path.parents[1])  # a version of the library
    elif spec is not None:
        result["server"] = spec
    return result


def _checked(adapter: Any) -> Adapter:
    missing = [verb for verb in _VERBS if not callable(getattr(adapter, verb, None))]
    if missing or not isinstance(getattr(adapter, "name", None), str):
        lacks = ", ".join([*missing, *([] if hasattr(adapter, "name") else ["name"])]) or "a name that is a text"
        raise InputError(f"{type(adapter).__name__} is no adapter, it lacks {lacks}: see docs/adapters.md")
    return adapter  # type: ignore[no-any-return]


def _made(factory: Any, options: Mapping[str, Any] | None, fixed: Mapping[str, Any], where: str) -> Any:
    """An adapter from a class that may or may not take options."""
    try:
        takes_options = bool(inspect.signature(factory).parameters)
        if options and not takes_options:
            raise InputError(f"the system {where} takes no options, but {', '.join(options)} was given")
        return factory(options, **fixed) if takes_options else factory(**fixed)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"the system {where} could not be made: {type(error).__name__}: {error}") from error
