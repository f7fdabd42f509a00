"""OVSDB, Open vSwitch's database: a clustered database of ours (one table of keys and values), replicated by Raft.

Reads are made linearizable by a counter that is moved in the same transaction: a transaction that only reads is
answered by the node alone, and may be stale. ``reads=local`` asks for those.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from raftmon.adapters.asking import ask_client, ask_until, serves
from raftmon.adapters.base import Client, NodeCommand
from raftmon.adapters.capabilities import Leadership
from raftmon.adapters.options import Options
from raftmon.adapters.ovsdb_client import DATABASE, OvsdbClient
from raftmon.adapters.ovsdb_control import control, last_log_time
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.topology import Host, Topology

__all__ = ["CLIENT_PORT", "PEER_PORT", "SCHEMA", "OvsdbAdapter"]

CLIENT_PORT = 6640
PEER_PORT = 6643
_ASK_AGAIN_S = 0.1
_LINE_S = 1.0

SCHEMA = {
    "name": DATABASE,
    "version": "1.0.0",
    "tables": {
        "kv": {
            "columns": {"key": {"type": "string"}, "value": {"type": "string"}},
            "indexes": [["key"]],
            "isRoot": True,
        },
        "fence": {"columns": {"n": {"type": "integer"}}, "isRoot": True, "maxRows": 1},
    },
}

_START = """\
[ -e {db} ] || {tool} {make} || exit 1
exec {server} --remote=ptcp:{port}:{address} --unixctl={folder}/control.sock --no-chdir --log-file={folder}/ovsdb.log \
-vconsole:off -vfile:info {flags} {db}
"""


class OvsdbAdapter:
    """A cluster of ovsdb-servers.

    Options: ``server`` (path of the launcher that ``raftmon servers install ovsdb`` makes; ``ovsdb-tool`` lies beside
    it), ``server_flags``, ``election_ms`` (the cluster's election timer; default 1000), ``reads`` (``linearizable`` or
    ``local``).

    ovsdb-server listens on the very address that its peers know it by, so a run of it is always *transparent*.
    """

    name = "ovsdb"
    nodes_needed = True
    transparent = True
    client_port = CLIENT_PORT
    peer_port = PEER_PORT

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        given = Options(self.name, options)
        self._server = given.text("server", None)
        self._flags = given.words("server_flags")
        self._election_ms = given.number("election_ms", 1000, least=100, most=600_000)
        reads = given.text("reads", "linearizable")
        given.done()
        if reads not in ("linearizable", "local"):
            raise InputError(f"option reads of the system ovsdb is {reads!r}: give linearizable or local")
        self._local_reads = reads == "local"
        self._folders: dict[str, Path] = {}

    def command(self, node: Host, topology: Topology, folder: Path) -> NodeCommand:
        """The first node creates the cluster, the others join it; a node that has a database starts with it."""
        found = shutil.which(self._server or "ovsdb-server")
        tool = shutil.which(str(Path(found).with_name("ovsdb-tool"))) if found else None
        if found is None or tool is None:
            given = f"{self._server!r} is no program" if self._server else "there is no ovsdb-server on PATH"
            raise InputError(f"{given}: run `raftmon servers install ovsdb`, or give --server a launcher's path")
        if not topology.transparent:
            raise InputError("ovsdb-server listens on the address its peers know it by: give --transparent")
        data = folder / "data"
        self._folders[node.name] = folder
        data.mkdir(parents=True, exist_ok=True)
        database, schema = data / "raftmon.db", folder / "schema.ovsschema"
        schema.write_bytes(orjson.dumps(SCHEMA, option=orjson.OPT_INDENT_2))
        first, address = topology.nodes[0], f"tcp:{node.presented}:{PEER_PORT}"
        if node == first:
            make = f"--election-timer={self._election_ms} create-cluster {shlex.quote(str(database))} "
            make += f"{shlex.quote(str(schema))} {address}"
        else:
            make = f"join-cluster {shlex.quote(str(database))} {DATABASE} {address} tcp:{first.presented}:{PEER_PORT}"
        script = _START.format(
            db=shlex.quote(str(database)), tool=shlex.quote(tool), make=make, server=shlex.quote(found),
            port=CLIENT_PORT, address=node.address, folder=shlex.quote(str(folder)), flags=shlex.join(self._flags),
        )  # fmt: skip
        path = folder / "start.sh"
        path.write_text(script)
        return NodeCommand(("/bin/sh", str(path)), data, {"OVS_RUNDIR": str(folder), "OVS_DBDIR": str(data)})

    def ready(self, node: Host, topology: Topology, timeout_s: float) -> bool:
        """The node carries out a transaction through the log; the first that is asked makes the counter."""

        def ask(client: OvsdbClient) -> None:
            client.make_fence()
            client.read("raftmon-ready")

        return serves(
            lambda seconds: OvsdbClient((node.address, CLIENT_PORT), seconds),
            ask,
            timeout_s=timeout_s,
            each_s=3.0,
            pause_s=_ASK_AGAIN_S,
        )

    def connect(self, node: Host, timeout_s: float) -> Client:
        """A client of that node alone."""
        return OvsdbClient((node.address, CLIENT_PORT), timeout_s, local_reads=self._local_reads)

    def client_class(self) -> type:
        """What ``connect`` returns: its capabilities can be asked without a connection."""
        return OvsdbClient

    def compact(self, node: Host, timeout_s: float) -> str:
        """Have the node replace its log by a snapshot (``ovsdb-server/compact``); ``Compact``."""
        log = self._folder(node) / "data" / "raftmon.db"
        before = log.stat().st_size
        self._control(node, "ovsdb-server/compact", DATABASE, timeout_s=timeout_s)
        return f"{node.name} compacted its log: {before:,} B before, {log.stat().st_size:,} B after"

    def move_leader(self, leader: Host, to: Host, timeout_s: float) -> str:
        """Have the leader hand over (``cluster/failure-test transfer-leadership``); OVSDB chooses to whom."""
        self._control(leader, "cluster/failure-test", "transfer-leadership", timeout_s=timeout_s)

        def gave_up(left_s: float) -> bool:
            found = self.leadership(leader, left_s)
            return found is not None and not found.leads

        if not ask_until(gave_up, timeout_s, _ASK_AGAIN_S):
            raise RaftmonError(f"{leader.name} still leads {timeout_s:g} s after it was asked to hand over")
        return f"{leader.name} handed its leadership over"

    def node_time(self, node: Host, timeout_s: float) -> float | None:
        """The time of the line that the node writes when it opens its log again; ``NodeClock``."""
        try:
            log = self._folder(node) / "ovsdb.log"
            before = log.stat().st_size
            for method in ("vlog/close", "vlog/reopen"):
                self._control(node, method, timeout_s=timeout_s)
        except (RaftmonError, OSError):
            return None
        ask_until(lambda _left_s: log.stat().st_size > before, min(timeout_s, _LINE_S), _ASK_AGAIN_S)
        return last_log_time(log, before)

    def _folder(self, node: Host) -> Path:
        if node.name not in self._folders:
            raise RaftmonError(f"{node.name} was not started by this driver: its control socket is not known")
        return self._folders[node.name]

    def _control(self, node: Host, method: str, *arguments: str, timeout_s: float) -> str:
        return control(self._folder(node), method, *arguments, timeout_s=timeout_s)

    def applied_index(self, node: Host, timeout_s: float) -> int | None:
        """The log index of the node's database, by its database ``_Server``; ``Inspect``."""
        row = ask_client(OvsdbClient((node.address, CLIENT_PORT), timeout_s), OvsdbClient.cluster)
        index = None if row is None else row.get("index")
        return index if isinstance(index, int) else None

    def contents(self, node: Host, limit: int, timeout_s: float, after: str = "") -> dict[str, list[Any]]:
        """The node's own keys, read without the log; it keeps no revisions."""
        client = OvsdbClient((node.address, CLIENT_PORT), timeout_s)
        try:
            held = client.everything()
        finally:
            client.close()
        keys = sorted(key for key in held if key > after)[:limit]
        return {key: [0, held[key]] for key in keys}

    def log_files(self, data: Path) -> list[Path]:
        """The database, which is the log; ``WriteAheadLog``."""
        return [file for file in (data / "raftmon.db",) if file.exists()]

    def leadership(self, node: Host, timeout_s: float) -> Leadership | None:
        """What the node itself reports, from its database ``_Server``, which tells no term: it is 0."""
        row = ask_client(OvsdbClient((node.address, CLIENT_PORT), timeout_s), OvsdbClient.cluster)
        return None if row is None else Leadership(bool(row.get("leader")), 0)
