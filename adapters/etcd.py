"""etcd 3.4 and 3.5: one server a node, peers known by their presented addresses, clients on port 2379."""

from __future__ import annotations

import base64
import contextlib
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from raftmon.adapters import etcd_http
from raftmon.adapters.asking import ask_until, http_date
from raftmon.adapters.base import Client, Definite, Indefinite, NodeCommand
from raftmon.adapters.capabilities import Leadership
from raftmon.adapters.options import Options
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Host, Topology

__all__ = ["CLIENT_PORT", "PEER_PORT", "EtcdAdapter"]

CLIENT_PORT = 2379
PEER_PORT = 2380
_ASK_AGAIN_S = 0.05
_LOOK_AGAIN_S = 0.01


class EtcdAdapter:
    """A cluster of etcd servers.

    Options: ``server`` (path of the binary; else ``etcd`` on PATH), ``server_flags`` (list of further flags),
    ``pre_vote`` (true, false, or null for the server's default), ``heartbeat_ms``, ``election_ms``,
    ``snapshot_count``, ``token``, ``log_level``, ``serializable`` (true: reads need no quorum).
    """

    name = "etcd"
    nodes_needed = True
    peer_port = PEER_PORT
    client_port = CLIENT_PORT

    def __init__(self, options: Mapping[str, Any] | None = None, *, pre_vote: bool | None = None) -> None:
        given = Options("etcd", options)
        self._server = given.text("server", None)
        self._flags = given.words("server_flags")
        self._pre_vote = given.flag("pre_vote", pre_vote)
        self._heartbeat_ms = given.number("heartbeat_ms", 100, least=1)
        self._election_ms = given.number("election_ms", 1000, least=1)
        self._snapshot_count = given.number("snapshot_count", None, least=1)
        self._token = given.text("token", "raftmon")
        self._log_level = given.text("log_level", "warn")
        self._serializable = bool(given.flag("serializable", False))
        self._joining: set[str] = set()
        given.done()

    def command(self, node: Host, topology: Topology, folder: Path) -> NodeCommand:
        """Etcd's start line. Where the data folder has a log, etcd goes on from it and ignores the initial cluster."""
        data = folder / "data"
        cluster = ",".join(f"{host.name}=http://{host.presented}:{PEER_PORT}" for host in topology.nodes)
        argv = [
            self._binary(),
            f"--name={node.name}",
            f"--data-dir={data}",
            f"--listen-peer-urls=http://{node.address}:{PEER_PORT}",
            f"--initial-advertise-peer-urls=http://{node.presented}:{PEER_PORT}",
            f"--listen-client-urls=http://{node.address}:{CLIENT_PORT}",
            f"--advertise-client-urls=http://{node.address}:{CLIENT_PORT}",
            f"--initial-cluster={cluster}",
            f"--initial-cluster-token={self._token}",
            f"--initial-cluster-state={'existing' if node.name in self._joining else 'new'}",
            f"--heartbeat-interval={self._heartbeat_ms}",
            f"--election-timeout={self._election_ms}",
            "--logger=zap",
            "--log-outputs=stderr",
            f"--log-level={self._log_level}",
        ]
        if self._snapshot_count is not None:
            argv.append(f"--snapshot-count={self._snapshot_count}")
        if self._pre_vote is not None:
            argv.append(f"--pre-vote={'true' if self._pre_vote else 'false'}")
        # ETCD_* in the caller's environment would change the cluster behind the run's back: NodeCommand.env is all.
        return NodeCommand((*argv, *self._flags), data)

    def compact(self, node: Host, timeout_s: float) -> str:
        """Compact to the revision before the store's newest, which can still be hashed; ``Compact``."""
        with self._api(node, timeout_s) as api:
            revision = max(1, api.revision() - 1)
            api.compact(revision)
        return f"{node.name} compacted to revision {revision}"

    def defragment(self, node: Host, timeout_s: float) -> str:
        """Rewrite the node's database; ``Defragment``."""
        with self._api(node, timeout_s) as api:
            before = api.status()["db_bytes"]
            api.defragment(timeout_s)
            after = api.status()["db_bytes"]
        return f"{node.name} defragmented: {before:,} B before, {after:,} B after"

    def move_leader(self, leader: Host, to: Host, timeout_s: float) -> str:
        """Have the leader hand over; ``MoveLeader``."""
        with self._api(to, timeout_s) as target, self._api(leader, timeout_s) as api:
            api.move_leader(target.status()["member"])
            status = target.status()
        leads = "leads" if status["leader"] == status["member"] else "does not lead yet"
        return f"{leader.name} handed its leadership to {to.name}, which {leads} in term {status['term']}"

    def snapshot(self, node: Host, timeout_s: float) -> str:
        """Receive a snapshot and check its checksum; ``Snapshot``."""
        with self._api(node, timeout_s) as api:
            size = api.snapshot(timeout_s)
        return f"{node.name} sent a snapshot of {size:,} B with the right checksum"

    @staticmethod
    def _api(node: Host, timeout_s: float) -> AbstractContextManager[Any]:
        from raftmon.adapters.etcd_api import EtcdApi  # gRPC's stubs take a while to import

        return contextlib.closing(EtcdApi(f"{node.address}:{CLIENT_PORT}", timeout_s))

    def _binary(self) -> str:
        found = shutil.which(self._server or "etcd")
        if found is None:
            given = f"{self._server!r} is no program that can be run" if self._server else "there is no etcd on PATH"
            raise InputError(f"{given}: give --server a path, or run `raftmon servers install etcd`")
        return found

    def ready(self, node: Host, topology: Topology, timeout_s: float) -> bool:
        """Ask ``/health``: etcd answers true after a read through the log of its own (so it has a leader)."""
        target = f"{node.address}:{CLIENT_PORT}"
        return ask_until(lambda left_s: etcd_http.healthy(target, min(left_s, 2.0)), timeout_s, _ASK_AGAIN_S)

    def joinable(self, node: Host, timeout_s: float) -> bool:
        """Ask the peer port for ``/version``, which needs no leader. A new member asks every other for its members
        before it serves itself; of one that listens and does not serve yet it awaits the answer for a whole second.
        """
        target = f"{node.address}:{PEER_PORT}"
        return ask_until(lambda left_s: etcd_http.answers(target, "/version", left_s), timeout_s, _LOOK_AGAIN_S)

    def connect(self, node: Host, timeout_s: float) -> Client:
        """A client of that node alone."""
        from raftmon.adapters.etcd_client import EtcdClient  # gRPC's threads are wanted in client processes only

        return EtcdClient(f"{node.address}:{CLIENT_PORT}", timeout_s, serializable=self._serializable)

    def client_class(self) -> type:
        """What ``connect`` returns: its capabilities can be asked without a connection."""
        from raftmon.adapters.etcd_client import EtcdClient

        return EtcdClient

    def node_time(self, node: Host, timeout_s: float) -> float | None:
        """The ``Date`` of its HTTP answers; ``NodeClock``."""
        return http_date(f"{node.address}:{CLIENT_PORT}", "/version", timeout_s)

    def log_files(self, data: Path) -> list[Path]:
        """The segments of the write-ahead log; their names sort by age (sequence number, first index)."""
        return sorted((data / "member" / "wal").glob("*.wal"))

    def leadership(self, node: Host, timeout_s: float) -> Leadership | None:
        """Whether the node says that it leads (``Maintenance.Status``)."""
        try:
            status = etcd_http.call(f"{node.address}:{CLIENT_PORT}", "maintenance/status", {}, timeout_s)
            header = status["header"]
            return Leadership(status.get("leader") == header["member_id"], int(header.get("raft_term", 0)))
        except (Indefinite, Definite, KeyError, ValueError):
            return None

    def members(self, through: Host, timeout_s: float) -> dict[str, str]:
        """Name -> member id; a member that was added and never started has its peer URL for a name."""
        answer = etcd_http.call(f"{through.address}:{CLIENT_PORT}", "cluster/member/list", {}, timeout_s)
        return {member.get("name") or member["peerURLs"][0]: member["ID"] for member in answer.get("members", [])}

    def add_member(self, through: Host, node: Host, timeout_s: float) -> None:
        """Add the node under its presented address; ``command`` then lets it join instead of found a cluster."""
        self._joining.add(node.name)
        body = {"peerURLs": [f"http://{node.presented}:{PEER_PORT}"]}
        etcd_http.call(f"{through.address}:{CLIENT_PORT}", "cluster/member/add", body, timeout_s)

    def remove_member(self, through: Host, node: Host, timeout_s: float) -> None:
        """Remove the node; raises Definite if there is no such member."""
        identity = self.members(through, timeout_s).get(node.name)
        if identity is None:
            raise Definite(f"{node.name} is no member of the cluster as {through.name} knows it")
        etcd_http.call(f"{through.address}:{CLIENT_PORT}", "cluster/member/remove", {"ID": identity}, timeout_s)

    def hash_at(self, node: Host, revision: int, timeout_s: float) -> tuple[int, int]:
        """(hash, revision) of the node's keys up to ``revision`` (``Maintenance.HashKV``); 0 is the newest it has."""
        # By gRPC: the gateway's /v3/maintenance/hash is Maintenance.Hash, which hashes the whole file, bookkeeping
        # and all, and takes no revision; equal stores have different ones.
        from raftmon.adapters.etcd_client import hash_kv

        return hash_kv(f"{node.address}:{CLIENT_PORT}", revision, timeout_s)

    def applied_index(self, node: Host, timeout_s: float) -> int | None:
        """``raftAppliedIndex`` of the node's own ``Maintenance.Status``."""
        try:
            status = etcd_http.call(f"{node.address}:{CLIENT_PORT}", "maintenance/status", {}, timeout_s)
            return int(status["raftAppliedIndex"])
        except (Indefinite, Definite, KeyError, ValueError):
            return None

    def contents(self, node: Host, limit: int, timeout_s: float, after: str = "") -> dict[str, list[Any]]:
        """The node's own keys (a serializable range): key -> [mod_revision, value]."""
        end = base64.b64encode(b"\0").decode()
        begin = base64.b64encode(after.encode() + b"\0").decode()
        body = {"key": begin, "range_end": end, "serializable": True, "limit": str(limit)}
        answer = etcd_http.call(f"{node.address}:{CLIENT_PORT}", "kv/range", body, timeout_s)
        return {
            _plain(pair["key"]): [int(pair.get("mod_revision", 0)), _plain(pair.get("value", ""))]
            for pair in answer.get("kvs", [])
        }


def _plain(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", errors="replace")
