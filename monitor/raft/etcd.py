"""etcd's peer protocol 3.4 to 3.6, from the bytes of its connections (docs/raft.md has the layout).

Two streams (``message`` and ``msgapp`` v2) in the bodies of GET responses, ``POST /raft`` (the pipeline),
``POST /raft/snapshot``, and the small requests that tell which id is which node.
"""

from __future__ import annotations

import re
import struct
from collections import deque
from collections.abc import Iterator
from typing import Protocol

import orjson

from monitor.raft.directory import Directory
from monitor.raft.etcd_requests import conf_change_member, published_name
from monitor.raft.http import IGNORED, Body, IgnoredBody, Request, Response
from monitor.raft.message import KINDS, Channel, Entry, Operation, RaftMessage
from monitor.raft.protobuf import Malformed
from monitor.raft.raftpb import Message, read_entry, read_message
from monitor.streams import Budget, Flow

__all__ = ["EtcdConversation", "Output", "looks_like", "message_chunks"]

MAX_FRAME = 64 << 20
_U64 = struct.Struct(">Q").unpack_from
_STREAM = re.compile(r"/raft/stream/(msgapp|message)/([0-9a-f]{1,16})$").match
_CHUNK = re.compile(rb"(?:\A|(?<=\r\n))([0-9a-f]{1,8})\r\n")
_LINK_HEARTBEAT = b"\x08\x08\x10\x00\x18\x00"


class Output(Protocol):
    """Where a codec puts what it read."""

    now_ns: int
    directory: Directory
    buffers: Budget
    link_heartbeats: dict[str, int]
    lost_at_join: int
    unknown_field_bytes: int

    def message(self, message: RaftMessage) -> None:
        """One decoded message."""

    def event(self, kind: str, channel: Channel, text: str, packet: int) -> None:
        """Something that is not a message but worth knowing: a stream opened, a peer refused."""

    def channel(self, name: str, flow: Flow) -> Channel:
        """A new channel on this flow."""


def _hex_id(text: str | None) -> int:
    try:
        return int(text, 16) if text and len(text) <= 16 else 0
    except ValueError:
        return 0


class _Frames:
    """Cuts a stream of bytes into frames; keeps the bytes of the one that is not complete yet."""

    def __init__(self, out: Output, channel: Channel) -> None:
        self.out = out
        self.channel = channel
        self._held = bytearray()
        self._held_mark = 0
        self._need = 0

    def feed(self, data: bytes, start: int, end: int, mark: int) -> None:
        """See ``Body.feed``."""
        first = mark
        if self._held:
            self._held += data[start:end]
            self._charge(end - start)
            if len(self._held) < self._need:
                return
            data, start, end = bytes(self._held), 0, len(self._held)
            first = self._held_mark
            self._release()
        while start < end:
            stop = self.frame(data, start, end, first, mark)
            if stop > end:
                if stop - start > MAX_FRAME:
                    raise Malformed(f"a frame of {stop - start} bytes")
                self._held += data[start:end]
                self._held_mark = first
                self._need = stop - start
                self._charge(end - start)
                return
            start, first = stop, mark

    def frame(self, data: bytes, start: int, end: int, first: int, mark: int) -> int:
        """Read the frame at ``start``; the place after it, or at least how far the bytes must reach to read on."""
        raise NotImplementedError

    def _charge(self, size: int) -> None:
        budget = self.out.buffers
        budget.used += size
        if budget.used > budget.limit:
            self._release()
            raise Malformed("too many bytes are held for unfinished frames")

    def _release(self) -> None:
        self.out.buffers.used -= len(self._held)
        self._held.clear()

    def finish(self) -> None:
        """See ``Body.finish``."""
        self._release()

    def emit(self, message: Message, data: bytes, start: int, stop: int, first: int, mark: int) -> None:
        """Hand on one full raftpb message whose frame is ``data[start:stop]``."""
        out, labels = self.out, self.out.directory.labels
        source, target = labels[message.sender], labels[message.to]
        channel = self.channel
        if channel.source != source and source is not None:
            source, target = self._introduce(message)
        elif channel.target is None:
            channel.target = target
        result = RaftMessage(
            out.now_ns,
            KINDS[message.type] if message.type < len(KINDS) else f"Msg{message.type}",
            source,
            target,
            message.term,
            message.log_term,
            message.index,
            message.commit,
            message.entries,
            message.reject,
            message.reject_hint,
            message.context,
            channel,
            first,
            mark,
            stop - start,
            data[start:stop],
        )
        if message.snapshot:
            result.snapshot_index, result.snapshot_term, voters = message.snapshot
            result.extra = {"voters": [labels[voter] for voter in voters]}
        if message.unknown_bytes:
            out.unknown_field_bytes += message.unknown_bytes
        if message.entries:
            if message.type in (15, 16):  # a ReadIndex's entry is the read's id, no request
                for entry in message.entries:
                    entry.reader = _read_id
            else:
                _learn(out.directory, message.entries)
        out.message(result)

    def _introduce(self, message: Message) -> tuple[str | None, str | None]:
        """A channel whose ends were not known, or known under another label: the message says who they are."""
        out, channel = self.out, self.channel
        if channel.name in ("message", "msgapp"):  # only there is the source the listening side
            host, _, port = channel.source_address.rpartition(":")
            out.directory.seen(message.sender, host, int(port))
            out.directory.seen(message.to, channel.target_address.rpartition(":")[0], None)
        channel.source, channel.target = out.directory.labels[message.sender], out.directory.labels[message.to]
        return channel.source, channel.target


