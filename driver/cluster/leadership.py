"""Who leads: the wire's word and the nodes' own, and which of the two counts.

The wire is what the recorder has scanned of the messages' heads (``heads.json``), some 20 ms after the packets, or,
where no heads are scanned, the run's record (``messages.sqlite``). What a node itself reports is the capability
``Leader``, which a node that was cut off goes on giving long after it was replaced.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from raftmon.adapters.base import Adapter
from raftmon.adapters.capabilities import Leader, Leadership, capability
from raftmon.monitor.raft.database.query import cluster_now, leader_heard
from raftmon.monitor.raft.database.store import open_store
from raftmon.monitor.recorder.leader_board import read_heads
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Topology

__all__ = ["STATUS", "WIRE", "LeaderFinder", "LeaderSeen", "WireRecord", "newest_leader"]

WIRE, STATUS = "wire", "status"
SILENT_NS = 1_000_000_000
"""A wire leader that was not heard for so long is none any more: Raft's election timeouts are of this order."""


class LeaderSeen(NamedTuple):
    """A leader, its term (0 if the system has none) and whose word that is: ``wire`` or ``status``."""

    node: str
    term: int
    witness: str


class WireRecord:
    """The leader as the record of a live run shows it; any thread may ask, each has its own connection."""

    def __init__(self, path: Path, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._path = path
        self._clock_ns = clock_ns
        self._own = threading.local()

    def leader(self, since_ns: Mapping[str, int]) -> LeaderSeen | None:
        """The leader of the one Raft group there is, heard within SILENT_NS and after ``since_ns[node]``.

        ``since_ns`` has the nodes that may lead, and when each was started (CLOCK_MONOTONIC). None if nothing was
        decoded yet, or where the system has several groups.
        """
        heads = read_heads(self._path.parent)
        if heads is not None and heads.known:
            leader = heads.leader
            if leader is None or leader not in since_ns:
                return None
            heard = heads.heard_ns > max(since_ns[leader], self._clock_ns() - SILENT_NS)
            return LeaderSeen(leader, heads.term, WIRE) if heard else None
        try:
            connection = self._connection()
            if connection is None:
                return None
            groups = cluster_now(connection)
            if len(groups) != 1:
                return None
            ((group, state),) = groups.items()
            leader = state["leader"]
            if leader not in since_ns or state["nodes"].get(leader, {}).get("role") != "leader":
                return None
            term = int(state["nodes"][leader]["term"])
            after_ns = max(since_ns[leader], self._clock_ns() - SILENT_NS)
            heard = leader_heard(connection, group, leader, term, after_ns)
        except sqlite3.Error:  # the record is being finished, or its disk is full: the nodes can still be asked
            return None
        return LeaderSeen(leader, term, WIRE) if heard else None

    def _connection(self) -> sqlite3.Connection | None:
        found: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if found is None and self._path.exists():
            try:
                found = self._own.connection = open_store(self._path)
            except InputError:  # just being made
                return None
        return found


def newest_leader(wire: LeaderSeen | None, said: Mapping[str, Leadership | None]) -> LeaderSeen | None:
    """The leader of the newest term that either witness knows; the wire's word where both know the same term.

    The wire's leader does not count where some node already says that it is in a newer term, or where the leader itself
    says that it leads no more. ``said`` has what each node itself reports, None if it did not answer.
    """
    views = {node: view for node, view in said.items() if view is not None}
    leading = [LeaderSeen(node, view.term, STATUS) for node, view in views.items() if view.leads]
    status = max(leading, key=lambda seen: seen.term, default=None)
    if wire is None:
        return status
    if any(view.term > wire.term for view in views.values()):
        return status
    own = views.get(wire.node)
    if own is not None and not own.leads and own.term >= wire.term:
        return status
    return wire


class LeaderFinder:
    """Asks both witnesses who leads a running cluster; any thread may.

    ``alive`` gives the nodes whose process runs, ``record`` is the run's ``messages.sqlite``.
    """

    def __init__(self, adapter: Adapter, topology: Topology, alive: Callable[[], Sequence[str]], record: Path) -> None:
        self._capability: Leader | None = capability(adapter, Leader)
        self._topology = topology
        self._alive = alive
        self._wire = WireRecord(record)
        self._started_ns: dict[str, int] = {}

    def started(self, node: str) -> None:
        """A node was started again: what it sent in its life before makes it no leader."""
        self._started_ns[node] = time.monotonic_ns()

    def find(self, timeout_s: float = 1.0) -> LeaderSeen | None:
        """Leader, term and witness: the newer term of the wire's word and that of every living node.

        The nodes are asked as well because the record lags by some 0.1 s: right after a kill or a partition they may
        know more. One that does not answer is waited for ``timeout_s``. None if nobody leads or nobody can say.
        """
        alive = self._alive()
        said = self.statuses(timeout_s)
        # Read last, so that it is the fresher of the two.
        wire = self._wire.leader({node: self._started_ns.get(node, 0) for node in alive})
        return newest_leader(wire, said)

    def statuses(self, timeout_s: float) -> dict[str, Leadership | None]:
        """What each living node says of itself, None if it does not answer; empty without the capability Leader."""
        asked = self._capability
        alive = set(self._alive())
        nodes = [node for node in (*self._topology.nodes, *self._topology.spares) if node.name in alive]
        if asked is None or not nodes:
            return {}
        with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
            views = pool.map(lambda node: asked.leadership(node, timeout_s), nodes)
            return {node.name: view for node, view in zip(nodes, views, strict=True)}
