"""OVSDB's clustered databases: JSON-RPC notifications one after the other (Open vSwitch, ovsdb(7), "Clustered").

Servers are known by uuids; addresses come with greetings, joins and configuration entries. ``append_request`` without
entries is the heartbeat. Entries are kept with their keys in order: each server writes them in its own order.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import Codec, Output, PairTaps
from raftmon.monitor.raft.codecs.framing import FramedTap, Malformed, pairs
from raftmon.monitor.raft.codecs.json_values import JsonEnd
from raftmon.monitor.raft.codecs.ovsdb_forge import FORGED, forge
from raftmon.monitor.raft.message import Entry, LoggedOperation, RaftMessage

__all__ = ["CODEC", "OvsdbTap"]

_BEGIN = re.compile(rb'\{"id":(?:null|"echo"),"method":"[a-z_]{4,40}","params":\[')
_METHOD = re.compile(
    rb'\{"id":null,"method":"(?:hello_request|(?:append|vote|install_snapshot|add_server|remove_server|execute_command)'
    rb'_(?:request|reply)|become_leader)"'
)
_MAX_SERVERS = 4096
_QUIET = {"hello_request", "echo"}


def _begins(start: bytes, _from_start: bool) -> bool | None:
    """Whether these are notifications of ovsdb-server's Raft; the method's name tells."""
    if _METHOD.match(start):
        return True
    return None if start.startswith(b'{"id":nu') and len(start) < 64 else False


def _joins(segment: bytes) -> bool:
    return _METHOD.search(segment) is not None


def _read_operations(kind: int, data: bytes) -> tuple[LoggedOperation, ...]:
    """What an entry does to each row: ``[schema or null, {table: {row: columns or null}}]``."""
    if kind:
        return (LoggedOperation("conf_change", value=data),)
    if not data:
        return (LoggedOperation("noop"),)
    try:
        content = orjson.loads(data)
        if not isinstance(content, list):
            return (LoggedOperation("election_timer", value=data),)
        tables = content[1]
        found = []
        for table, rows in tables.items():
            if table.startswith("_") or not isinstance(rows, dict):
                continue
            for row, columns in rows.items():
                key = columns.get("key") if isinstance(columns, dict) else None
                name = "delete" if columns is None else "update"
                value = b"" if columns is None else orjson.dumps(columns)
                found.append(LoggedOperation(name, str(key if key is not None else row).encode(), value, detail=table))
        return tuple(found) or (LoggedOperation("opaque", value=data),)
    except (ValueError, AttributeError, IndexError, TypeError):
        return (LoggedOperation("opaque", value=data),)


class _Servers:
    """uuid -> the label under which a server is shown, for one capture."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._labels: dict[str, str] = {}

    def met(self, uuid: str, address: str) -> None:
        if uuid and address and len(self._labels) < _MAX_SERVERS:
            name = self._out.directory.party(address.partition(":")[2])
            self._labels[uuid] = name
            self._out.directory.renamed[uuid[:8]] = name

    def label(self, uuid: str) -> str | None:
        return self._labels.get(uuid) or uuid[:8] or None


class OvsdbTap(FramedTap):
    """One direction of a connection between two ovsdb-servers."""

    def __init__(self, out: Output, flow: Flow, servers: _Servers, *, joined: bool) -> None:
        super().__init__(out, out.channel("peer", flow, "ovsdb"), joined=joined)
        self._servers = servers
        self.listens_at = ""

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        found = _BEGIN.search(data, place)
        return -1 if found is None else found.start()

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        if data[place] not in b"{ \n\r\t":
            raise Malformed("no JSON object")
        if not isinstance(self.resume, JsonEnd):
            self.resume = JsonEnd()
        return self.resume.feed(data, place)

    def take(self, raw: bytes, first: int, mark: int) -> int:
        """See ``FramedTap``."""
        try:
            call = orjson.loads(raw)
            method = call.get("method")
            if method == "echo" or "result" in call:
                return 0
            content = call["params"][0]
            self._know(content)
            if method not in _QUIET:
                self._message(str(method), content, raw, first, mark)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
            raise Malformed(f"no message of ovsdb-server: {error}") from error
        return 0

    def _know(self, content: dict[str, Any]) -> None:
        """Who speaks, and every address that the message tells."""
        sender, receiver = str(content.get("from", "")), str(content.get("to", ""))
        if isinstance(content.get("address"), str):
            self._servers.met(sender, content["address"])
        elif sender and self.listens_at:
            self._servers.met(sender, self.listens_at)
            self.listens_at = ""
        told = [content.get("last_servers")]
        told += [entry.get("servers") for entry in content.get("log") or () if isinstance(entry, dict)]
        for servers in told:
            for uuid, where in servers.items() if isinstance(servers, dict) else ():
                if isinstance(where, str):
                    self._servers.met(uuid, where)
        if sender:
            self.channel.source = self.peer.channel.target = self._servers.label(sender)
        if receiver:
            self.channel.target = self.peer.channel.source = self._servers.label(receiver)

    def _message(self, method: str, content: dict[str, Any], raw: bytes, first: int, mark: int) -> None:
        make = _READERS.get(method)
        if make is None:
            raise Malformed(f"no method of ovsdb-server's Raft: {method}")
        message = RaftMessage(
            self.out.now_ns, "", self.channel.source, self.channel.target, int(content.get("term") or 0), 0, 0, 0, (),
            False, 0, b"", self.channel, first, mark, len(raw), raw,
        )  # fmt: skip
        make(message, content)
        self.out.message(message)


