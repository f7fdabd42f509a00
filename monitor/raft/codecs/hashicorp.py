"""hashicorp/raft's network transport (net_transport.go): what Consul, Nomad, Vault and rqlite speak.

A request is one byte of type and a MessagePack map; answers come on the same connection in the order of the requests:
a text (the error, empty if none) and a map. After the map of an InstallSnapshot come the ``Size`` bytes it announces.
An answer to an append does not say what it answers, so its index is the request's.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any

from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import Codec, Output, PairTaps
from raftmon.monitor.raft.codecs.framing import FramedTap, Malformed, pairs
from raftmon.monitor.raft.codecs.msgpack import MsgpackEnd, load
from raftmon.monitor.raft.message import Entry, LoggedOperation, RaftMessage

__all__ = ["CODEC", "HashicorpTap"]

_KEYS = rb"Addr|ID|Entries|Candidate|Configuration|ProtocolVersion|Term|LastLogIndex|Leader|PrevLogEntry"
_BEGIN = re.compile(rb"[\x00-\x04][\x81-\x8f][\xa2-\xbf](?:" + _KEYS + rb")")
_START = re.compile(rb"[\x00-\x04][\x81-\x8f][\xa2-\xbf][A-Z][A-Za-z]{2}")
_ANSWER = re.compile(
    rb"(?:\xa0|[\xa1-\xbf][^\x00-\x1f]{1,31})[\x81-\x8f][\xa2-\xbf]"
    rb"(?:Granted|LastLog|Success|Addr|ID|Peers|ProtocolVersion)"
)
_MAX_WAITING = 4096
_ENTRY_NAMES = {0: "command", 1: "noop", 2: "conf_change", 3: "conf_change", 4: "barrier", 5: "conf_change"}
_APPEND, _VOTE, _SNAPSHOT, _TIMEOUT_NOW, _PRE_VOTE = range(5)


def _begins(start: bytes, _from_start: bool) -> bool:
    """Whether these are a request of hashicorp/raft: its type, and the map's first key."""
    return _START.match(start) is not None


def _joins(segment: bytes) -> bool:
    return _BEGIN.search(segment) is not None or _ANSWER.search(segment) is not None


def _read_operations(kind: int, data: bytes) -> tuple[LoggedOperation, ...]:
    return (LoggedOperation(_ENTRY_NAMES.get(kind, f"entry_{kind}"), value=data),)


def _number(content: dict[bytes, Any], name: bytes) -> int:
    value = content.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or value < 0:
        raise Malformed(f"{name.decode()} is no number")
    return int(value)