def _learn(directory: Directory, entries: tuple[Entry, ...]) -> None:
    """Names from entries: members publish theirs, configuration changes carry a Member as JSON."""
    for entry in entries:
        if entry.type or b"/members/" in entry.data[:64]:
            for operation in entry.operations:
                if (named := published_name(operation)) is not None:
                    directory.name(*named)
                elif (member := conf_change_member(operation)) is not None and b'"name"' in member[1]:
                    try:
                        found = orjson.loads(member[1])
                    except orjson.JSONDecodeError:
                        continue
                    if isinstance(found, dict) and isinstance(found.get("name"), str):
                        directory.name(member[0], found["name"])


def _read_id(_kind: int, data: bytes) -> tuple[Operation, ...]:
    return (Operation("read_id", request_id=int.from_bytes(data[:8], "big")),)


class MessageStream(_Frames):
    """``u64 length, raftpb.Message`` repeated."""

    kind = "message"

    def frame(self, data: bytes, start: int, end: int, first: int, mark: int) -> int:
        """See ``_Frames.frame``."""
        if end - start < 8:
            return start + 8
        stop: int = start + 8 + _U64(data, start)[0]
        if stop > end:
            return stop
        if data.startswith(_LINK_HEARTBEAT, start + 8):
            self.out.link_heartbeats["message"] += 1
        else:
            self.emit(read_message(data, start + 8, stop), data, start, stop, first, mark)
        return stop


class MsgAppStream(_Frames):
    """msgappv2: see docs/raft.md. ``term`` and ``index`` are its state; None until a join knows them."""

    kind = "msgapp"

    def __init__(self, out: Output, channel: Channel, *, joined: bool = False) -> None:
        super().__init__(out, channel)
        self.term: int | None = None if joined else 0
        self.index = 0

    def frame(self, data: bytes, start: int, end: int, first: int, mark: int) -> int:
        """See ``_Frames.frame``."""
        kind = data[start]
        if kind == 1:
            return self._append(data, start, end, first, mark)
        if kind == 0:
            self.out.link_heartbeats["msgapp"] += 1
            return start + 1
        if kind != 2:
            raise Malformed(f"msgappv2 has no frame type {kind}")
        if end - start < 9:
            return start + 9
        stop: int = start + 9 + _U64(data, start + 1)[0]
        if stop > end:
            return stop
        message = read_message(data, start + 9, stop)
        self.term = message.term
        self.index = message.entries[-1].index if message.entries else message.index
        self.emit(message, data, start, stop, first, mark)
        return stop

    def _append(self, data: bytes, start: int, end: int, first: int, mark: int) -> int:
        if end - start < 17:
            return start + 17
        (count,) = _U64(data, start + 1)
        place = start + 9
        entries = []
        for left in range(count, 0, -1):
            need = place + left * 14 + 8
            if need > end:
                return int(need)
            stop = place + 8 + _U64(data, place)[0]
            if stop + 8 > end:
                return int(stop) + 8
            entries.append(read_entry(data, place + 8, stop))
            place = stop
        (commit,) = _U64(data, place)
        stop = place + 8
        if entries:
            term, index = entries[0].term, entries[0].index - 1
            if (self.term is not None and (term, index) != (self.term, self.index)) or entries[
                -1
            ].index != index + count:
                raise Malformed("entries do not follow the stream's state")
            self.term, self.index = term, index + count
        elif self.term is None:
            self.out.lost_at_join += 1  # its commit alone would not make a message
            return stop
        else:
            term, index = self.term, self.index
        channel = self.channel
        if channel.source is None or channel.target is None:
            self.out.directory.place(channel)
        found = tuple(entries)
        if found:
            _learn(self.out.directory, found)
        self.out.message(
            RaftMessage(
                self.out.now_ns, "MsgApp", channel.source, channel.target, term, term, index, commit, found, False, 0,
                b"", channel, first, mark, stop - start, data[start:stop],
            )
        )  # fmt: skip
        return stop


