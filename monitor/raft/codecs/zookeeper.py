"""ZooKeeper: Zab on the quorum port (QuorumPacket in Jute, Learner.java, LearnerHandler.java) and leader election.

Zab is no Raft; its messages are shown under the kinds that mean the same. The epoch is the term, a zxid the index (with
the epoch in its upper half, so that no index is used twice), PROPOSAL an append, COMMIT an append without entries, ACK
its answer, PING the heartbeat, NEWLEADER the first heartbeat of a term, and ACKEPOCH the vote: a server accepts an
epoch once. What has no counterpart keeps its own name (MsgFollowerInfo, MsgLeaderInfo, MsgDiff …). Notifications of
elections belong to the group ``election``, whose terms are its rounds.

Zab relies on FIFO channels (Junqueira, Reed and Serafini 2011, section II): one message taken out of a stream is not a
fault that it claims to survive. Rules may hold or cut a direction, not lose single messages.
"""

from __future__ import annotations

import re
import struct
from weakref import WeakKeyDictionary

from raftmon.monitor.packets.tcp_table import Consumer, Flow
from raftmon.monitor.raft.codecs.base import Codec, Output, PairTaps
from raftmon.monitor.raft.codecs.framing import MORE, FramedTap, Malformed
from raftmon.monitor.raft.message import Entry, LoggedOperation, RaftMessage

__all__ = ["ELECTION", "QUORUM", "ElectionTap", "QuorumTap"]

_HELLO = (b"\xff\xff\xff\xff\xff\xff\x00\x00", b"\xff\xff\xff\xff\xff\xff\x00\x01")  # -65536 and -65535
_MAX_DATA = 64 << 20
_MAX_SERVERS = 4096
_SNAPSHOT_END = b"\x00\x00\x00\x0aBenWasHere"
_SERVER = re.compile(rb"server\.(\d{1,19})=([^\s;]{1,200}?):(\d{1,5}):(\d{1,5})")
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
_STATES = ("looking", "following", "leading", "observing")


def _begins_election(start: bytes, from_start: bool) -> bool:
    """Whether a connection begins with the greeting of the election port."""
    return from_start and start[:8] in _HELLO


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


def _buffer(data: bytes, at: int) -> tuple[bytes, int]:
    if at + 4 > len(data):
        return b"", at
    (size,) = struct.unpack_from(">i", data, at)
    return (data[at + 4 : at + 4 + size], at + 4 + size) if 0 <= size <= len(data) else (b"", at + 4)


def _read_operations(kind: int, data: bytes) -> tuple[LoggedOperation, ...]:
    """What a transaction does (TxnHeader, then the transaction); of a request only that it is one."""
    if kind or len(data) < 32:
        return (LoggedOperation("request", value=data),)
    (code,) = struct.unpack_from(">i", data, 28)
    name = _TRANSACTIONS.get(code, f"txn_{code}")
    if code in (1, 2, 5, 15, 19, 20, 21):
        path, at = _buffer(data, 32)
        value, _ = _buffer(data, at) if name in ("create", "set_data") else (b"", at)
        return (LoggedOperation(name, path, value),)
    return (LoggedOperation(name, value=data[32:]),)


