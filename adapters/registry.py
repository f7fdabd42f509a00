"""The systems there are: built in, from the entry point group ``raftmon.systems``, or a ``.py`` path."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from raftmon.adapters.base import Adapter
from raftmon.setup.errors import InputError
from raftmon.setup.old_imports import load_failure

__all__ = ["SYSTEMS", "System", "nodes_needed", "system", "system_names"]

ENTRY_POINTS = "raftmon.systems"
_VERBS = ("command", "ready", "connect")


class System(NamedTuple):
    """Where a built-in system lives, and what is known of it.

    ``module`` and ``adapter``: its class; ``fixed``: what the constructor is given beside the options; ``summary``: one
    line; ``raft_is_read``: whether raftmon decodes its Raft messages, so that a run without any is worth a sentence.
    """

    module: str
    adapter: str
    fixed: Mapping[str, Any]
    summary: str
    raft_is_read: bool = False


SYSTEMS: dict[str, System] = {
    "etcd": System("raftmon.adapters.etcd", "EtcdAdapter", {}, "etcd 3.4 or 3.5 as it is delivered", True),
    "etcd-pre-vote": System(
        "raftmon.adapters.etcd", "EtcdAdapter", {"pre_vote": True}, "etcd with --pre-vote=true", True
    ),
    "etcd-no-pre-vote": System(
        "raftmon.adapters.etcd", "EtcdAdapter", {"pre_vote": False}, "etcd with --pre-vote=false", True
    ),
    "pysyncobj": System(
        "raftmon.adapters.pysyncobj", "PySyncObjAdapter", {}, "a register on the Raft library PySyncObj", True
    ),
    "nats": System("raftmon.adapters.nats", "NatsAdapter", {}, "a key-value bucket of NATS JetStream", True),
    "zookeeper": System(
        "raftmon.adapters.zookeeper", "ZooKeeperAdapter", {}, "ZooKeeper 3.8, replicated by Zab", raft_is_read=True
    ),
    "ovsdb": System(
        "raftmon.adapters.ovsdb", "OvsdbAdapter", {}, "Open vSwitch's clustered database OVSDB", raft_is_read=True
    ),
    "hashicorp-raft": System(
        "raftmon.adapters.hashicorp_raft",
        "HashicorpRaftAdapter",
        {},
        "a key-value server on hashicorp/raft",
        raft_is_read=True,
    ),
    "dqlite": System(
        "raftmon.adapters.dqlite", "DqliteAdapter", {}, "dqlite: SQLite replicated by Raft", raft_is_read=True
    ),
    "memory": System(
        "raftmon.adapters.memory", "MemoryAdapter", {}, "a register in the client host's memory, with lies"
    ),
    "nothing": System("raftmon.adapters.nothing", "NothingAdapter", {}, "answers at once: measures the driver itself"),
}


def system_names() -> list[str]:
    """The names that ``system`` knows, built-in ones first."""
    others = sorted(point.name for point in importlib.metadata.entry_points(group=ENTRY_POINTS))
    return [*SYSTEMS, *(name for name in others if name not in SYSTEMS)]


def system(name_or_path: str, options: Mapping[str, Any] | None = None) -> Adapter:
    """The adapter of a system, by name or ``.py`` path. Raises InputError that says which there are."""
    if name_or_path in SYSTEMS:
        known = SYSTEMS[name_or_path]
        return _checked(getattr(importlib.import_module(known.module), known.adapter)(options, **known.fixed))
    if name_or_path.endswith(".py"):
        return _checked(_make(_class_in(Path(name_or_path)), options, name_or_path))
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS, name=name_or_path):
        return _checked(_make(point.load(), options, name_or_path))
    raise InputError(
        f"there is no system {name_or_path!r}; there are {', '.join(system_names())}, or give the path of a .py file"
    )


def nodes_needed(adapter: Adapter) -> bool:
    """Whether the system has nodes to start; ``memory`` has none."""
    return bool(getattr(adapter, "nodes_needed", True))


def _checked(adapter: Any) -> Adapter:
    missing = [verb for verb in _VERBS if not callable(getattr(adapter, verb, None))]
    if missing or not isinstance(getattr(adapter, "name", None), str):
        lacks = ", ".join([*missing, *([] if hasattr(adapter, "name") else ["name"])]) or "a name that is a text"
        raise InputError(f"{type(adapter).__name__} is no adapter, it lacks {lacks}: see docs/adapters.md")
    return adapter  # type: ignore[no-any-return]


def _make(factory: Any, options: Mapping[str, Any] | None, where: str) -> Any:
    """An adapter from a class that may or may not take options."""
    try:
        takes_options = bool(inspect.signature(factory).parameters)
        if options and not takes_options:
            raise InputError(f"the system {where} takes no options, but {', '.join(options)} was given")
        return factory(options) if takes_options else factory()
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"the system {where} could not be made: {type(error).__name__}: {error}") from error


def _class_in(path: Path) -> type:
    """The one adapter class that a file defines (or what it calls ADAPTER, if it defines several)."""
    if not path.is_file():
        raise InputError(f"there is no file {path}: --system takes a name ({', '.join(system_names())}) or a .py file")
    spec = importlib.util.spec_from_file_location(f"raftmon_system_{path.stem}", path.resolve())
    if spec is None or spec.loader is None:
        raise InputError(f"{path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{path} fails when it is loaded: {load_failure(error)}") from error
    if isinstance(chosen := getattr(module, "ADAPTER", None), type):
        return chosen
    classes = [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type)
        and thing.__module__ == module.__name__
        and all(callable(getattr(thing, verb, None)) for verb in _VERBS)
    ]
    if len(classes) != 1:
        found = ", ".join(cls.__name__ for cls in classes) or "none"
        raise InputError(
            f"{path} must define one class with {', '.join(_VERBS)} (found: {found}); with several, set ADAPTER = one"
        )
    return classes[0]
