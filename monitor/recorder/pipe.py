"""The bounded way from the queue loop to the recorder: frames in batches over a pipe that is never waited for.

A frame is a head (``time_ns`` u64, link id u16, length of the packet u16, length of what was sent u16, length of the
comment u16, flags u8; little-endian) and those three byte strings. ``Backlog`` holds what the pipe does not take yet;
what does not fit there either is counted and lost, a whole batch at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from raftmon.setup.errors import RaftmonError

__all__ = [
    "BATCH_NS",
    "BATCH_PACKETS",
    "DELIVERED",
    "FRAME_HEAD",
    "GO",
    "LATE_NS",
    "NO_LINK",
    "SENT_DIFFERS",
    "Backlog",
    "Batch",
    "FrameDecoder",
    "PipeFrame",
    "encode",
    "open_pipe",
]  # fmt: skip

NO_LINK = 0xFFFF
BATCH_PACKETS, BATCH_NS = 256, 20_000_000
"""How many frames may wait to become a batch, and how long while packets come without a pause."""
LATE_NS = 60_000_000
"""How long something may lie in the pipe before ``Backlog`` calls it late, on the clock of the packets."""
_PIPE_BYTES = 1 << 20
GO = b"\x01"
"""What comes before the first frame where the recorder was started early: it may open its files."""
DELIVERED, SENT_DIFFERS = 1, 2
"""Flags of a frame."""
FRAME_HEAD = struct.Struct("<QHHHHB")
"""Also ``_pipe_frame.pxd``, which is checked against it."""


class PipeFrame(NamedTuple):
    """One packet on its way to the recorder: ``data`` as it arrived, ``sent`` what left instead (None: the same).

    ``time_ns`` is CLOCK_MONOTONIC at arrival; ``link_id`` is NO_LINK for traffic of nobody in the topology.
    """

    time_ns: int
    link_id: int
    data: bytes
    comment: str = ""
    delivered: bool = True
    sent: bytes | None = None


PlainFrame = tuple[int, int, bytes]


def encode(frames: Sequence[PipeFrame | PlainFrame]) -> bytes:
    """The bytes of a batch. A bare (time_ns, link_id, data) is a packet accepted as it came."""
    pack = FRAME_HEAD.pack
    parts: list[bytes] = []
    put = parts.append
    for frame in frames:
        if len(frame) == 3:
            time_ns, link_id, data = frame
            put(pack(time_ns, link_id, len(data), 0, 0, DELIVERED))
            put(data)
            continue
        time_ns, link_id, data, text, delivered, sent = frame
        comment = text.encode()[:0xFFFF]
        flags = (DELIVERED if delivered else 0) | (SENT_DIFFERS if sent is not None else 0)
        after = sent or b""
        put(pack(time_ns, link_id, len(data), len(after), len(comment), flags))
        parts += (data, after, comment)
    return b"".join(parts)


class Batch(NamedTuple):
    """Frames for the pipe: ``chunk`` is ``packets`` of them, whose packets as they arrived have ``size`` bytes in all.

    ``links`` counts them by link id; ``last_ns`` is when the last one came.
    """

    chunk: bytes
    packets: int
    size: int
    links: Mapping[int, int]
    last_ns: int

    @classmethod
    def of(cls, frames: Sequence[PipeFrame | PlainFrame]) -> Batch:
        """The batch of some frames, at least one."""
        size = sum(map(len, map(itemgetter(2), frames)))
        return cls(encode(frames), len(frames), size, Counter(map(itemgetter(1), frames)), frames[-1][0])


class FrameDecoder:
    """Takes bytes in any pieces, gives whole frames."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def pending_bytes(self) -> int:
        """The bytes of a frame that is not complete yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes, str, bool, bytes | None]]:
        """Every frame that ``data`` completes, in order, as a bare tuple of PipeFrame fields (objects cost time)."""
        buffer = self._rest + data if self._rest else data
        at, end, size = 0, len(buffer), FRAME_HEAD.size
        unpack = FRAME_HEAD.unpack_from
        while at + size <= end:
            time_ns, link_id, data_length, sent_length, comment_length, flags = unpack(buffer, at)
            data_end = at + size + data_length
            sent_end = data_end + sent_length
            stop = sent_end + comment_length
            if stop > end:
                break
            packet = buffer[at + size : data_end]
            sent = buffer[data_end:sent_end] if flags & SENT_DIFFERS else None
            comment = buffer[sent_end:stop].decode(errors="replace") if comment_length else ""
            at = stop
            yield time_ns, link_id, packet, comment, flags & DELIVERED != 0, sent
        self._rest = buffer[at:]


def open_pipe() -> tuple[int, int]:
    """A pipe (reader, writer) as large as this user may have, at most 1 MiB; the writing end never blocks."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    size = _PIPE_BYTES
    while size > 65_536:
        with contextlib.suppress(OSError):  # above the user's limit (pipe-user-pages-soft): take half
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, size)
            break
        size //= 2
    os.set_blocking(writer, False)
    return reader, writer


