"""ZooKeeper 3.8: one server a node in an ensemble that replicates by Zab, Raft's elder cousin."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raftmon.adapters.asking import ask_until
from raftmon.adapters.base import Client, NodeCommand
from raftmon.adapters.capabilities import Leadership
from raftmon.adapters.options import Options
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Host, Topology

__all__ = ["CLIENT_PORT", "ELECTION_PORT", "PEER_PORT", "ZooKeeperAdapter"]

CLIENT_PORT = 2181
PEER_PORT = 2888
ELECTION_PORT = 3888
_ASK_AGAIN_S = 0.1
_LOGGING = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true"
_SERVES = re.compile(r"^Mode: (leader|follower|standalone)$", re.MULTILINE)
_ZXID = re.compile(r"^Zxid: 0x([0-9a-f]+)$", re.MULTILINE)


class ZooKeeperAdapter:
    """An ensemble of ZooKeeper servers.

    Options: ``server`` (path of the launcher that ``raftmon servers install zookeeper`` makes), ``tick_ms`` (default
    500), ``sync`` (false: reads may be stale), ``jvm_flags``.
    """

    name = "zookeeper"
    nodes_needed = True
    client_port = CLIENT_PORT
    peer_port = PEER_PORT

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        given = Options(self.name, options)
        self._server = given.text("server", None)
        self._tick_ms = given.number("tick_ms", 500, least=1)
        self._sync = bool(given.flag("sync", True))
        self._jvm_flags = given.text("jvm_flags", "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1")
        given.done()

    def command(self, node: Host, topology: Topology, folder: Path) -> NodeCommand:
        """``zoo.cfg`` and ``myid`` go to the node's folder; peers are known by presented addresses."""
        found = shutil.which(self._server or "zookeeper")
        if found is None:
            given = f"{self._server!r} is no program" if self._server else "there is no zookeeper launcher on PATH"
            raise InputError(f"{given}: run `raftmon servers install zookeeper`, or give --server a launcher's path")
        data = folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        (data / "myid").write_text(f"{node.index}\n")
        lines = [
            f"tickTime={self._tick_ms}",
            "initLimit=20",
            "syncLimit=10",
            f"dataDir={data}",
            f"clientPort={CLIENT_PORT}",
            f"clientPortAddress={node.address}",
            # A presented address is not one that a node could listen on.
            f"quorumListenOnAllIPs={'false' if topology.transparent else 'true'}",
            "maxClientCnxns=0",
            "admin.enableServer=false",
            "standaloneEnabled=false",
            "4lw.commands.whitelist=srvr,cons",
            *(f"server.{host.index}={host.presented}:{PEER_PORT}:{ELECTION_PORT}" for host in topology.nodes),
        ]
        path = folder / "zoo.cfg"
        path.write_text("\n".join(lines) + "\n")
        # Debian's jars hold several SLF4J bindings, and the first wins: one that writes to stderr, not the silent one.
        binding = Path(found).resolve().parent / "usr/share/java/slf4j-simple.jar"
        env = {"CLASSPATH_FIRST": str(binding), "JVMFLAGS": f"{_LOGGING} {self._jvm_flags or ''}"}
        return NodeCommand((found, str(path)), data, env)

    def ready(self, node: Host, topology: Topology, timeout_s: float) -> bool:
        """The server says what it is in the ensemble; it answers otherwise as long as there is no quorum."""
        return ask_until(
            lambda left_s: bool(_SERVES.search(_four_letters(node, b"srvr", left_s))), timeout_s, _ASK_AGAIN_S
        )

    def connect(self, node: Host, timeout_s: float) -> Client:
        """A client of that node alone."""
        from raftmon.adapters.zookeeper_client import ZooKeeperClient  # kazoo is wanted in client processes only

        return ZooKeeperClient(f"{node.address}:{CLIENT_PORT}", timeout_s, sync=self._sync)

    def client_class(self) -> type:
        """What ``connect`` returns: its capabilities can be asked without a connection."""
        from raftmon.adapters.zookeeper_client import ZooKeeperClient

        return ZooKeeperClient

    def node_time(self, node: Host, timeout_s: float) -> float | None:
        """When the node says that a session, just begun, was established (``cons``); ``NodeClock``."""
        from raftmon.adapters.zookeeper_client import new_session

        with new_session(f"{node.address}:{CLIENT_PORT}", timeout_s) as session:
            if session is None:
                return None
            told = re.search(rf"sid=0x{session:x},.*?\best=(\d+)", _four_letters(node, b"cons", timeout_s))
        return None if told is None else int(told[1]) / 1000

    def log_files(self, data: Path) -> list[Path]:
        """The transaction logs; their names have the first transaction's number; ``WriteAheadLog``."""
        return sorted((data / "version-2").glob("log.*"), key=lambda log: int(log.suffix[1:], 16))

    def leadership(self, node: Host, timeout_s: float) -> Leadership | None:
        """What the node itself reports. The term is Zab's epoch, the upper half of its last transaction's number."""
        told = _four_letters(node, b"srvr", timeout_s)
        mode, zxid = _SERVES.search(told), _ZXID.search(told)
        if mode is None or zxid is None:
            return None
        return Leadership(mode[1] == "leader", int(zxid[1], 16) >> 32)


def _four_letters(node: Host, word: bytes, timeout_s: float) -> str:
    """The answer to one of ZooKeeper's four letter words; empty if there was none."""
    answer = b""
    try:
        with socket.create_connection((node.address, CLIENT_PORT), timeout_s) as connection:
            connection.sendall(word)
            while data := connection.recv(4096):
                answer += data
    except OSError:
        return ""
    return answer.decode(errors="replace")
