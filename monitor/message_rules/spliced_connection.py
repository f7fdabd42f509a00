"""One TCP connection that goes through a splicer: its two directions, cut into units, each shown to the rules whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from raftmon.monitor.message_rules.scanner import MessageHead
from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import Codec
from raftmon.monitor.raft.codecs.protobuf import Malformed
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.message import RaftMessage
from raftmon.monitor.splice.policy import Edit, Insert, Keep, Remove
from raftmon.monitor.splice.splicer import Splicer
from raftmon.setup.topology import Link

__all__ = ["EditedDirection", "Owner", "QueuedUnit", "SplicedConnection", "UnitFate", "UnitReader", "head_of"]

_MAX_UNIT = 4 << 20
_MAX_UNKNOWN = 256 << 10
_MAX_LIKE = 64 << 10


@dataclass(slots=True)
class UnitFate:
    """What becomes of a unit: ``lost`` takes it out, ``instead`` is put in its place, ``copies`` follow it at once."""

    lost: bool = False
    instead: bytes = b""
    copies: int = 0


@dataclass(slots=True, eq=False)
class QueuedUnit:
    """A unit that waits in the order of its stream: until ``due_ns``, or while it is ``held``."""

    unit: bytes
    due_ns: int = 0
    held: bool = False


class Owner(Protocol):
    """What a connection needs of the rules."""

    codec: Codec
    reader: UnitReader

    @property
    def unit(self) -> Callable[[bytearray], int | None]:
        """The length of the unit at the beginning, None if more bytes are needed; raises Malformed."""

    def decide(self, direction: EditedDirection, unit: bytes) -> UnitFate:
        """What becomes of a unit."""


class UnitReader(Decoder):
    """Gives the messages of units that are fed to a codec's taps."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(codecs=(codec,))
        self.read: list[RaftMessage] = []

    def message(self, message: RaftMessage) -> None:
        """See ``Output.message``."""
        self.read.append(message)


class EditedDirection:
    """One direction of a connection: the splicer's edit policy."""

    def __init__(self, owner: Owner, link: Link, *, joined: bool) -> None:
        self._owner, self.link = owner, link
        self._synchronised = not joined
        self._buffer = bytearray()
        self._withheld = 0  # of the buffer's beginning: taken out already
        self._blind = 0  # bytes of a message too large to wait for
        self.connection: SplicedConnection | None = None
        self.queue: deque[QueuedUnit] = deque()  # what waits where units may not overtake each other
        self.last_unit = b""

    @property
    def between_messages(self) -> bool:
        """Whether something can be put in here."""
        return self._synchronised and not self._blind

    def feed(self, data: bytes) -> list[Edit]:
        """See ``EditPolicy.feed``."""
        if not self._synchronised and not self._blind:
            if not self._begins(data):
                return [Keep(len(data))]
            self._synchronised = True
        out: list[Edit] = []
        if self._blind:
            through = min(self._blind, len(data))
            self._blind -= through
            data = data[through:]
            out.append(Keep(through))
        self._buffer += data
        while self._buffer:
            size: int | None
            try:
                size = self._owner.unit(self._buffer)
            except Malformed:
                self._synchronised = False
                size = len(self._buffer)
            if size is not None and size > len(self._buffer) and size > _MAX_UNIT:
                self._blind = size - len(self._buffer)
                size = len(self._buffer)
            elif size is None and len(self._buffer) > _MAX_UNKNOWN:  # too large to look for its end again and again
                self._synchronised, size = False, len(self._buffer)
            elif size is None or size > len(self._buffer):
                break
            out += self._unit(bytes(self._buffer[:size]), asked=self._synchronised and not self._blind)
        out.append(Remove(len(self._buffer) - self._withheld))
        self._withheld = len(self._buffer)
        return out

    def _begins(self, segment: bytes) -> bool:
        codec = self._owner.codec
        if codec.unit_begins is not None:
            return codec.unit_begins(segment)
        return codec.begins(segment, False) is True

    def finish(self) -> list[Edit]:
        """See ``EditPolicy.finish``: the beginning of a message that never came whole."""
        rest, self._buffer, self._withheld = bytes(self._buffer), bytearray(), 0
        return [Insert(rest)] if rest else []

    def _unit(self, unit: bytes, *, asked: bool) -> list[Edit]:
        before = min(self._withheld, len(unit))
        self._withheld -= before
        del self._buffer[: len(unit)]
        fate = self._owner.decide(self, unit) if asked else UnitFate()
        if fate.lost:
            return [Insert(fate.instead), Remove(len(unit) - before)]
        return [Insert(unit[:before]), Keep(len(unit) - before), *([Insert(unit)] * fate.copies)]

    def read(self, unit: bytes) -> list[RaftMessage]:
        """The messages that a unit holds."""
        self.last_unit = unit if len(unit) <= _MAX_LIKE else self.last_unit
        assert self.connection is not None
        return self.connection.read(self, unit)


class SplicedConnection:
    """A splicer, and what reads the two directions."""

    def __init__(self, owner: Owner, link: Link, ports: tuple[int, int], *, joined: bool) -> None:
        back = Link(link.target, link.source)
        self.directions = EditedDirection(owner, link, joined=joined), EditedDirection(owner, back, joined=joined)
        for direction in self.directions:
            direction.connection = self
        self.splicer = Splicer(*self.directions)
        flow = Flow(link.source, ports[0], link.target, ports[1], True, not joined)
        self._taps = owner.reader.taps_for(owner.codec, flow, flow.reverse)
        self._reader = owner.reader

    def read(self, direction: EditedDirection, unit: bytes) -> list[RaftMessage]:
        """See ``EditedDirection.read``."""
        self._reader.read.clear()
        self._taps[0 if direction is self.directions[0] else 1].data(unit, 0)
        return list(self._reader.read)


def head_of(message: RaftMessage) -> MessageHead:
    """What conditions on messages ask, of a message that was read whole."""
    head = MessageHead(
        message.kind, "spliced", None, None, message.term, message.log_term, message.index, len(message.entries)
    )
    head.commit, head.size = message.commit, message.size
    operations = [operation for entry in message.entries for operation in entry.operations]
    head.keys = [operation.key for operation in operations if operation.key]
    head.operations = [operation.name for operation in operations]
    head.context, head.group = message.context or None, message.group
    return head