def _append_request(message: RaftMessage, content: dict[str, Any]) -> None:
    message.index, message.log_term = int(content["prev_log_index"]), int(content["prev_log_term"])
    message.commit = int(content["leader_commit"])
    entries = []
    for place, one in enumerate(content["log"], start=message.index + 1):
        kind, data = 0, b""
        if "servers" in one:
            kind, data = 1, orjson.dumps(one["servers"], option=orjson.OPT_SORT_KEYS)
        elif "data" in one:
            data = orjson.dumps(one["data"], option=orjson.OPT_SORT_KEYS)
        elif "election_timer" in one:
            data = orjson.dumps({"election_timer": one["election_timer"]})
        entries.append(Entry(int(one["term"]), place, data, kind, _read_operations))
    message.entries = tuple(entries)
    message.kind = "MsgApp" if entries else "MsgHeartbeat"


def _append_reply(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind = "MsgAppResp"
    message.log_term = int(content.get("prev_log_term") or 0)
    message.index = int(content["prev_log_index"]) + int(content["n_entries"])
    if content["result"] != "OK":
        message.reject, message.reject_hint = True, max(0, int(content["log_end"]) - 1)


def _vote_request(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind = "MsgPreVote" if content.get("is_prevote") else "MsgVote"
    message.index, message.log_term = int(content["last_log_index"]), int(content["last_log_term"])
    if content.get("leadership_transfer"):
        message.context = b"CampaignTransfer"


def _vote_reply(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind = "MsgPreVoteResp" if content.get("is_prevote") else "MsgVoteResp"
    message.reject = content["vote"] != content["to"]  # a server that voted for another says for whom


def _snapshot(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind = "MsgSnap"
    message.snapshot_index, message.snapshot_term = int(content["last_index"]), int(content["last_term"])


def _snapshot_reply(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind = "MsgAppResp"
    message.index, message.log_term = int(content["last_index"]), int(content["last_term"])


def _become_leader(message: RaftMessage, _content: dict[str, Any]) -> None:
    message.kind = "MsgTimeoutNow"


def _proposal(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind = "MsgProp"
    data = orjson.dumps(content.get("data"), option=orjson.OPT_SORT_KEYS)
    message.entries = (Entry(0, 0, data, 0, _read_operations),)
    message.context = str(content.get("result", "")).encode()


def _proposal_reply(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind = "MsgPropResp"
    message.reject = content.get("status") != "success"
    message.commit = int(content.get("commit_index") or 0)
    message.context = str(content.get("result", "")).encode()


def _membership(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind = "MsgProp"
    data = orjson.dumps({name: content[name] for name in ("address", "sid") if name in content})
    message.entries = (Entry(0, 0, data, 1, _read_operations),)


def _membership_reply(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind = "MsgPropResp"
    message.reject = not content.get("success")


_READERS = {
    "append_request": _append_request,
    "append_reply": _append_reply,
    "vote_request": _vote_request,
    "vote_reply": _vote_reply,
    "install_snapshot_request": _snapshot,
    "install_snapshot_reply": _snapshot_reply,
    "become_leader": _become_leader,
    "execute_command_request": _proposal,
    "execute_command_reply": _proposal_reply,
    "add_server_request": _membership,
    "remove_server_request": _membership,
    "add_server_reply": _membership_reply,
    "remove_server_reply": _membership_reply,
}


def _taps(output: Output) -> PairTaps:
    servers = _Servers(output)

    def listens(tap: OvsdbTap, address: str) -> None:
        tap.listens_at = f"tcp:{address}"

    return pairs(output, lambda flow, _dials, joined: OvsdbTap(output, flow, servers, joined=joined), listens)


def _unit(data: bytes | bytearray) -> int | None:
    """See ``Codec.unit``: one JSON object, with the white space before it."""
    start = len(data) - len(data.lstrip(b" \n\r\t"))
    if start == len(data):
        return None
    if data[start] != 0x7B:
        raise Malformed("no JSON object")
    end = JsonEnd().feed(data, start)
    return None if end < 0 else end


CODEC = Codec(
    name="ovsdb",
    summary="Open vSwitch's clustered databases",
    begins=_begins,
    joins=_joins,
    taps=_taps,
    systems=("ovsdb",),
    why_not="its messages are read from the record only, not in the packets' path",
    ordered=frozenset({"peer"}),
    unit=_unit,
    forge=forge,
    forges=frozenset((*FORGED, "MsgVoteResp")),
    deviations=("no pre-vote before Open vSwitch 3.2",),
)
