"""dqlite's Raft (libraft's uv_encoding.c): 8-byte little-endian words, type and header size first, then the payload.

A connection begins with the protocol's version and one request of dqlite; where that is CONNECT, it carries Raft
messages from its dialer from then on. Answers travel on the connection that was dialled the other way. Connections of
clients use the same port: their bytes are counted as foreign.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import Codec, Output, PairTaps
from raftmon.monitor.raft.codecs.framing import MORE, FramedTap, Malformed, pairs
from raftmon.monitor.raft.message import Entry, LoggedOperation, RaftMessage

__all__ = ["CODEC", "DqliteTap"]

_VERSION = struct.pack("<Q", 1)
_CONNECT = 11
_APPEND, _APPEND_RESULT, _VOTE, _VOTE_RESULT, _SNAPSHOT, _TIMEOUT_NOW = range(1, 7)
_MAX_HEADER = 16 << 20
# type -> sizes of the header (the smallest, the largest): fields were added at the end
_HEADERS = {
    _APPEND: (40, _MAX_HEADER), _APPEND_RESULT: (16, 64), _VOTE: (32, 64), _VOTE_RESULT: (16, 64),
    _SNAPSHOT: (48, _MAX_HEADER), _TIMEOUT_NOW: (24, 64),
}  # fmt: skip
_ENTRY_NAMES = {1: "command", 2: "barrier", 3: "conf_change"}


def _begins(start: bytes, from_start: bool) -> bool:
    """Whether a connection begins with the version of dqlite's protocol."""
    return from_start and start[:8] == _VERSION


def _unit_begins(segment: bytes) -> bool:
    return _plausible(segment, 0)


def _unit(data: bytes | bytearray) -> int | None:
    """See ``Codec.unit``: a message with its payload, or what a connection between nodes begins with."""
    if len(data) < 16:
        return None
    kind, size = struct.unpack_from("<QQ", data)
    if kind == 1 and size >= 1 << 32:  # the version, then the header of a request: its size in words, its type
        if data[12] != _CONNECT:
            raise Malformed("a client's connection")
        return 16 + 8 * int.from_bytes(data[8:12], "little")
    low, high = _HEADERS.get(kind, (1, 0))
    if not low <= size <= high or size % 8:
        raise Malformed("no message of libraft")
    stop = 16 + size
    if kind not in (_APPEND, _SNAPSHOT):
        return int(stop)
    if len(data) < stop:
        return None
    if kind == _SNAPSHOT:
        at = 56 + int.from_bytes(data[48:56], "little")
        return int(stop + int.from_bytes(data[at + -at % 8 : at + -at % 8 + 8], "little"))
    count = int.from_bytes(data[48:56], "little")
    if 40 + 16 * count > size:
        raise Malformed("more entries than the header holds")
    heads = range(56, 56 + 16 * count, 16)
    return int(stop + sum(int.from_bytes(data[at + 12 : at + 16], "little") for at in heads))


_FORGED = {
    "MsgVote": (_VOTE, ("term", "", "index", "log_term", "")),
    "MsgVoteResp": (_VOTE_RESULT, ("term", "grant", "")),
    "MsgTimeoutNow": (_TIMEOUT_NOW, ("term", "index", "log_term")),
    "MsgHeartbeat": (_APPEND, ("term", "index", "log_term", "commit", "", "")),
    "MsgAppResp": (_APPEND_RESULT, ("term", "", "index")),
}


def _forge(kind: str, fields: Mapping[str, int], _like: bytes) -> bytes:
    """See ``Codec.forge``; a vote is granted unless it is rejected."""
    if kind not in _FORGED:
        raise Malformed(f"of dqlite {', '.join(_FORGED)} can be forged")
    number, names = _FORGED[kind]
    values = {**fields, "grant": not fields["reject"]}
    words = [int(values.get(name, 0)) for name in names]
    return struct.pack(f"<{2 + len(words)}Q", number, 8 * len(words), *words)


def _joins(segment: bytes) -> bool:
    return _plausible(segment, 0)


def _plausible(data: bytes | bytearray, place: int) -> bool:
    if len(data) - place < 24:
        return False
    kind, size = struct.unpack_from("<QQ", data, place)
    low, high = _HEADERS.get(kind, (1, 0))
    return bool(low <= size <= high and size % 8 == 0)


def _read_operations(kind: int, data: bytes) -> tuple[LoggedOperation, ...]:
    """A command's second byte says what it is: open, frames, undo, checkpoint (dqlite's command.h)."""
    if kind != 1 or len(data) < 2:
        return (LoggedOperation(_ENTRY_NAMES.get(kind, f"entry_{kind}"), value=data),)
    names = {1: "open", 2: "frames", 3: "undo", 4: "checkpoint"}
    key = data[8:].split(b"\0", 1)[0][:100]
    return (LoggedOperation(names.get(data[1], "command"), key, data),)


