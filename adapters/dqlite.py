"""dqlite, SQLite replicated by Raft: ``dqlite-demo`` of Debian's go-dqlite, one process a node."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raftmon.adapters import dqlite_admin
from raftmon.adapters.asking import ask_client, http_date, serves
from raftmon.adapters.base import Client, NodeCommand
from raftmon.adapters.capabilities import Leadership
from raftmon.adapters.dqlite_client import DqliteClient
from raftmon.adapters.options import Options
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.topology import Host, Topology

__all__ = ["API_PORT", "PEER_PORT", "DqliteAdapter"]

API_PORT = 8001
PEER_PORT = 9001
_ASK_AGAIN_S = 0.1


class DqliteAdapter:
    """A cluster of ``dqlite-demo`` processes; clients speak dqlite's own protocol.

    Only a leader carries out requests, so a client of a node asks it who leads and talks to that one, as dqlite's own
    clients do. Options: ``server`` (path of the launcher that ``raftmon servers install dqlite`` makes), ``reads``
    (``linearizable``: a counter is moved first, so that a deposed leader cannot answer; or ``leader``: may be stale).

    A node listens on the very address that its peers know it by, so a run of it is always *transparent*.
    """

    name = "dqlite"
    nodes_needed = True
    transparent = True
    client_port = PEER_PORT
    peer_port = PEER_PORT

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        given = Options(self.name, options)
        self._server = given.text("server", None)
        reads = given.text("reads", "linearizable")
        given.done()
        if reads not in ("linearizable", "leader"):
            raise InputError(f"option reads of the system dqlite is {reads!r}: give linearizable or leader")
        self._leader_reads = reads == "leader"

    def command(self, node: Host, topology: Topology, folder: Path) -> NodeCommand:
        """The first node makes the cluster, the others join it."""
        found = shutil.which(self._server or "dqlite-demo")
        if found is None:
            given = f"{self._server!r} is no program" if self._server else "there is no dqlite-demo on PATH"
            raise InputError(f"{given}: run `raftmon servers install dqlite`, or give --server a launcher's path")
        if not topology.transparent:
            raise InputError("dqlite listens on the address its peers know it by: give --transparent")
        data = folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        command = [
            found, "--api", f"{node.address}:{API_PORT}", "--db", f"{node.address}:{PEER_PORT}", "--dir", str(data),
            "--verbose",
        ]  # fmt: skip
        first = topology.nodes[0]
        if node != first:
            command += ["--join", f"{first.address}:{PEER_PORT}"]
        return NodeCommand(tuple(command), data)

    def ready(self, node: Host, topology: Topology, timeout_s: float) -> bool:
        """The node knows a leader, and a read through the log is answered there."""

        def ask(client: DqliteClient) -> None:
            client.make_tables()
            client.read("raftmon-ready")

        return serves(
            lambda seconds: DqliteClient((node.address, PEER_PORT), seconds),
            ask,
            timeout_s=timeout_s,
            each_s=3.0,
            pause_s=_ASK_AGAIN_S,
        )

    def connect(self, node: Host, timeout_s: float) -> Client:
        """A client that finds the leader through that node."""
        return DqliteClient((node.address, PEER_PORT), timeout_s, leader_reads=self._leader_reads)

    def client_class(self) -> type:
        """What ``connect`` returns: its capabilities can be asked without a connection."""
        return DqliteClient

    def move_leader(self, leader: Host, to: Host, timeout_s: float) -> str:
        """Have the leader hand over; ``MoveLeader``."""
        at = (leader.address, PEER_PORT)
        known = dqlite_admin.nodes(at, timeout_s)
        identity = known.get(f"{to.address}:{PEER_PORT}")
        if identity is None:
            raise RaftmonError(f"{to.name} is no node of the cluster as {leader.name} knows it")
        dqlite_admin.transfer(at, identity, timeout_s)
        return f"{leader.name} handed its leadership to {to.name}"

    def snapshot(self, node: Host, timeout_s: float) -> str:
        """Receive a dump of the node's database and its log; ``Snapshot``."""
        files = dqlite_admin.dump((node.address, PEER_PORT), timeout_s)
        return f"{node.name} sent a dump: {', '.join(f'{name} of {size:,} B' for name, size in files.items())}"

    def node_time(self, node: Host, timeout_s: float) -> float | None:
        """The ``Date`` of its HTTP answers; ``NodeClock``."""
        return http_date(f"{node.address}:{API_PORT}", "/", timeout_s)

    def log_files(self, data: Path) -> list[Path]:
        """The closed segments of the log, then the open ones that hold something; ``WriteAheadLog``."""
        closed = sorted(data.glob("*/[0-9]*-[0-9]*"))
        opened = sorted(data.glob("*/open-*"), key=lambda segment: int(segment.name.removeprefix("open-")))
        return closed + [segment for segment in opened if _holds_something(segment)]

    def leadership(self, node: Host, timeout_s: float) -> Leadership | None:
        """What the node itself reports. dqlite tells no term: it is 0."""
        leader = ask_client(DqliteClient((node.address, PEER_PORT), timeout_s), DqliteClient.leader)
        return None if leader is None else Leadership(leader == f"{node.address}:{PEER_PORT}", 0)


def _holds_something(segment: Path) -> bool:
    """Whether anything stands behind the format's number: libraft makes segments ready in advance."""
    with segment.open("rb") as file:
        return any(file.read(4096)[8:])
