"""Every optional hook of an adapter, in one place, with what holds where an adapter does not have it.

A hook is an attribute or a method beside the verbs of ``raftmon.adapters.base.Adapter``. What a whole system or its
clients can do beyond read, write and cas are capabilities (``raftmon.adapters.capabilities``), not hooks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

__all__ = ["AdapterHooks", "hooks", "nodes_needed"]


def _no_folder(_path: Path) -> None:
    """The adapter keeps nothing in the run's folder."""


def _unknown_class() -> type | None:
    """What clients can do shows when the first one is connected."""
    return None


@dataclass(frozen=True, slots=True)
class AdapterHooks:
    """The hooks of one adapter.

    ``nodes_needed``
        False if there are no nodes to start
    ``one_host``
        all clients must be in one process
    ``client_port``
        where clients connect; the contract puts a relay between, which loses answers
    ``transparent``
        nodes can only listen on the address by which their peers know them
    ``joins_running``
        a node is added to the members when it runs already, not before it is started
    ``client_class()``
        what ``connect`` returns: a workload that needs more than it has is refused before a node is started
    ``use_folder(path)``
        called in a client host with the run's folder
    """

    nodes_needed: bool = True
    one_host: bool = False
    client_port: int | None = None
    transparent: bool = False
    joins_running: bool = False
    client_class: Any = _unknown_class
    use_folder: Any = _no_folder


def hooks(adapter: object) -> AdapterHooks:
    """The adapter's hooks, with the defaults for those that it does not have."""
    names = [hook.name for hook in fields(AdapterHooks)]
    return AdapterHooks(**{name: getattr(adapter, name) for name in names if hasattr(adapter, name)})


def nodes_needed(adapter: object) -> bool:
    """Whether the system has nodes to start; ``memory`` has none."""
    return bool(hooks(adapter).nodes_needed)
