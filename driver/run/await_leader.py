"""Waiting for a cluster to have a leader."""

from __future__ import annotations

import time

from raftmon.adapters.capabilities import Leader
from raftmon.driver.cluster.cluster import Cluster
from raftmon.driver.results.facts import LeaderAt

__all__ = ["await_leader"]


def await_leader(cluster: Cluster, timeout_s: float) -> LeaderAt | None:
    """The leader and its term, asked for until there is one; None if the system cannot say, or has none in time."""
    deadline = time.monotonic() + timeout_s
    if cluster.capability(Leader) is None:
        return None
    seen = cluster.find_leader()
    while seen is None and cluster.topology.nodes and time.monotonic() < deadline:
        time.sleep(0.05)
        seen = cluster.find_leader()
    return None if seen is None else LeaderAt(seen.node, seen.term)