class Backlog:
    """What waits for room in the pipe: bounded in bytes, counting what it had to refuse.

    ``on_late`` is called whenever the pipe has no room left for something new, and where the reader leaves lying what
    was written ``LATE_NS`` before: one that gets no processor cannot notice that itself.
    """

    def __init__(self, descriptor: int, bound_bytes: int, on_late: Callable[[], None] = lambda: None) -> None:
        self._descriptor = descriptor
        self._bound_bytes = bound_bytes
        self._on_late = on_late
        self._written = 0
        self._unread: deque[tuple[int, int]] = deque()  # when, and up to which byte, something was put
        self._chunks: deque[memoryview] = deque()
        self.waiting_bytes = 0
        self.most_waiting_bytes = 0
        self.lost_packets = 0
        self.lost_bytes = 0
        self.closed = False

    def put(self, batch: Batch) -> None:
        """Send a batch, or what of it fits now; never waits. A batch over the bound is lost and counted."""
        chunk = batch.chunk
        self.push()
        waited = self.waiting_bytes
        if self.closed or self.waiting_bytes + len(chunk) > self._bound_bytes:
            self.lost_packets += batch.packets
            self.lost_bytes += len(chunk)
            return
        self._chunks.append(memoryview(chunk))
        self.waiting_bytes += len(chunk)
        self.push()
        if (self.waiting_bytes and not waited) or self._is_late(batch.last_ns):
            self._on_late()
        self.most_waiting_bytes = max(self.most_waiting_bytes, self.waiting_bytes)

    def _is_late(self, now_ns: int) -> bool:
        """Whether the oldest of what the reader has not taken lies there too long. Says so once for all that does."""
        lying = array("i", [0])
        fcntl.ioctl(self._descriptor, termios.FIONREAD, lying)
        taken, unread = self._written - lying[0], self._unread
        while unread and unread[0][1] <= taken:
            unread.popleft()
        late = bool(unread) and now_ns - unread[0][0] > LATE_NS
        if late:
            unread.clear()
        unread.append((now_ns, self._written))
        return late

    def push(self) -> None:
        """Write as much of what waits as the pipe takes now."""
        while self._chunks:
            chunk = self._chunks[0]
            try:
                written = os.write(self._descriptor, chunk)
            except BlockingIOError:
                return
            except BrokenPipeError:
                self._give_up()
                return
            except OSError as error:
                raise RaftmonError(f"writing to the recorder failed: {error}") from error
            self.waiting_bytes -= written
            self._written += written
            if written == len(chunk):
                self._chunks.popleft()
            else:
                self._chunks[0] = chunk[written:]

    def _give_up(self) -> None:
        """The recorder is gone: everything from now on is lost."""
        self.closed = True
        self.lost_bytes += self.waiting_bytes
        self.waiting_bytes = 0
        self._chunks.clear()
