"""Whether a cluster answers: asked of the system itself, through its adapter, by more than half of its nodes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed

from raftmon.adapters.base import Adapter
from raftmon.setup.topology import Host, Topology

__all__ = ["nodes_answering", "quorum_answers"]


def _answers(adapter: Adapter, topology: Topology, node: Host, timeout_s: float) -> bool:
    try:
        return adapter.ready(node, topology, timeout_s)
    except Exception:  # a node that fails in any way does not serve
        return False


def nodes_answering(adapter: Adapter, topology: Topology, timeout_s: float) -> list[str]:
    """The nodes that say within ``timeout_s`` that they serve requests."""
    if not topology.nodes:
        return []
    with ThreadPoolExecutor(max_workers=len(topology.nodes)) as pool:
        answers = pool.map(lambda node: _answers(adapter, topology, node, timeout_s), topology.nodes)
        return [node.name for node, well in zip(topology.nodes, answers, strict=True) if well]


def quorum_answers(adapter: Adapter, topology: Topology, timeout_s: float) -> bool:
    """Whether more than half of the nodes serve requests; a system without nodes always does."""
    if not topology.nodes:
        return True
    pool = ThreadPoolExecutor(max_workers=len(topology.nodes))
    try:
        asked = [pool.submit(_answers, adapter, topology, node, timeout_s) for node in topology.nodes]
        well = 0
        for answer in as_completed(asked):
            well += answer.result()
            if well > len(topology.nodes) // 2:
                return True
        return False
    finally:
        pool.shutdown(wait=False)  # a node that does not answer must not delay the news that most do