class _Pipeline(_Frames):
    """The body of ``POST /raft``: one message without framing."""

    def feed(self, data: bytes, start: int, end: int, mark: int) -> None:
        """See ``Body.feed``."""
        if not self._held:
            self._held_mark = mark
        self._held += data[start:end]
        self._last_mark = mark
        self._charge(end - start)

    def finish(self) -> None:
        """See ``Body.finish``."""
        data = bytes(self._held)
        self._release()
        if data:
            self.emit(read_message(data, 0, len(data)), data, 0, len(data), self._held_mark, self._last_mark)


class _Snapshot(_Frames):
    """The body of ``POST /raft/snapshot``: ``u64 length, raftpb.Message``, then the database to the end."""

    def __init__(self, out: Output, channel: Channel) -> None:
        super().__init__(out, channel)
        self._done = False

    def feed(self, data: bytes, start: int, end: int, mark: int) -> None:
        """See ``Body.feed``; the database is not kept."""
        if not self._done:
            super().feed(data, start, end, mark)

    def frame(self, data: bytes, start: int, end: int, first: int, mark: int) -> int:
        """See ``_Frames.frame``."""
        if end - start < 8:
            return start + 8
        stop: int = start + 8 + _U64(data, start)[0]
        if stop > end:
            return stop
        self._done = True
        self.emit(read_message(data, start + 8, stop), data, start, stop, first, mark)
        return end


