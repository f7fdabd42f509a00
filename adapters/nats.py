"""nats-server with JetStream: a key-value bucket replicated by Raft over all nodes (at most five).

Its reads are answered by the stream's leader alone, without asking a quorum (nats-server has no other kind for a bucket
with writes): under a partition they may be stale. That is the system's promise, not an error of the adapter.
"""

from __future__ import annotations

import http.client
import re
import shutil
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from raftmon.adapters.asking import ask_until
from raftmon.adapters.base import Client, NodeCommand
from raftmon.adapters.capabilities import Leadership
from raftmon.adapters.options import Options
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Host, Topology

__all__ = ["CLIENT_PORT", "MONITOR_PORT", "PEER_PORT", "NatsAdapter"]

CLIENT_PORT = 4222
PEER_PORT = 6222
MONITOR_PORT = 8222
_MOST_REPLICAS = 5
_ASK_AGAIN_S = 0.1
_TOO_PRECISE = re.compile(r"(\.\d{1,6})\d*")  # nanoseconds, which Python does not read
_SYNC = re.compile(r"always|\d+(ms|s|m|h)")


class NatsAdapter:
    """A cluster of nats-servers.

    Options: ``server`` (path of the binary; else ``nats-server`` on PATH), ``server_flags`` (list of further flags),
    ``ping_interval_s`` (between servers; default 5, so that a dead route is noticed), ``sync_interval`` (of JetStream's
    files: ``always``, ``10s``; nats-server 2.10 and newer; by default the server's own, two minutes).
    """

    name = "nats"
    nodes_needed = True
    joins_running = True
    client_port = CLIENT_PORT
    peer_port = PEER_PORT

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        given = Options(self.name, options)
        self._server = given.text("server", None)
        self._flags = given.words("server_flags")
        self._ping_interval_s = given.number("ping_interval_s", 5, least=1)
        self._sync_interval = given.text("sync_interval", None)
        if self._sync_interval is not None and not _SYNC.fullmatch(self._sync_interval):
            raise InputError(
                f"the nats option sync_interval is {self._sync_interval!r}: give always, or a time such as 10s"
            )
        given.done()
        self._loop: Any = None
        self._lock = threading.Lock()

    def command(self, node: Host, topology: Topology, folder: Path) -> NodeCommand:
        """The server's configuration goes to ``nats.conf`` in its folder; peers are routes to presented addresses."""
        found = shutil.which(self._server or "nats-server")
        if found is None:
            given = f"{self._server!r} is no program" if self._server else "there is no nats-server on PATH"
            raise InputError(f"{given}: give --server a path, or run `raftmon servers install nats`")
        data = folder / "data"
        # JetStream takes the number of routes for the size of its first Raft group. An even cluster must name itself
        # too, or half of it would be a majority; an odd one's majority is the same, without a route to itself.
        peers = [other for other in topology.nodes if other != node or len(topology.nodes) % 2 == 0]
        config: dict[str, Any] = {
            "server_name": node.name,
            "listen": f"{node.address}:{CLIENT_PORT}",
            "http": f"{node.address}:{MONITOR_PORT}",
            "ping_interval": f"{self._ping_interval_s}s",
            "jetstream": {"store_dir": str(data)},
        }
        if self._sync_interval is not None:
            config["jetstream"]["sync_interval"] = self._sync_interval
        if len(topology.nodes) > 1:
            config["cluster"] = {
                "name": "raftmon",
                "listen": f"{node.address}:{PEER_PORT}",
                "advertise": f"{node.presented}:{PEER_PORT}",
                "no_advertise": True,
                "routes": [f"nats-route://{peer.presented}:{PEER_PORT}" for peer in peers],
            }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "nats.conf"
        path.write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))  # its format takes JSON
        return NodeCommand((found, "--config", str(path), *self._flags), data)

    def _event_loop(self) -> Any:
        from raftmon.adapters.nats_client import EventLoop  # asyncio's thread is wanted where something is asked only

        with self._lock:
            if self._loop is None:
                self._loop = EventLoop()
            return self._loop

    def ready(self, node: Host, topology: Topology, timeout_s: float) -> bool:
        """The bucket can be read through the node; the first that is asked makes it."""
        from raftmon.adapters.nats_client import make_bucket

        replicas = min(len(topology.nodes), _MOST_REPLICAS)

        def ask(left_s: float) -> bool:
            return make_bucket(self._event_loop(), _url(node), replicas, left_s)

        return ask_until(ask, timeout_s, _ASK_AGAIN_S)

    def connect(self, node: Host, timeout_s: float) -> Client:
        """A client of that node alone."""
        from raftmon.adapters.nats_client import NatsClient

        return NatsClient(self._event_loop(), _url(node), timeout_s)

    def client_class(self) -> type:
        """What ``connect`` returns: its capabilities can be asked without a connection."""
        from raftmon.adapters.nats_client import NatsClient

        return NatsClient

    def log_files(self, data: Path) -> list[Path]:
        """The blocks of the Raft log of the bucket's stream; ``WriteAheadLog``."""
        blocks = (data / "jetstream" / "$SYS" / "_js_").glob("S-*/msgs/*.blk")
        return sorted(blocks, key=lambda block: int(block.stem) if block.stem.isdigit() else 0)

    def leadership(self, node: Host, timeout_s: float) -> Leadership | None:
        """Whether the node thinks that it leads the bucket's stream. nats-server tells no term: it is 0."""
        told = _monitored(node, "/jsz?accounts=true&streams=true", timeout_s)
        if told is None:
            return None
        streams = [one for account in told.get("account_details", []) for one in account.get("stream_detail", [])]
        return Leadership(any(one.get("cluster", {}).get("leader") == node.name for one in streams), 0)

    def node_time(self, node: Host, timeout_s: float) -> float | None:
        """``now`` of its monitoring endpoint ``/varz``; ``NodeClock``."""
        told = _monitored(node, "/varz", timeout_s)
        if told is None or "now" not in told:
            return None
        return datetime.fromisoformat(_TOO_PRECISE.sub(r"\1", told["now"])).timestamp()

    def move_leader(self, leader: Host, to: Host, timeout_s: float) -> str:
        """Have the stream's leader step down; JetStream elects whom it likes. ``MoveLeader``."""
        from raftmon.adapters.nats_cluster import step_down

        before, now = step_down(self._event_loop(), _url(leader), timeout_s)
        return f"{before or leader.name} stepped down as leader of the stream; {now} leads"

    def members(self, through: Host, timeout_s: float) -> dict[str, str]:
        """The servers that hold the bucket's stream."""
        from raftmon.adapters.nats_cluster import peers

        return {name: name for name in peers(self._event_loop(), _url(through), timeout_s)}

    def add_member(self, through: Host, node: Host, timeout_s: float) -> None:
        """One replica more, which goes to the server that holds none."""
        from raftmon.adapters.nats_cluster import add_peer

        add_peer(self._event_loop(), _url(through), timeout_s)

    def remove_member(self, through: Host, node: Host, timeout_s: float) -> None:
        """Take the node out of the stream's Raft group (peer-remove)."""
        from raftmon.adapters.nats_cluster import remove_peer

        remove_peer(self._event_loop(), _url(through), node.name, timeout_s)


def _monitored(node: Host, path: str, timeout_s: float) -> dict[str, Any] | None:
    """A page of the node's monitoring endpoint, None without an answer."""
    connection = http.client.HTTPConnection(node.address, MONITOR_PORT, timeout=timeout_s)
    try:
        connection.request("GET", path)
        told: dict[str, Any] = orjson.loads(connection.getresponse().read())
        return told
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError):
        return None
    finally:
        connection.close()


def _url(node: Host) -> str:
    return f"nats://{node.address}:{CLIENT_PORT}"
