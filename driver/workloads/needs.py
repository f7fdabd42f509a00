"""What a workload needs of a system, looked for before anything starts where that can be known without a connection."""

from __future__ import annotations

from typing import Any

from raftmon.adapters.base import Adapter
from raftmon.adapters.hooks import hooks
from raftmon.driver.workloads.base import Workload
from raftmon.setup.errors import InputError
from raftmon.setup.topology import NODE_NET, Host

__all__ = ["check_client", "check_needs", "members_of"]


def members_of(kind: type) -> list[str]:
    """The names a Protocol asks for."""
    names = [name for name, value in vars(kind).items() if callable(value) and not name.startswith("_")]
    return sorted({*names, *vars(kind).get("__annotations__", {})})


def check_client(workload: Workload, client: Any, system: str = "this system") -> None:
    """Raise InputError if a client (or its class) lacks what the workload needs."""
    lacking = [kind for kind in workload.needs if not all(hasattr(client, name) for name in members_of(kind))]
    if lacking:
        words = "; ".join(f"{kind.__name__.lower()} ({', '.join(members_of(kind))})" for kind in lacking)
        raise InputError(
            f"the workload {workload.name} cannot run on {system}: its client lacks {words}. "
            "The workloads register, uniform and set need read, write and cas alone"
        )


def check_needs(workload: Workload, adapter: Adapter) -> None:
    """Raise InputError if the system's clients are known to lack something.

    A system says which class its clients have by a method ``client_class``; of one that does not, and that has nodes,
    it shows when the first client is connected.
    """
    if not workload.needs:
        return
    known = hooks(adapter)
    client_class = known.client_class()
    if client_class is not None:
        check_client(workload, client_class, adapter.name)
    elif not known.nodes_needed:
        check_client(workload, adapter.connect(Host(adapter.name, 0, NODE_NET), 1.0), adapter.name)