class HashicorpTap(FramedTap):
    """One direction of a connection: requests from its dialer, or the answers to them."""

    def __init__(self, out: Output, flow: Flow, *, asks: bool, joined: bool) -> None:
        super().__init__(out, out.channel("peer", flow, "hashicorp-raft"), joined=joined)
        self.asks = asks
        self.waiting: deque[tuple[int, int]] = deque()  # type and index of requests without an answer
        self.paired = not joined
        self._flow = flow

    def lost(self) -> None:
        """See ``FramedTap``: which answer belongs to which request cannot be said any more."""
        for side in (self, self.peer):
            side.paired = False
            side.waiting.clear()

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``; of a connection joined in mid-stream the bytes tell which side asks."""
        asked, answered = _BEGIN.search(data, place), _ANSWER.search(data, place)
        if asked is not None and (answered is None or asked.start() <= answered.start()):
            found, asks = asked, True
        elif answered is not None:
            found, asks = answered, False
        else:
            return -1
        if not self.channel.source:
            self.asks, self.peer.asks = asks, not asks
            listener = self.peer if asks else self
            name = self.out.directory.party(f"{listener._flow.source}:{listener._flow.source_port}")
            listener.channel.source = listener.peer.channel.target = name
        return found.start()

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        if not isinstance(self.resume, MsgpackEnd):
            if self.asks and data[place] > _PRE_VOTE:
                raise Malformed("no type of a request of hashicorp/raft")
            self.resume = MsgpackEnd(skip=1) if self.asks else MsgpackEnd(values=2)
        return self.resume.feed(data, place)

    def take(self, raw: bytes, first: int, mark: int) -> int:
        """See ``FramedTap``."""
        if not self.asks:
            self._answer(raw, first, mark)
            return 0
        content, _ = load(raw, 1)
        if not isinstance(content, dict):
            raise Malformed("a request that is no map")
        kind = raw[0]
        if kind >= len(_REQUESTS):  # a message of the other direction's form may have begun before the roles were known
            raise Malformed("no type of a request of hashicorp/raft")
        self._speaks(content)
        message = self.message("", _number(content, b"Term"), first, mark, raw)
        _REQUESTS[kind](message, content)
        if len(self.waiting) < _MAX_WAITING and self.paired:
            last = message.entries[-1].index if message.entries else message.index
            if kind == _APPEND and message.kind == "MsgHeartbeat":
                last = -1
            self.waiting.append((kind, message.snapshot_index or last))
        self.out.message(message)
        return _number(content, b"Size") if kind == _SNAPSHOT else 0

    def _speaks(self, content: dict[bytes, Any]) -> None:
        told = content.get(b"Leader") or content.get(b"Candidate") or content.get(b"Addr")
        if isinstance(told, bytes) and told:
            address = told[:200].decode("utf-8", "replace")
            self.channel.source = self.peer.channel.target = self.out.directory.claimed(address, self._flow.source)

    def _answer(self, raw: bytes, first: int, mark: int) -> None:
        error, at = load(raw)
        content, _ = load(raw, at)
        asked = self.peer.waiting.popleft() if self.peer.waiting else None
        if not isinstance(error, bytes):
            raise Malformed("an answer without a text")
        if error or not isinstance(content, dict):
            content = {}
        message = self.message("", _number(content, b"Term"), first, mark, raw)
        message.context = error
        kind = asked[0] if asked is not None else _kind_of(content)
        if kind in (_VOTE, _PRE_VOTE):
            message.kind = "MsgVoteResp" if kind == _VOTE else "MsgPreVoteResp"
            message.reject = not content.get(b"Granted")
        elif kind == _TIMEOUT_NOW:
            message.kind = "MsgTimeoutNowResp"
            message.reject = bool(error)
        else:
            message.kind = "MsgAppResp"
            message.reject = not content.get(b"Success")
            message.reject_hint = _number(content, b"LastLog") if message.reject else 0
            if asked is not None and asked[1] < 0:
                message.kind = "MsgHeartbeatResp"
            elif asked is not None:
                message.index = asked[1]
        self.out.message(message)


def _kind_of(content: dict[bytes, Any]) -> int:
    if b"Granted" in content:
        return _VOTE
    return _APPEND if b"Success" in content else _TIMEOUT_NOW


def _append(message: RaftMessage, content: dict[bytes, Any]) -> None:
    message.index, message.log_term = _number(content, b"PrevLogEntry"), _number(content, b"PrevLogTerm")
    message.commit = _number(content, b"LeaderCommitIndex")
    entries = []
    listed = content.get(b"Entries") or []
    if not isinstance(listed, list):
        raise Malformed("entries that are no list")
    for one in listed:
        if not isinstance(one, dict):
            raise Malformed("an entry that is no map")
        data = one.get(b"Data") or b""
        if not isinstance(data, bytes):
            raise Malformed("an entry whose data are no bytes")
        entries.append(
            Entry(_number(one, b"Term"), _number(one, b"Index"), data, _number(one, b"Type"), _read_operations)
        )
    message.entries = tuple(entries)
    message.kind = "MsgApp" if entries or message.index else "MsgHeartbeat"


def _vote(message: RaftMessage, content: dict[bytes, Any]) -> None:
    message.kind = "MsgVote"
    message.index, message.log_term = _number(content, b"LastLogIndex"), _number(content, b"LastLogTerm")
    if content.get(b"LeadershipTransfer"):
        message.context = b"CampaignTransfer"


def _pre_vote(message: RaftMessage, content: dict[bytes, Any]) -> None:
    _vote(message, content)
    message.kind = "MsgPreVote"


def _snapshot(message: RaftMessage, content: dict[bytes, Any]) -> None:
    message.kind = "MsgSnap"
    message.snapshot_index = _number(content, b"LastLogIndex")
    message.snapshot_term = _number(content, b"LastLogTerm")


def _timeout_now(message: RaftMessage, _content: dict[bytes, Any]) -> None:
    message.kind = "MsgTimeoutNow"


_REQUESTS = (_append, _vote, _snapshot, _timeout_now, _pre_vote)


def _is_request(unit: bytes | bytearray) -> bool:
    return unit[0] <= _PRE_VOTE


def _unit(data: bytes | bytearray) -> int | None:
    """See ``Codec.unit``: a request with what follows it, or an answer."""
    if _is_request(data):
        end = MsgpackEnd(skip=1).feed(data, 0)
        if end < 0 or data[0] != _SNAPSHOT:
            return None if end < 0 else end
        content, _ = load(bytes(data[:end]), 1)
        return end + (_number(content, b"Size") if isinstance(content, dict) else 0)
    if not 0xA0 <= data[0] <= 0xBF and data[0] not in (0xD9, 0xDA):
        raise Malformed("neither a request nor an answer of hashicorp/raft")
    end = MsgpackEnd(values=2).feed(data, 0)
    return None if end < 0 else end


def _unit_begins(segment: bytes) -> bool:
    return _START.match(segment) is not None or _ANSWER.match(segment) is not None


_IN_ORDER = "answers come in the order of the requests"
_REFUSALS = {b"Term": b"\x00", b"Granted": b"\xc2", b"Success": b"\xc2"}


def _instead_of(unit: bytes) -> bytes | None:
    """See ``Codec.instead_of``: the peer waits for an answer, so a lost request becomes one of term 0, which is refused
    as stale, and a lost answer becomes a refusal.
    """
    asks = _is_request(unit)
    at = 1 if asks else load(unit)[1]
    if not 0x80 <= unit[at] <= 0x8F:
        return None  # an answer that is an error: it is a refusal already
    # A TimeoutNow bears no term: read as an append it has term 0.
    out = bytearray(b"\x00" + unit[1 : at + 1] if unit[0] == _TIMEOUT_NOW and asks else unit[: at + 1])
    at += 1
    for _ in range(unit[len(out) - 1] & 15):
        key, value_at = load(unit, at)
        if not isinstance(key, bytes):
            raise Malformed("a map whose keys are no texts")
        _, end = load(unit, value_at)
        harmless = _REFUSALS.get(key) if asks == (key == b"Term") else None
        out += unit[at:value_at] + (harmless or unit[value_at:end])
        at = end
    return bytes(out + unit[at:])


def _taps(output: Output) -> PairTaps:
    return pairs(output, lambda flow, dials, joined: HashicorpTap(output, flow, asks=dials, joined=joined))


CODEC = Codec(
    name="hashicorp-raft",
    summary="hashicorp/raft: Consul, Nomad, Vault, rqlite",
    begins=_begins,
    joins=_joins,
    taps=_taps,
    systems=("hashicorp-raft",),
    why_not="its messages are cut out of their streams, not changed in place",
    unit=_unit,
    unit_begins=_unit_begins,
    in_order=True,
    instead_of=_instead_of,
    refuses={
        "duplicate": f"{_IN_ORDER}, so a copy would be answered in another's place",
        "replay": f"{_IN_ORDER}, so an old message would be answered in another's place",
        "forge": f"{_IN_ORDER}, so a forged message would be answered in another's place",
    },
    ordered=frozenset({"peer"}),
    deviations=(
        "votes are refused while a leader is known, unless leadership is transferred",
        "no pre-vote before 1.7",
    ),
)
