"""ZooKeeper: Zab on the quorum port (QuorumPacket in Jute, Learner.java, LearnerHandler.java).

Zab is no Raft; its messages are shown under the kinds that mean the same. The epoch is the term, a zxid the index (with
the epoch in its upper half, so that no index is used twice), PROPOSAL an append, COMMIT an append without entries, ACK
its answer, PING the heartbeat, NEWLEADER the first heartbeat of a term, and ACKEPOCH the vote: a server accepts an
epoch once. What has no counterpart keeps its own name (MsgFollowerInfo, MsgLeaderInfo, MsgDiff …). Notifications of
elections belong to the group ``election``, whose terms are its rounds.

Zab relies on FIFO channels (Junqueira, Reed and Serafini 2011, section II): one message taken out of a stream is not a
fault that it claims to survive. Rules may hold or cut a direction, not lose single messages.
"""

from __future__ import annotations

import struct

from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import Codec, Output, PairTaps
from raftmon.monitor.raft.codecs.framing import MORE, FramedTap, Malformed, pairs
from raftmon.monitor.raft.codecs.zookeeper_servers import WHY_NOT, Servers, buffer_at, servers_of
from raftmon.monitor.raft.message import Entry, LoggedOperation, RaftMessage

__all__ = ["QUORUM", "QuorumTap"]

_MAX_DATA = 64 << 20
_SNAPSHOT_END = b"\x00\x00\x00\x0aBenWasHere"
_REQUEST, _PROPOSAL, _ACK, _COMMIT, _PING, _REVALIDATE, _SYNC, _INFORM, _ACTIVATE, _NEWLEADER = range(1, 11)
_FOLLOWERINFO, _UPTODATE, _DIFF, _TRUNC, _SNAP, _OBSERVERINFO, _LEADERINFO, _ACKEPOCH, _INFORM_ACTIVATE = range(11, 20)
_NAMES = {
    _FOLLOWERINFO: "MsgFollowerInfo", _OBSERVERINFO: "MsgObserverInfo", _LEADERINFO: "MsgLeaderInfo",
    _UPTODATE: "MsgUpToDate", _DIFF: "MsgDiff", _TRUNC: "MsgTrunc", _SYNC: "MsgReadIndexResp",
}  # fmt: skip
_TRANSACTIONS = {
    1: "create", 2: "delete", 5: "set_data", 7: "set_acl", 14: "txn", 15: "create", 16: "reconfig", 19: "create",
    20: "delete", 21: "create", -10: "create_session", -11: "close_session", -1: "error",
}  # fmt: skip


def _begins_quorum(start: bytes, from_start: bool) -> bool:
    """Whether a connection begins with a learner's FOLLOWERINFO or OBSERVERINFO."""
    return from_start and start[:4] in (b"\0\0\0\x0b", b"\0\0\0\x10") and start[4:5] == b"\0"


def _joins_quorum(data: bytes) -> bool:
    """Whether a segment in mid-stream begins with a whole QuorumPacket without authentication."""
    try:
        stop = _end(data, 0)
    except Malformed:
        return False
    return stop != MORE and data[stop - 4 : stop] == b"\xff\xff\xff\xff"


def _end(data: bytes | bytearray, place: int) -> int:
    """Where the QuorumPacket at ``place`` ends; MORE or Malformed."""
    if len(data) - place < 20:
        return MORE
    kind, _, size = struct.unpack_from(">iqi", data, place)
    if not _REQUEST <= kind <= _INFORM_ACTIVATE or not -1 <= size <= _MAX_DATA:
        raise Malformed("no QuorumPacket")
    at = place + 16 + max(0, size)
    if at + 4 > len(data):
        return MORE
    (count,) = struct.unpack_from(">i", data, at)
    at += 4
    if not -1 <= count <= 100:
        raise Malformed("no QuorumPacket")
    for _ in range(2 * max(0, count)):
        if at + 4 > len(data):
            return MORE
        (size,) = struct.unpack_from(">i", data, at)
        if not -1 <= size <= 1 << 20:
            raise Malformed("no QuorumPacket")
        at += 4 + max(0, size)
    return at if at <= len(data) else MORE


def _unit(data: bytes | bytearray) -> int | None:
    """See ``Codec.unit``: a QuorumPacket, and behind a SNAP the snapshot."""
    end = _end(data, 0)
    if end == MORE:
        return None
    if int.from_bytes(data[:4], "big") != _SNAP:
        return end
    found = data.find(_SNAPSHOT_END, end)
    return None if found < 0 else found + len(_SNAPSHOT_END)


_FIFO = "Zab relies on FIFO channels, so one message that is {} is not a fault that it claims to survive"


def _read_operations(kind: int, data: bytes) -> tuple[LoggedOperation, ...]:
    """What a transaction does (TxnHeader, then the transaction); of a request only that it is one."""
    if kind or len(data) < 32:
        return (LoggedOperation("request", value=data),)
    (code,) = struct.unpack_from(">i", data, 28)
    name = _TRANSACTIONS.get(code, f"txn_{code}")
    if code in (1, 2, 5, 15, 19, 20, 21):
        path, at = buffer_at(data, 32)
        value, _ = buffer_at(data, at) if name in ("create", "set_data") else (b"", at)
        return (LoggedOperation(name, path, value),)
    return (LoggedOperation(name, value=data[32:]),)


