"""The bodies of etcd's peer protocol that hold messages: both streams, the pipeline and the snapshot (docs/raft.md)."""

from __future__ import annotations

import struct

import orjson

from raftmon.monitor.raft.codecs.base import Output
from raftmon.monitor.raft.codecs.etcd.raftpb import Message, read_entry, read_message
from raftmon.monitor.raft.codecs.etcd.requests import conf_change_member, published_name
from raftmon.monitor.raft.codecs.protobuf import Malformed
from raftmon.monitor.raft.directory import Directory
from raftmon.monitor.raft.message import KINDS, Channel, Entry, LoggedOperation, RaftMessage

__all__ = ["Frames", "MessageStream", "MsgAppStream", "PipelineBody", "SnapshotBody"]

MAX_FRAME = 64 << 20
_U64 = struct.Struct(">Q").unpack_from
_LINK_HEARTBEAT = b"\x08\x08\x10\x00\x18\x00"


class Frames:
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

    def abandon(self) -> None:
        """See ``Body.abandon``."""
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
    if entries is directory.learnt_from:
        return
    directory.learnt_from = entries
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


def _read_id(_kind: int, data: bytes) -> tuple[LoggedOperation, ...]:
    return (LoggedOperation("read_id", request_id=int.from_bytes(data[:8], "big")),)


class MessageStream(Frames):
    """``u64 length, raftpb.Message`` repeated."""

    kind = "message"

    def frame(self, data: bytes, start: int, end: int, first: int, mark: int) -> int:
        """See ``Frames.frame``."""
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


class MsgAppStream(Frames):
    """msgappv2: see docs/raft.md. ``term`` and ``index`` are its state; None until a join knows them."""

    kind = "msgapp"

    def __init__(self, out: Output, channel: Channel, *, joined: bool = False) -> None:
        super().__init__(out, channel)
        self.term: int | None = None if joined else 0
        self.index = 0

    def frame(self, data: bytes, start: int, end: int, first: int, mark: int) -> int:
        """See ``Frames.frame``."""
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
            if index < 0:
                raise Malformed("an entry has index 0")
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


class PipelineBody(Frames):
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


class SnapshotBody(Frames):
    """The body of ``POST /raft/snapshot``: ``u64 length, raftpb.Message``, then the database to the end."""

    def __init__(self, out: Output, channel: Channel) -> None:
        super().__init__(out, channel)
        self._done = False

    def feed(self, data: bytes, start: int, end: int, mark: int) -> None:
        """See ``Body.feed``; the database is not kept."""
        if not self._done:
            super().feed(data, start, end, mark)

    def frame(self, data: bytes, start: int, end: int, first: int, mark: int) -> int:
        """See ``Frames.frame``."""
        if end - start < 8:
            return start + 8
        stop: int = start + 8 + _U64(data, start)[0]
        if stop > end:
            return stop
        self._done = True
        self.emit(read_message(data, start + 8, stop), data, start, stop, first, mark)
        return end