class DqliteTap(FramedTap):
    """One direction of a connection between two nodes, or of a client's."""

    def __init__(self, out: Output, flow: Flow, *, dials: bool, joined: bool) -> None:
        super().__init__(out, out.channel("peer", flow, "dqlite"), joined=joined)
        self._flow = flow
        self._dials = dials
        self._begun = joined
        self._foreign = False

    def data(self, payload: bytes, mark: int) -> None:
        """See ``Consumer.data``."""
        if self._foreign or (not self._dials and not self.joining):
            self.out.taps.foreign += len(payload)  # a listener says nothing on a connection of Raft
            return
        super().data(payload, mark)

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``: messages begin at multiples of 8, and mostly where a segment does."""
        for at in range(place, min(len(data), place + 4096), 8):
            if _plausible(data, at):
                return at
        return -1

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        have = len(data) - place
        if not self._begun:
            if have < 16:
                return MORE
            if data[place : place + 8] != _VERSION:
                raise Malformed("another version of dqlite's protocol")
            stop = place + 16 + 8 * int.from_bytes(data[place + 8 : place + 12], "little")
            if data[place + 12] != _CONNECT:
                stop = len(data)  # a client
            return stop if stop <= len(data) else MORE
        if have < 16:
            return MORE
        kind, size = struct.unpack_from("<QQ", data, place)
        low, high = _HEADERS.get(kind, (1, 0))
        if not low <= size <= high or size % 8:
            raise Malformed("no message of libraft")
        if have < 16 + size:
            return MORE
        stop = place + 16 + size
        if kind == _APPEND:
            count = int.from_bytes(data[place + 48 : place + 56], "little")
            if 40 + 16 * count > size:
                raise Malformed("more entries than the header holds")
            heads = range(place + 56, place + 56 + 16 * count, 16)
            stop += sum(int.from_bytes(data[at + 12 : at + 16], "little") for at in heads)
        if stop - place > self.max_message:
            raise Malformed("a message beyond all bounds")
        return stop if stop <= len(data) else MORE

    def take(self, raw: bytes, first: int, mark: int) -> int:
        """See ``FramedTap``."""
        if not self._begun:
            self._begin(raw)
            return 0
        kind, size = struct.unpack_from("<QQ", raw)
        fields = struct.unpack_from(f"<{min(size // 8, 8)}Q", raw, 16)
        message = self.message("", fields[0], first, mark, raw)
        follows = _READERS[kind](message, fields, raw)
        self.out.message(message)
        return follows

    def _begin(self, raw: bytes) -> None:
        """The first request: CONNECT with the dialer's id and address, or a client's."""
        self._begun = True
        if raw[12] != _CONNECT or len(raw) < 32:
            self._foreign = self.peer._foreign = True
            self.out.taps.foreign += len(raw)
            return
        address = raw[24:].split(b"\0", 1)[0].decode("utf-8", "replace")[:200]
        self.channel.source = self.peer.channel.target = self.out.directory.claimed(address, self._flow.source)


def _append(message: RaftMessage, fields: tuple[int, ...], raw: bytes) -> int:
    _, message.index, message.log_term, message.commit, count = fields[:5]
    place = 16 + int.from_bytes(raw[8:16], "little")
    entries = []
    for number in range(count):
        at = 56 + 16 * number
        term, size = int.from_bytes(raw[at : at + 8], "little"), int.from_bytes(raw[at + 12 : at + 16], "little")
        data = raw[place : place + size]
        entries.append(Entry(term, message.index + 1 + number, data, raw[at + 8], _read_operations))
        place += size
    message.entries = tuple(entries)
    message.kind = "MsgApp" if entries else "MsgHeartbeat"
    return 0


def _append_result(message: RaftMessage, fields: tuple[int, ...], _raw: bytes) -> int:
    message.kind = "MsgAppResp"
    rejected = fields[1]
    last = fields[2] if len(fields) > 2 else 0
    message.reject = rejected > 0
    message.index, message.reject_hint = (rejected, last) if rejected else (last, 0)
    return 0


def _vote(message: RaftMessage, fields: tuple[int, ...], _raw: bytes) -> int:
    flags = fields[4] if len(fields) > 4 else 0
    message.kind = "MsgPreVote" if flags & 2 else "MsgVote"
    message.index, message.log_term = fields[2], fields[3]
    if flags & 1:
        message.context = b"CampaignTransfer"
    return 0


def _vote_result(message: RaftMessage, fields: tuple[int, ...], _raw: bytes) -> int:
    flags = fields[2] if len(fields) > 2 else 0
    message.kind = "MsgPreVoteResp" if flags & 1 else "MsgVoteResp"
    message.reject = fields[1] != 1
    if flags & 1:  # granted or not, it repeats the term that was asked about, not the voter's own
        message.extra = {"request_term": True}
    return 0


def _snapshot(message: RaftMessage, fields: tuple[int, ...], raw: bytes) -> int:
    message.kind = "MsgSnap"
    message.snapshot_index, message.snapshot_term = fields[1], fields[2]
    at = 16 + 8 * 5 + fields[4]  # behind the configuration
    at += -at % 8
    return int.from_bytes(raw[at : at + 8], "little") if at + 8 <= len(raw) else 0


def _timeout_now(message: RaftMessage, fields: tuple[int, ...], _raw: bytes) -> int:
    message.kind = "MsgTimeoutNow"
    message.index, message.log_term = fields[1], fields[2]
    return 0


_READERS = {
    _APPEND: _append, _APPEND_RESULT: _append_result, _VOTE: _vote, _VOTE_RESULT: _vote_result, _SNAPSHOT: _snapshot,
    _TIMEOUT_NOW: _timeout_now,
}  # fmt: skip


def _taps(output: Output) -> PairTaps:
    return pairs(output, lambda flow, dials, joined: DqliteTap(output, flow, dials=dials, joined=joined))


CODEC = Codec(
    name="dqlite",
    summary="dqlite (libraft)",
    begins=_begins,
    joins=_joins,
    taps=_taps,
    systems=("dqlite",),
    why_not="its messages are cut out of their streams, not changed in place",
    unit=_unit,
    unit_begins=_unit_begins,
    forge=_forge,
    forges=frozenset(_FORGED),
    ordered=frozenset({"peer"}),
    deviations=("votes are refused while a leader is known, unless leadership is transferred; pre-vote is on",),
)