class _Servers:
    """Server number -> label, for one capture: from configurations and greetings."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._labels: dict[int, str] = {}

    def met(self, number: int, address: str) -> None:
        if 0 < number < 1 << 63 and address and len(self._labels) < _MAX_SERVERS:
            name = self._out.directory.party(address)
            self._labels[number] = name
            self._out.directory.renamed[f"server.{number}"] = name

    def configuration(self, text: bytes) -> None:
        for number, host, port, _ in _SERVER.findall(text[:65_536]):
            if int(number) not in self._labels:
                self.met(int(number), f"{host.decode('utf-8', 'replace')}:{int(port)}")

    def label(self, number: int) -> str:
        return self._labels.get(number) or f"server.{number}"


class _Tap(FramedTap):
    def __init__(self, out: Output, flow: Flow, servers: _Servers, codec: str, name: str, *, joined: bool) -> None:
        super().__init__(out, out.channel(name, flow, codec), joined=joined)
        self.servers = servers

    @staticmethod
    def common(out: Output) -> object:
        """What the connections of one capture share."""
        return _Servers(out)

    def make(self, kind: str, term: int, first: int, mark: int, raw: bytes) -> RaftMessage:
        return RaftMessage(
            self.out.now_ns, kind, self.channel.source, self.channel.target, term, 0, 0, 0, (), False, 0, b"",
            self.channel, first, mark, len(raw), raw,
        )  # fmt: skip


class QuorumTap(_Tap):
    """One direction between a learner (who dials) and the leader."""

    def __init__(self, out: Output, flow: Flow, servers: _Servers, *, leads: bool, joined: bool) -> None:
        super().__init__(out, flow, servers, "zookeeper", "peer", joined=joined)
        self.peer: QuorumTap = self
        self.epoch = 0
        self._leads = leads
        self._committed = 0
        self._in_snapshot = False

    @classmethod
    def pair(
        cls, out: Output, client: Flow, server: Flow, *, joined: bool, shared: object
    ) -> tuple[Consumer, Consumer]:
        """The taps of both directions; ``shared`` is ``common()`` of the capture."""
        assert isinstance(shared, _Servers)
        one = cls(out, client, shared, leads=False, joined=joined)
        two = cls(out, server, shared, leads=True, joined=joined)
        one.peer, two.peer = two, one
        if not joined:
            name = out.directory.party(f"{server.source}:{server.source_port}")
            two.channel.source = one.channel.target = name
        return one, two

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
        message = self.make("", self.epoch, first, mark, raw)
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
            self.servers.configuration(content)
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
                    self.channel.source = self.servers.label(int.from_bytes(content[:8], "big", signed=True))
                    self.peer.channel.target = self.channel.source


class ElectionTap(_Tap):
    """One direction of a connection on the election port."""

    def __init__(self, out: Output, flow: Flow, servers: _Servers, *, dials: bool, joined: bool) -> None:
        super().__init__(out, flow, servers, "zookeeper-election", "election", joined=joined)
        self.peer: ElectionTap = self
        self._greets = dials and not joined

    @classmethod
    def pair(
        cls, out: Output, client: Flow, server: Flow, *, joined: bool, shared: object
    ) -> tuple[Consumer, Consumer]:
        """The taps of both directions; ``shared`` is ``common()`` of the capture."""
        assert isinstance(shared, _Servers)
        one = cls(out, client, shared, dials=True, joined=joined)
        two = cls(out, server, shared, dials=False, joined=joined)
        one.peer, two.peer = two, one
        if not joined:
            name = out.directory.party(f"{server.source}:{server.source_port}")
            two.channel.source = one.channel.target = name
        return one, two

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``: notifications begin where segments do."""
        size = int.from_bytes(data[place : place + 4], "big")
        return place if 28 <= size <= 65_536 and data[place + 4 : place + 7] == b"\0\0\0" else -1

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        have = len(data) - place
        if self._greets:
            if have < 20:
                return MORE
            size = int.from_bytes(data[place + 16 : place + 20], "big")
            if size > 4096:
                raise Malformed("no greeting of the election port")
            return place + 20 + size if have >= 20 + size else MORE
        if have < 4:
            return MORE
        size = int.from_bytes(data[place : place + 4], "big")
        if not 28 <= size <= 1 << 20:
            raise Malformed("no notification")
        return place + 4 + size if have >= 4 + size else MORE

    def take(self, raw: bytes, first: int, mark: int) -> int:
        """See ``FramedTap``."""
        if self._greets:
            self._greets = False
            number = int.from_bytes(raw[8:16], "big", signed=True)
            addresses = raw[20:].decode("utf-8", "replace").split("|")
            self.servers.met(number, addresses[0])
            self.channel.source = self.peer.channel.target = self.servers.label(number)
            return 0
        state, leader, zxid, round_, epoch = struct.unpack_from(">iqqqq", raw + bytes(8), 4)
        if not 0 <= state <= 3:
            raise Malformed("a server in no state")
        if len(raw) > 48:
            self.servers.configuration(_buffer(raw, 44)[0])
        looking = state == 0
        message = self.make("MsgVote" if looking else "MsgNotification", round_ if looking else 0, first, mark, raw)
        message.group = "election"
        message.index = max(0, zxid) if looking else 0
        message.log_term = max(0, zxid) >> 32 if looking else 0
        chosen = self.servers.label(leader)
        message.context = f"{_STATES[state]}, for {chosen}".encode()
        message.extra = {"state": _STATES[state], "leader": chosen, "round": round_, "epoch": epoch, "zxid": zxid}
        self.out.message(message)
        return 0


_SHARED: WeakKeyDictionary[Output, _Servers] = WeakKeyDictionary()


def _servers(output: Output) -> _Servers:
    """What both protocols of one capture know together."""
    return _SHARED.setdefault(output, _Servers(output))


def _quorum_taps(output: Output) -> PairTaps:
    servers = _servers(output)

    def pair(client: Flow, server: Flow, *, joined: bool) -> tuple[Consumer, Consumer]:
        return QuorumTap.pair(output, client, server, joined=joined, shared=servers)

    return pair


def _election_taps(output: Output) -> PairTaps:
    servers = _servers(output)

    def pair(client: Flow, server: Flow, *, joined: bool) -> tuple[Consumer, Consumer]:
        return ElectionTap.pair(output, client, server, joined=joined, shared=servers)

    return pair


_WHY_NOT = "Zab relies on FIFO channels: losing one message of a stream is no fault that it claims to survive"

QUORUM = Codec(
    name="zookeeper",
    summary="ZooKeeper's Zab, on the quorum port",
    begins=_begins_quorum,
    joins=_joins_quorum,
    taps=_quorum_taps,
    systems=("zookeeper",),
    why_not=_WHY_NOT,
    ordered=frozenset({"peer"}),
    deviations=("Zab: the epoch is the term, accepting an epoch is the vote, a zxid the index",),
)

ELECTION = Codec(
    name="zookeeper-election",
    summary="ZooKeeper's leader election, on the election port",
    begins=_begins_election,
    taps=_election_taps,
    why_not=_WHY_NOT,
    deviations=("a server changes its vote as it learns of better candidates, so votes of one round may differ",),
)
