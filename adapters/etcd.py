"""etcd 3.4 and 3.5: one server a node, peers known by their presented addresses, clients on port 2379."""

from __future__ import annotations

import http.client
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from adapters.base import Client, NodeCommand
from adapters.capabilities import Leadership
from adapters.options import Options
from setup.errors import InputError
from setup.topology import Host, Topology

__all__ = ["CLIENT_PORT", "PEER_PORT", "EtcdAdapter"]

CLIENT_PORT = 2379
PEER_PORT = 2380
_ASK_AGAIN_S = 0.05


class EtcdAdapter:
    """A cluster of etcd servers.

    Options: ``server`` (path of the binary; else ``etcd`` on PATH), ``server_flags`` (list of further flags),
    ``pre_vote`` (true, false, or null for the server's default), ``heartbeat_ms``, ``election_ms``,
    ``snapshot_count``, ``token``, ``log_level``, ``serializable`` (true: reads need no quorum).
    """

    name = "etcd"
    nodes_needed = True
    peer_port = PEER_PORT

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
            "--initial-cluster-state=new",
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

    def _binary(self) -> str:
        found = shutil.which(self._server or "etcd")
        if found is None:
            given = f"{self._server!r} is no program that can be run" if self._server else "there is no etcd on PATH"
            raise InputError(f"{given}: give --server a path, or run `raftmon servers install etcd`")
        return found

    def ready(self, node: Host, topology: Topology, timeout_s: float) -> bool:
        """Ask ``/health``: etcd answers true after a read through the log of its own (so it has a leader)."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if _healthy(node.address, min(left, 2.0)):
                return True
            time.sleep(min(_ASK_AGAIN_S, max(0.0, deadline - time.monotonic())))
        return False

    def leadership(self, node: Host, timeout_s: float) -> Leadership | None:
        """What the node's Maintenance.Status says: it leads if the leader's id is its own."""
        status = _status(node.address, timeout_s)
        if status is None:
            return None
        own = status.get("header", {}).get("member_id")
        return Leadership(own is not None and status.get("leader") == own, int(status.get("raftTerm", 0)))

    def connect(self, node: Host, timeout_s: float) -> Client:
        """A client of that node alone."""
        from adapters.etcd_client import EtcdClient  # gRPC's threads are wanted in client processes only

        return EtcdClient(f"{node.address}:{CLIENT_PORT}", timeout_s, serializable=self._serializable)


def _status(address: str, timeout_s: float) -> dict[str, Any] | None:
    """The answer of Maintenance.Status (etcd rpc.proto) by etcd's JSON gateway; its integers are texts."""
    connection = http.client.HTTPConnection(address, CLIENT_PORT, timeout=timeout_s)
    try:
        connection.request("POST", "/v3/maintenance/status", b"{}")
        answer = connection.getresponse()
        found = orjson.loads(answer.read())
        return found if answer.status == 200 and isinstance(found, dict) else None
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError):
        return None
    finally:
        connection.close()


def _healthy(address: str, timeout_s: float) -> bool:
    connection = http.client.HTTPConnection(address, CLIENT_PORT, timeout=timeout_s)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status == 200 and str(orjson.loads(answer.read()).get("health")) == "true"
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError):
        return False
    finally:
        connection.close()