class _Members(IgnoredBody):
    """The body of ``GET /members``: names of ids."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._held = bytearray()

    def feed(self, data: bytes, start: int, end: int, mark: int) -> None:
        """See ``Body.feed``."""
        if len(self._held) + end - start <= 1 << 20:
            self._held += data[start:end]

    def finish(self) -> None:
        """See ``Body.finish``; a body that is not the member list teaches nothing."""
        try:
            members = orjson.loads(self._held)
        except orjson.JSONDecodeError:
            return
        for member in members if isinstance(members, list) else []:
            if isinstance(member, dict) and isinstance(member.get("id"), int) and isinstance(member.get("name"), str):
                self._out.directory.name(member["id"], member["name"])


class _Refusal(_Members):
    """The short text of a refusal."""

    def __init__(self, out: Output, channel: Channel, status: int, mark: int) -> None:
        super().__init__(out)
        self._channel, self._status, self._mark = channel, status, mark

    def finish(self) -> None:
        """Tell it."""
        text = bytes(self._held[:200]).decode("utf-8", "replace").strip()
        self._out.event("refused", self._channel, f"{self._status} {text}", self._mark)


class EtcdConversation:
    """One HTTP connection between two members."""

    def __init__(self, out: Output) -> None:
        self.requests: deque[Request] = deque()
        self._out = out
        self._joined: _Frames | None = None

    def on_request(self, request: Request, flow: Flow, mark: int) -> Body:
        """See ``Conversation.on_request``."""
        sender = _hex_id(request.headers.get("x-server-from"))
        if sender:
            self._out.directory.seen(sender, flow.source, None)
        receiver = _hex_id(request.headers.get("x-raft-to"))
        if receiver:
            self._out.directory.seen(receiver, flow.target, flow.target_port)
        if request.method != "POST" or request.path not in ("/raft", "/raft/snapshot"):
            return IGNORED
        labels = self._out.directory.labels
        channel = self._out.channel("pipeline" if request.path == "/raft" else "snapshot", flow)
        channel.source = labels[sender]
        return _Pipeline(self._out, channel) if request.path == "/raft" else _Snapshot(self._out, channel)

    def on_response(self, response: Response, flow: Flow, mark: int) -> Body:
        """See ``Conversation.on_response``."""
        request = response.request
        if request is None:
            return self._unasked(response, flow)
        stream = _STREAM(request.path)
        if request.path == "/members" and response.status == 200:
            return _Members(self._out)
        labels = self._out.directory.labels
        if stream is None:
            if response.status >= 400 and request.path.startswith("/raft"):
                channel = self._out.channel("pipeline" if request.path == "/raft" else "snapshot", flow.reverse)
                channel.source = labels[_hex_id(request.headers.get("x-server-from"))]
                return _Refusal(self._out, channel, response.status, mark)
            return IGNORED
        channel = self._out.channel(stream[1], flow)
        channel.source = labels[_hex_id(request.headers.get("x-raft-to"))]
        channel.target = labels[_hex_id(stream[2])]
        if response.status != 200:
            return _Refusal(self._out, channel, response.status, mark)
        version = response.headers.get("x-server-version", "?")
        self._out.event("stream opened", channel, f"server version {version}", mark)
        return MsgAppStream(self._out, channel) if stream[1] == "msgapp" else MessageStream(self._out, channel)

    def _unasked(self, response: Response, flow: Flow) -> Body:
        """An answer to a request that was not seen: its first chunk must show what it is, as after a hole."""
        chunked = "chunked" in response.headers.get("transfer-encoding", "")
        if response.status == 200 and chunked and "x-etcd-cluster-id" in response.headers:
            return _Unknown(self, flow)
        if response.status == 200 and response.headers.get("content-type") == "application/json":
            return _Members(self._out)
        return IGNORED

    def join(self, data: bytes, body: Body | None, flow: Flow) -> tuple[int, Body] | None:
        """See ``Conversation.join``: a complete chunk that begins with a complete, valid frame of a stream."""
        known = body if isinstance(body, MsgAppStream | MessageStream) else self._joined
        for header, start, end in message_chunks(data):
            kind = looks_like(data, start, end)
            if kind is None or (isinstance(known, MsgAppStream | MessageStream) and known.kind != kind):
                continue
            return header, self.stream(kind, flow, known)
        return None

    def stream(self, kind: str, flow: Flow, known: Body | None = None) -> _Frames:
        """A stream decoder that joins in the middle; who speaks on it is taken from ``known`` if it was followed."""
        if isinstance(known, _Frames):
            known.finish()
            channel = known.channel
        else:
            channel = self._out.channel(kind, flow)
            self._out.directory.place(channel)
        self._joined = (
            MsgAppStream(self._out, channel, joined=True) if kind == "msgapp" else MessageStream(self._out, channel)
        )
        return self._joined


class _Unknown(IgnoredBody):
    """A chunked body whose request was not seen, from its first byte: msgapp or message by what it begins with."""

    def __init__(self, conversation: EtcdConversation, flow: Flow) -> None:
        self._conversation = conversation
        self._flow = flow
        self._held = bytearray()
        self._inner: _Frames | None = None

    def feed(self, data: bytes, start: int, end: int, mark: int) -> None:
        """See ``Body.feed``."""
        if self._inner is not None:
            return self._inner.feed(data, start, end, mark)
        self._held += data[start:end]
        if self._held[0] in (1, 2) or len(self._held) >= 11:
            # A message frame is longer than a link heartbeat: 11 zero bytes can only be msgapp's.
            is_message = self._held[:4] == b"\0\0\0\0" and self._held[8:9] == b"\x08"
            self._inner = self._conversation.stream("message" if is_message else "msgapp", self._flow)
            if isinstance(self._inner, MsgAppStream):
                self._inner.term = 0  # from its first byte, so its state is known
            self._inner.feed(bytes(self._held), 0, len(self._held), mark)
        return None


def message_chunks(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Where complete chunks stand in a segment: (their header, their first byte, behind their last)."""
    for match in _CHUNK.finditer(data):
        start, end = match.end(), match.end() + int(match.group(1), 16)
        if end != start and data[end : end + 2] == b"\r\n":
            yield match.start(), start, end


def looks_like(data: bytes, start: int, end: int) -> str | None:
    """Which stream a chunk's payload belongs to, if its first frame is complete and valid."""
    size = end - start
    if not any(data[start:end]):
        return "msgapp" if size <= 7 else None
    try:
        if data[start : start + 4] == b"\0\0\0\0" and size > 11:
            if data[start + 8] != 8 or data[start + 9] > 23 or data[start + 10] != 16:
                return None
            stop = start + 8 + _U64(data, start)[0]
            if stop > end:
                return None
            read_message(data, start + 8, stop)
            return "message"
        if data[start] == 1 and data[start + 1 : start + 5] == b"\0\0\0\0" and size >= 17:
            if size == 17:
                return "msgapp" if data[start + 5 : start + 9] == b"\0\0\0\0" else None
            stop = start + 17 + _U64(data, start + 9)[0]
            if stop > end:
                return None
            return "msgapp" if read_entry(data, start + 17, stop).index else None
        if data[start] == 2 and data[start + 1 : start + 5] == b"\0\0\0\0" and size > 11 and data[start + 9] == 8:
            stop = start + 9 + _U64(data, start + 1)[0]
            if stop > end:
                return None
            read_message(data, start + 9, stop)
            return "msgapp"
    except (Malformed, IndexError, struct.error):
        return None
    return None