class QuorumTap(FramedTap):
    """One direction between a learner (who dials) and the leader."""

    def __init__(self, out: Output, flow: Flow, servers: Servers, *, leads: bool, joined: bool) -> None:
        super().__init__(out, out.channel("peer", flow, "zookeeper"), joined=joined)
        self._servers = servers
        self.epoch = 0
        self._leads = leads
        self._committed = 0
        self._in_snapshot = False

    def lost(self) -> None:
        """See ``FramedTap``."""
        self._in_snapshot = False

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``: packets begin where segments do."""
        return place if _joins_quorum(bytes(data[place : place + 70_000])) else -1

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``; of a snapshot's contents whatever has come."""
        if not self._in_snapshot:
            return _end(data, place)
        found = data.find(_SNAPSHOT_END, place)
        if found >= 0:
            return found + len(_SNAPSHOT_END)
        rest = len(data) - (len(_SNAPSHOT_END) - 1)
        return rest if rest > place else MORE

    def take(self, raw: bytes, first: int, mark: int) -> int:
        """See ``FramedTap``."""
        if self._in_snapshot:
            self._in_snapshot = not raw.endswith(_SNAPSHOT_END)
            return 0
        kind, zxid, size = struct.unpack_from(">iqi", raw)
        content = raw[16 : 16 + max(0, size)]
        if kind in (_PROPOSAL, _COMMIT, _NEWLEADER, _UPTODATE, _DIFF, _TRUNC, _SNAP, _LEADERINFO, _INFORM):
            self._leads, self.peer._leads = True, False
        elif kind in (_ACK, _FOLLOWERINFO, _OBSERVERINFO, _ACKEPOCH, _REQUEST):
            self._leads, self.peer._leads = False, True
        if kind in (_LEADERINFO, _NEWLEADER):
            self.epoch = self.peer.epoch = (zxid >> 32) & 0x7FFFFFFF
        elif not self.epoch and kind in (_PROPOSAL, _COMMIT, _PING) and zxid > 0:  # joined in mid-stream
            self.epoch = self.peer.epoch = zxid >> 32
        message = self.message("", self.epoch, first, mark, raw)
        self._fill(message, kind, zxid, content)
        message.source, message.target = self.channel.source, self.channel.target
        self.out.message(message)
        return 0

    def _fill(self, message: RaftMessage, kind: int, zxid: int, content: bytes) -> None:
        counted = zxid if zxid > 0 else 0
        if kind in (_PROPOSAL, _INFORM, _INFORM_ACTIVATE):
            if kind == _INFORM_ACTIVATE:
                content = content[8:]
            message.kind, message.log_term = "MsgApp", counted >> 32  # index 0: what is before it is not said
            message.entries = (Entry(counted >> 32, counted, content, 0, _read_operations),)
            self._committed = max(self._committed, counted if kind != _PROPOSAL else 0)
            message.commit = self._committed
        elif kind in (_COMMIT, _ACTIVATE):
            self._committed = max(self._committed, counted)
            message.kind, message.commit = "MsgApp", self._committed
        elif kind == _ACK:
            message.kind, message.index = "MsgAppResp", counted
        elif kind == _PING:
            message.kind = "MsgHeartbeat" if self._leads else "MsgHeartbeatResp"
            message.index = counted
        elif kind == _NEWLEADER:
            message.kind, message.index = "MsgHeartbeat", counted
            self._servers.configuration(content)
        elif kind == _SNAP:
            message.kind, message.snapshot_index, message.snapshot_term = "MsgSnap", counted, counted >> 32
            self._in_snapshot = True
        elif kind == _ACKEPOCH:
            message.kind, message.index = "MsgVoteResp", counted
            if content[:4] == b"\xff\xff\xff\xff":  # it has accepted this epoch before
                message.kind = "MsgAckEpoch"
        elif kind in (_REQUEST, _REVALIDATE):
            message.kind = "MsgPropResp" if self._leads else "MsgProp"
            message.term = 0
            message.entries = () if self._leads else (Entry(0, 0, content, 1, _read_operations),)
        else:
            message.kind, message.index = _NAMES[kind], counted
            if kind in (_FOLLOWERINFO, _OBSERVERINFO):
                message.term = 0
                if len(content) >= 8:
                    self.channel.source = self._servers.label(int.from_bytes(content[:8], "big", signed=True))
                    self.peer.channel.target = self.channel.source


def _taps(output: Output) -> PairTaps:
    servers = servers_of(output)
    return pairs(output, lambda flow, dials, joined: QuorumTap(output, flow, servers, leads=not dials, joined=joined))


QUORUM = Codec(
    name="zookeeper",
    summary="ZooKeeper's Zab, on the quorum port",
    begins=_begins_quorum,
    joins=_joins_quorum,
    taps=_taps,
    systems=("zookeeper",),
    why_not=WHY_NOT,
    unit=_unit,
    unit_begins=_joins_quorum,
    in_order=True,
    refuses={
        "drop": _FIFO.format("lost"),
        "duplicate": _FIFO.format("doubled"),
        "replay": _FIFO.format("sent again"),
        "forge": _FIFO.format("forged"),
    },
    ordered=frozenset({"peer"}),
    deviations=("Zab: the epoch is the term, accepting an epoch is the vote, a zxid the index",),
)
