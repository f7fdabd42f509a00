"""PySyncObj, a Raft library in Python: a register of ours on its replicated state, one process a node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from raftmon.adapters.asking import ask_client, ask_until, serves
from raftmon.adapters.base import Client, NodeCommand
from raftmon.adapters.capabilities import Leadership
from raftmon.adapters.line_client import LineClient, ask_node
from raftmon.adapters.options import Options
from raftmon.adapters.outcomes import Row
from raftmon.setup.errors import RaftmonError
from raftmon.setup.python import module_command
from raftmon.setup.topology import Host, Topology

__all__ = ["CLIENT_PORT", "OUTCOMES", "PEER_PORT", "PySyncObjAdapter"]

CLIENT_PORT = 4322
PEER_PORT = 4321
_ASK_AGAIN_S = 0.05

# The names are those of pysyncobj.FAIL_REASON; what they mean was read from where syncobj.py gives them.
OUTCOMES = (
    Row("QUEUE_FULL", "", True, "refused before it was queued"),
    Row("MISSING_LEADER", "", True, "refused: the node knew no leader to send it to"),
    Row("NOT_LEADER", "", True, "the node it was passed on to was no leader, and dropped it"),
    Row("REQUEST_DENIED", "", True, "refused by the leader"),
    Row("DISCARDED", "", True, "another command was committed in its place of the log"),
    Row("LEADER_CHANGED", "", False, "passed on to a leader that was replaced before it answered"),
    Row("UNKNOWN_OUTCOME", "", False, "its place of the log was applied before the leader's answer came"),
    Row("NO_ANSWER", "", False, "the node had no word of it in 30 s"),
)


class PySyncObjAdapter:
    """A cluster of ``raftmon.adapters.pysyncobj_node`` processes.

    Options: ``election_min_ms`` and ``election_max_ms`` (default 1000 and 2000), ``heartbeat_ms`` (default 100),
    ``fallback_ms`` (a leader without a majority steps down after; default 5000), ``server`` (a folder that holds the
    library; default: the installed one).
    """

    name = "pysyncobj"
    nodes_needed = True
    client_port = CLIENT_PORT
    peer_port = PEER_PORT

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        given = Options(self.name, options)
        low = given.number("election_min_ms", 1000, least=10)
        high = given.number("election_max_ms", 2000, least=10)
        heartbeat = given.number("heartbeat_ms", 100, least=1)
        fallback = given.number("fallback_ms", 5000, least=1)
        self._library = given.text("server", None)
        given.done()
        self._raft = {
            "autoTickPeriod": 0.01,
            "appendEntriesPeriod": (heartbeat or 0) / 1e3,
            "raftMinTimeout": (low or 0) / 1e3,
            "raftMaxTimeout": (high or 0) / 1e3,
            "connectionTimeout": max(3.5, (high or 0) / 1e3),
            "connectionRetryTime": 0.5,
            "leaderFallbackTimeout": (fallback or 0) / 1e3,
        }

    def command(self, node: Host, topology: Topology, folder: Path) -> NodeCommand:
        """Peers go by presented addresses; each listens on its real one."""
        data = folder / "data"
        config = {
            "self": f"{node.presented}:{PEER_PORT}",
            "bind": f"{node.address}:{PEER_PORT}",
            "partners": [f"{other.presented}:{PEER_PORT}" for other in topology.nodes if other != node],
            "serve": f"{node.address}:{CLIENT_PORT}",
            "folder": str(data),
            "raft": self._raft,
        }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "config.json"
        path.write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
        env = {} if self._library is None else {"PYTHONPATH": self._library}
        return NodeCommand(tuple(module_command("raftmon.adapters.pysyncobj_node", str(path))), data, env)

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

    def compact(self, node: Host, timeout_s: float) -> str:
        """Have the node write a dump and shorten its log (``forceLogCompaction``); ``Compact``."""
        before = self._ask(node, {"op": "status"}, timeout_s)["log_entries"]
        self._ask(node, {"op": "compact"}, timeout_s)

        def shorter(left_s: float) -> bool:
            return bool(self._ask(node, {"op": "status"}, left_s)["log_entries"] < before)

        done = ask_until(shorter, timeout_s, _ASK_AGAIN_S)
        after = self._ask(node, {"op": "status"}, timeout_s)["log_entries"]
        if not done:
            raise RaftmonError(f"{node.name} still has {after} log entries of {before}, {timeout_s:g} s later")
        return f"{node.name} compacted its log: {before} entries before, {after} after"

    def applied_index(self, node: Host, timeout_s: float) -> int | None:
        """The last log entry in the node's register; ``Inspect``."""
        try:
            return int(self._ask(node, {"op": "status"}, timeout_s)["applied"])
        except (RaftmonError, KeyError):
            return None

    def contents(self, node: Host, limit: int, timeout_s: float, after: str = "") -> dict[str, list[Any]]:
        """The node's own keys; it keeps no revisions."""
        told = self._ask(node, {"op": "contents", "after": after, "limit": limit}, timeout_s)["value"]
        return {key: [0, value] for key, value in sorted(told.items())}

    def node_time(self, node: Host, timeout_s: float) -> float | None:
        """``now_s`` of its status; ``NodeClock``."""
        try:
            return float(self._ask(node, {"op": "status"}, timeout_s)["now_s"])
        except (RaftmonError, KeyError):
            return None

    @staticmethod
    def _ask(node: Host, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        return ask_node(node, CLIENT_PORT, request, timeout_s, OUTCOMES)

    def log_files(self, data: Path) -> list[Path]:
        """The journal; ``WriteAheadLog``."""
        return [file for file in (data / "journal",) if file.exists()]

    def leadership(self, node: Host, timeout_s: float) -> Leadership | None:
        """What the node itself reports."""

        def ask(client: LineClient) -> Leadership:
            status = client.ask({"op": "status"}, read=True)
            return Leadership(bool(status["leads"]), int(status["term"]))

        return ask_client(LineClient((node.address, CLIENT_PORT), timeout_s, OUTCOMES), ask)
