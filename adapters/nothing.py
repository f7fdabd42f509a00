"""A system that answers at once and keeps nothing: what a run with it costs is the driver's own cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raftmon.adapters.base import Client, NodeCommand
from raftmon.adapters.options import Options
from raftmon.setup.errors import RaftmonError
from raftmon.setup.topology import Host, Topology

__all__ = ["NothingAdapter"]


class NothingAdapter:
    """No nodes, no state, no waiting. Its histories mean nothing."""

    name = "nothing"
    nodes_needed = False

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        Options(self.name, options).done()

    def command(self, node: Host, topology: Topology, folder: Path) -> NodeCommand:
        """There is nothing to start."""
        raise RaftmonError("the system nothing has no nodes to start")

    def ready(self, node: Host, topology: Topology, timeout_s: float) -> bool:
        """Always."""
        return True

    def connect(self, node: Host, timeout_s: float) -> Client:
        """A client that does nothing."""
        return _NothingClient()


class _NothingClient:
    def read(self, key: str) -> Any:
        return None

    def write(self, key: str, value: Any) -> None:
        pass

    def cas(self, key: str, expected: Any, new: Any) -> None:
        pass

    def close(self) -> None:
        pass
