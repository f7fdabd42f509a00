"""Finds the messages in one body of etcd's peer protocol while it passes, and the edits that make one be ignored.

Sans-I/O. A message is decided at its header, before the rest of it has come. The edits keep every length
(docs/raft.md, "Losing one message"): the receiver gets a message of a local type, which ``node.Step`` ignores, or link
heartbeats.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from raftmon.monitor.raft.codecs.etcd.message_head import (
    ENTRY_HEAD,
    MessageHead,
    add_key,
    disguised_entry,
    message_of_entries,
    peek,
    state_after,
    value_of,
)
from raftmon.monitor.raft.codecs.protobuf import Malformed

__all__ = ["PEEK", "MessageHead", "MessageScanner", "Patch"]

PEEK = 160
"""So many bytes of a message are wanted before it is decided (fewer if it is shorter)."""

_ENTRY_PEEK = 48
_MAX_FRAME = 64 << 20
_MAX_COLLECTED = 4 << 20
_U64 = struct.Struct(">Q")

Patch = tuple[int, bytes]
"""(place in the stream, the bytes that shall stand there)."""


class MessageScanner:
    """One body: ``carrier`` is ``message``, ``msgapp``, ``pipeline`` (with ``size``) or ``snapshot``.

    ``decide`` is asked once a message and says whether it shall be lost; ``done`` is called for messages that the
    decision marked ``wanted``, when they are complete. ``undecided`` is the place in the stream of the first byte that
    must not pass yet, None if all may.
    """

    def __init__(
        self,
        carrier: str,
        decide: Callable[[MessageHead], bool],
        done: Callable[[MessageHead], None],
        *,
        size: int = 0,
        state: tuple[int, int] | None = None,
        ends: tuple[int | None, int | None] = (None, None),
    ) -> None:
        self.carrier = carrier
        self._decide, self._done = decide, done
        self._size = size
        self.state = state  # msgapp: (term, index) before the next frame
        self.ends = ends  # sender, receiver of what is sent here, as soon as a message names them
        self._buffer = bytearray()
        self._runs: list[tuple[int, int]] = []
        self._skip = 0
        self._left = 0
        self._mode = "head"
        self._cutting = False
        self._head: MessageHead | None = None
        self._collected: bytearray | None = None
        self._entries: list[bytes] = []

    @property
    def undecided(self) -> int | None:
        """See the class."""
        return self._runs[0][1] if self._buffer else None

    @property
    def cutting(self) -> bool:
        """Whether it is in the middle of taking entries away: then it must not lose its place."""
        return self._cutting and self._mode in ("entry", "commit")

    def feed(self, data: bytes, place: int) -> list[Patch]:
        """The next bytes of the body, which stand at ``place`` in the stream; the edits decided thereby.

        Raises Malformed if the bytes make no sense.
        """
        patches: list[Patch] = []
        if self._skip:
            taken = min(self._skip, len(data))
            self._pass(data[:taken])
            data, place = data[taken:], place + taken
        if data:
            self._runs.append((len(self._buffer), place))
            self._buffer += data
        while self._buffer:
            used = self._step(patches)
            if not used:
                break
            self._use(used)
        return patches

    def _use(self, size: int) -> None:
        """Let ``size`` bytes of the buffer go; what exceeds the buffer is skipped later."""
        here = min(size, len(self._buffer))
        if self._collected is not None:
            self._collect(bytes(self._buffer[:here]))
        self._skip = size - here
        del self._buffer[:here]
        runs = [(start - here, place) for start, place in self._runs]
        while len(runs) > 1 and runs[1][0] <= 0:
            runs.pop(0)
        if runs and runs[0][0] < 0:
            runs[0] = (0, runs[0][1] - runs[0][0])
        self._runs = runs if self._buffer else []
        if not self._skip:
            self._ended()

    def _pass(self, data: bytes) -> None:
        if self._collected is not None:
            self._collect(data)
        self._skip -= len(data)
        if not self._skip:
            self._ended()

    def _collect(self, data: bytes) -> None:
        assert self._collected is not None
        self._collected += data
        if len(self._collected) > _MAX_COLLECTED:
            self._collected = None

    def _ended(self) -> None:
        """A frame, or the whole of an AppEntries, has passed."""
        if self._mode != "head":
            return
        head, collected = self._head, self._collected
        self._head = self._collected = None
        if head is not None and head.wanted and collected is not None:
            head.raw = self._rebuilt(head, bytes(collected))
            self._done(head)

    def _rebuilt(self, head: MessageHead, data: bytes) -> bytes | None:
        if head.carrier == "pipeline":
            return data
        if head.carrier in ("message", "snapshot"):
            return data[8:]
        if data[0] == 2:
            return data[9:]
        return message_of_entries(head, data)

    def _patch(self, patches: list[Patch], at: int, new: bytes) -> None:
        """Put ``new`` at ``at`` in the buffer, wherever in the stream these bytes stand."""
        for number, (start, place) in enumerate(self._runs):
            stop = self._runs[number + 1][0] if number + 1 < len(self._runs) else len(self._buffer)
            first, last = max(at, start), min(at + len(new), stop)
            if first < last:
                patches.append((place + first - start, new[first - at : last - at]))

    def _ask(self, head: MessageHead) -> bool:
        if head.sender is None:
            head.sender, head.receiver = self.ends
        elif head.sender:
            self.ends = (head.sender, head.receiver)
        self._cutting = self._decide(head)
        self._head = head
        self._collected = bytearray() if head.wanted else None
        return self._cutting

    def _step(self, patches: list[Patch]) -> int:
        """Decide what stands at the buffer's start; how many bytes that is, 0 if more are needed."""
        if self._mode == "entry":
            return self._entry(patches)
        if self._mode == "commit":
            if len(self._buffer) < 8:
                return 0
            if self._cutting:
                self._patch(patches, 0, bytes(8))
            self._mode = "head"
            return 8
        if self.carrier == "pipeline":
            return self._full(patches, 0, self._size)
        if self.carrier == "msgapp":
            kind = self._buffer[0]
            if kind == 0:
                return len(self._buffer) - len(self._buffer.lstrip(b"\0"))
            if kind == 1:
                return self._append(patches)
            if kind != 2:
                raise Malformed(f"msgappv2 has no frame type {kind}")
        framing = 9 if self.carrier == "msgapp" else 8
        if len(self._buffer) < framing:
            return 0
        return self._full(patches, framing, _U64.unpack_from(self._buffer, framing - 8)[0])

    def _full(self, patches: list[Patch], framing: int, size: int) -> int:
        """A whole raftpb.Message of ``size`` bytes behind ``framing`` bytes of framing."""
        if size > _MAX_FRAME or size < 2:
            raise Malformed(f"a frame of {size} bytes")
        if len(self._buffer) < framing + min(size, PEEK):
            return 0
        data = bytes(self._buffer[framing : framing + size])
        if data[0] != 8:
            raise Malformed("a message does not begin with its type")
        head = peek(data, self.carrier, whole=len(data) == size)
        head.size = framing + size
        if self.carrier == "msgapp":
            self.state = state_after(data, size, head)
        if head.kind == "MsgHeartbeat" and not head.sender:
            self._head = None  # a link heartbeat is nobody's message
            self._cutting = False
        elif self._ask(head):
            self._patch(patches, framing + 1, b"\x01")
        if self.carrier == "snapshot":
            self._mode = "database"
            return 1 << 62
        return framing + size

    def _append(self, patches: list[Patch]) -> int:
        if len(self._buffer) < 17:
            return 0
        (count,) = _U64.unpack_from(self._buffer, 1)
        term, index = self.state if self.state is not None else (None, None)
        head = MessageHead("MsgApp", "msgapp", None, None, term, term, index, count)
        if not count:
            (head.commit,) = _U64.unpack_from(self._buffer, 9)
            head.size = 17
            if self._ask(head):
                self._patch(patches, 0, bytes(17))
            return 17
        (size,) = _U64.unpack_from(self._buffer, 9)
        if count > _MAX_FRAME // 14 or size > _MAX_FRAME:
            raise Malformed(f"{count} entries, the first of {size} bytes")
        if len(self._buffer) < 17 + min(size, PEEK):
            return 0
        first = bytes(self._buffer[17 : 17 + size])
        match = ENTRY_HEAD(first)
        if match is None:
            raise Malformed("an entry does not begin with its type, term and index")
        index = value_of(match.group(2))
        if not index:
            raise Malformed("an entry has index 0")
        head.index = index - 1
        head.term = head.log_term = value_of(match.group(1))
        head.size = 25 + size if count == 1 else None  # the sizes of further entries are not known yet
        self._keys_at_hand(head, count)
        if self._ask(head):
            self._patch(patches, 0, bytes(9))
        self.state = (head.term, head.index + count)
        self._mode, self._left = "entry", count
        return 9

    def _keys_at_hand(self, head: MessageHead, count: int) -> None:
        place = 9
        for _ in range(min(count, 64)):
            if place + 8 > len(self._buffer):
                return
            (size,) = _U64.unpack_from(self._buffer, place)
            add_key(head, bytes(self._buffer[place + 8 : place + 8 + size]))
            place += 8 + size

    def _entry(self, patches: list[Patch]) -> int:
        if len(self._buffer) < 8:
            return 0
        (size,) = _U64.unpack_from(self._buffer)
        if size > _MAX_FRAME or size < 6:
            raise Malformed(f"an entry of {size} bytes")
        if self._cutting:
            if len(self._buffer) < 8 + min(size, _ENTRY_PEEK):
                return 0
            self._patch(patches, 0, disguised_entry(size, bytes(self._buffer[8 : 8 + size])))
        self._left -= 1
        if not self._left:
            self._mode = "commit"
        return int(8 + size)
