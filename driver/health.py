"""Whether a cluster answers: asked of the system itself, through its adapter, by more than half of its nodes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from adapters.base import Adapter
from setup.topology import Host, Topology

__all__ = ["nodes_answering", "quorum_answers"]


def nodes_answering(adapter: Adapter, topology: Topology, timeout_s: float) -> list[str]:
    """The nodes that say within ``timeout_s`` that they serve requests."""

    def ask(node: Host) -> bool:
        try:
            return adapter.ready(node, topology, timeout_s)
        except Exception:  # a node that fails in any way does not serve
            return False

    if not topology.nodes:
        return []
    with ThreadPoolExecutor(max_workers=len(topology.nodes)) as pool:
        return [node.name for node, well in zip(topology.nodes, pool.map(ask, topology.nodes), strict=True) if well]


def quorum_answers(adapter: Adapter, topology: Topology, timeout_s: float) -> bool:
    """Whether more than half of the nodes serve requests; a system without nodes always does."""
    if not topology.nodes:
        return True
    return len(nodes_answering(adapter, topology, timeout_s)) > len(topology.nodes) // 2
