"""What a check is given, and how it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from raftmon.adapters.base import Adapter, Client
from raftmon.adapters.contract.loopback import LoopbackCluster
from raftmon.adapters.hooks import nodes_needed
from raftmon.setup.topology import Host

__all__ = ["Broken", "Context", "Skipped"]


class Broken(Exception):
    """The adapter breaks its contract; the message is a sentence that says how."""


class Skipped(Exception):
    """The check cannot be done on this adapter; the message says why."""


@dataclass(slots=True)
class Context:
    """A running cluster, the adapter, and the time-out its clients are given."""

    cluster: LoopbackCluster
    adapter: Adapter
    timeout_s: float

    @property
    def nodes(self) -> tuple[Host, ...]:
        """The nodes, in order."""
        return self.cluster.topology.nodes

    @contextlib.contextmanager
    def client(self, node: Host | None = None) -> Iterator[Client]:
        """A client of a node (the first unless given)."""
        client = self.adapter.connect(node or self.nodes[0], self.timeout_s)
        try:
            yield client
        finally:
            client.close()

    def needs_nodes(self) -> None:
        """Skip where there is no process that could be killed."""
        if not nodes_needed(self.adapter):
            raise Skipped("the system has no nodes of its own")
