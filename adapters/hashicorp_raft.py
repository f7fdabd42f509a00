"""A key-value server of ours on hashicorp/raft, the Raft of Consul, Nomad and Vault (setup/raftkv)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from raftmon.adapters.asking import ask_client, serves
from raftmon.adapters.base import Client, NodeCommand
from raftmon.adapters.capabilities import Leadership
from raftmon.adapters.line_client import LineClient, ask_node
from raftmon.adapters.options import Options
from raftmon.adapters.outcomes import Row
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.topology import Host, Topology

__all__ = ["CLIENT_PORT", "OUTCOMES", "PEER_PORT", "HashicorpRaftAdapter"]

CLIENT_PORT = 7002
PEER_PORT = 7001
_ASK_AGAIN_S = 0.05

OUTCOMES = (
    Row("NO_LEADER", "", True, "the node knew no leader that it could pass the request on to"),
    Row("NOT_LEADER", "", True, "hashicorp/raft's ErrNotLeader: refused before it entered the log"),
    Row("NOT_QUEUED", "", True, "hashicorp/raft's ErrEnqueueTimeout: it never entered the log"),
    Row("TRANSFERRING", "", True, "hashicorp/raft's ErrLeadershipTransferInProgress: refused"),
    Row("UNKNOWN_OPERATION", "", True, "not understood"),
    Row("LOST", "", False, "leadership was lost, or the leader's answer did not come"),
)


class HashicorpRaftAdapter:
    """A cluster of ``raftkv`` servers.

    Options: ``server`` (path of the binary that ``raftmon servers install hashicorp-raft`` builds), ``election_ms`` and
    ``heartbeat_ms`` (timeouts of hashicorp/raft; default 1000), ``snapshot_threshold`` (entries between snapshots;
    default 8192), ``snapshot_interval_ms`` (how often that is looked at; default 120000), ``trailing_logs`` (entries
    kept after a snapshot; default 10240).
    """

    name = "hashicorp-raft"
    nodes_needed = True
    client_port = CLIENT_PORT
    peer_port = PEER_PORT

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        given = Options(self.name, options)
        self._server = given.text("server", None)
        self._raft = {
            "election_ms": given.number("election_ms", 1000, least=50),
            "heartbeat_ms": given.number("heartbeat_ms", 1000, least=50),
            "snapshot_threshold": given.number("snapshot_threshold", 8192, least=1),
            "snapshot_interval_ms": given.number("snapshot_interval_ms", 120_000, least=10),
            "trailing_logs": given.number("trailing_logs", 10_240, least=0),
        }
        given.done()

    def command(self, node: Host, topology: Topology, folder: Path) -> NodeCommand:
        """Peers go by presented addresses; each listens on its real one."""
        found = shutil.which(self._server or "raftkv")
        if found is None:
            given = f"{self._server!r} is no program" if self._server else "there is no raftkv on PATH"
            raise InputError(f"{given}: run `raftmon servers install hashicorp-raft`, or give --server its path")
        data = folder / "data"
        config = {
            "name": node.name,
            "bind": f"{node.address}:{PEER_PORT}",
            "advertise": f"{node.presented}:{PEER_PORT}",
            "serve": f"{node.address}:{CLIENT_PORT}",
            "folder": str(data),
            "peers": {peer.name: f"{peer.presented}:{PEER_PORT}" for peer in topology.nodes},
            "clients": {f"{peer.presented}:{PEER_PORT}": f"{peer.presented}:{CLIENT_PORT}" for peer in topology.nodes},
            **self._raft,
        }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "config.json"
        path.write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
        return NodeCommand((found, str(path)), data)

    def ready(self, node: Host, topology: Topology, timeout_s: float) -> bool:
        """A read through the log, asked of the node."""
        return serves(
            lambda seconds: LineClient((node.address, CLIENT_PORT), seconds, OUTCOMES),
            lambda client: client.read("raftmon-ready"),
            timeout_s=timeout_s,
            each_s=1.0,
            pause_s=_ASK_AGAIN_S,
        )

    def connect(self, node: Host, timeout_s: float) -> Client:
        """A client of that node alone."""
        return LineClient((node.address, CLIENT_PORT), timeout_s, OUTCOMES)

    def client_class(self) -> type:
        """What ``connect`` returns: its capabilities can be asked without a connection."""
        return LineClient

    def move_leader(self, leader: Host, to: Host, timeout_s: float) -> str:
        """Have the leader hand over (``LeadershipTransferToServer``); ``MoveLeader``."""
        self._ask(leader, {"op": "transfer", "key": to.name}, timeout_s)
        found = self.leadership(to, timeout_s)
        leads = f"leads in term {found.term}" if found is not None and found.leads else "does not lead yet"
        return f"{leader.name} handed its leadership over; {to.name} {leads}"

    def snapshot(self, node: Host, timeout_s: float) -> str:
        """Have the node save a snapshot, which shortens its log to ``trailing_logs``; ``Snapshot``."""
        self._ask(node, {"op": "snapshot"}, timeout_s)
        return f"{node.name} saved a snapshot"

    def node_time(self, node: Host, timeout_s: float) -> float | None:
        """``now_ns`` of its status; ``NodeClock``."""
        try:
            told = self._ask(node, {"op": "status"}, timeout_s)["value"].get("now_ns")
        except RaftmonError:
            return None
        return None if told is None else told / 1e9

    @staticmethod
    def _ask(node: Host, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        return ask_node(node, CLIENT_PORT, request, timeout_s, OUTCOMES)

    def leadership(self, node: Host, timeout_s: float) -> Leadership | None:
        """What the node itself reports."""

        def ask(client: LineClient) -> Leadership:
            status = client.ask({"op": "status"}, read=True)["value"]
            return Leadership(bool(status["leader"]), int(status["term"]))

        return ask_client(LineClient((node.address, CLIENT_PORT), timeout_s, OUTCOMES), ask)
