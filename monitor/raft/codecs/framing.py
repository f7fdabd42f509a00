"""What codecs have in common: one direction of a connection, cut into messages, with holes, joins and bounds.

A codec says where a message ends and what it means; ``FramedTap`` keeps what is unfinished (within the capture's
budget), finds the next message after a hole or at a join in mid-stream, and counts every byte that is not read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from raftmon.monitor.packets.tcp_table import Consumer, Flow
from raftmon.monitor.raft.codecs.base import Output, PairTaps
from raftmon.monitor.raft.codecs.protobuf import Malformed
from raftmon.monitor.raft.message import Channel, RaftMessage

__all__ = ["MORE", "FramedTap", "Malformed", "pairs"]

MORE = -1
"""What ``end_of`` returns while a message is unfinished."""


class FramedTap:
    """One direction of a connection whose messages follow each other; subclass it and define three methods.

    - ``end_of(data, place)``: where the message that begins at ``place`` ends, ``MORE`` while that cannot be said. It
      is asked again with more bytes; ``self.resume`` may keep what it found so far (it is None for a new message, and
      what it holds should be relative to the message's beginning). Raises Malformed for what is no message.
    - ``start_of(data, place)``: where a message may begin at or after ``place``, -1 where none does: asked after a hole
      and where the capture begins in mid-stream.
    - ``take(raw, first, mark)``: one whole message; returns how many bytes follow it that are no message (a snapshot's
      contents): they are passed over. Raises Malformed for what cannot be understood: it is counted, and the stream
      goes on with the next message.

    ``max_message`` bounds one message. ``peer`` is the tap of the other direction.
    """

    max_message = 64 << 20
    peer: Any

    def __init__(self, out: Output, channel: Channel, *, joined: bool) -> None:
        self.out = out
        self.channel = channel
        self.peer = self
        self.joining = joined
        self.resume: object = None
        self._held = bytearray()
        self._first = 0
        self._passing = 0

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See the class."""
        raise NotImplementedError

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """See the class."""
        raise NotImplementedError

    def take(self, raw: bytes, first: int, mark: int) -> int:
        """See the class."""
        raise NotImplementedError

    def message(self, kind: str, term: int, first: int, mark: int, raw: bytes) -> RaftMessage:
        """A message of this channel with nothing in it yet but its kind, its term and where it lay."""
        return RaftMessage(
            self.out.now_ns, kind, self.channel.source, self.channel.target, term, 0, 0, 0, (), False, 0, b"",
            self.channel, first, mark, len(raw), raw,
        )  # fmt: skip

    def lost(self) -> None:
        """Bytes were lost: what was remembered of earlier messages holds no more."""

    def data(self, payload: bytes, mark: int) -> None:
        """See ``Consumer.data``."""
        if self._passing:
            passed = min(self._passing, len(payload))
            self._passing -= passed
            payload = payload[passed:]
            if not payload:
                return
        first = mark
        buffer: bytes | bytearray = payload
        if self._held:
            self._held += payload
            self.out.buffers.used += len(payload)
            buffer, first = self._held, self._first
        place = 0
        while place < len(buffer):
            if self.joining and self.resume is None:
                found = self.start_of(buffer, place)
                if found < 0:
                    self.out.taps.skipped += len(buffer) - place
                    place = len(buffer)
                    break
                self.out.taps.skipped += found - place
                place = found
            try:
                stop = self.end_of(buffer, place)
            except Malformed:
                self._give_up(len(buffer) - place)
                place = len(buffer)
                break
            if stop == MORE:
                break
            raw = bytes(buffer[place:stop])
            self.resume = None
            try:
                follows = self.take(raw, first, mark)
                self.joining = False
            except Malformed:
                if self.joining:
                    self.out.taps.skipped += len(raw)
                else:
                    self.out.taps.unparsed += len(raw)
                follows = 0
            place, first = stop, mark
            if follows:
                self._passing = max(0, follows - (len(buffer) - place))
                place = min(len(buffer), place + follows)
        self._keep(buffer, place, first)

    def hole(self, size: int) -> None:
        """See ``Consumer.hole``."""
        if self._passing >= size:
            self._passing -= size
            return
        self.out.taps.skipped += len(self._held)
        self._forget()
        self._passing = 0
        self.joining = True
        self.lost()

    def end(self) -> None:
        """See ``Consumer.end``."""
        self._forget()

    def _give_up(self, size: int) -> None:
        if self.joining:
            self.out.taps.skipped += size
        else:
            self.out.taps.unparsed += size
        self.joining = True
        self.resume = None
        self.lost()

    def _keep(self, buffer: bytes | bytearray, place: int, first: int) -> None:
        """What is unfinished stays; a message beyond the bounds is given up."""
        rest = len(buffer) - place
        if buffer is self._held:
            del self._held[:place]
            self.out.buffers.used -= place
        elif rest:
            self._held += buffer[place:]
            self.out.buffers.used += rest
        self._first = first
        if rest > self.max_message or self.out.buffers.used > self.out.buffers.limit:
            size = len(self._held)
            self._forget()
            self._give_up(size)

    def _forget(self) -> None:
        self.out.buffers.used -= len(self._held)
        self._held.clear()
        self.resume = None


_Tap = TypeVar("_Tap", bound=FramedTap)


def pairs(
    out: Output, make: Callable[[Flow, bool, bool], _Tap], listens: Callable[[_Tap, str], None] = lambda _tap, _at: None
) -> PairTaps:
    """The taps of connections, two by two: ``make(flow, dials, joined)`` makes one.

    Where the capture has the beginning of the connection, the listening side is known by its address (the dialling side
    mostly says who it is); ``listens(tap, address)`` is told of it, too.
    """

    def pair(client: Flow, server: Flow, *, joined: bool) -> tuple[Consumer, Consumer]:
        one, two = make(client, True, joined), make(server, False, joined)
        one.peer, two.peer = two, one
        if not joined:
            address = f"{server.source}:{server.source_port}"
            two.channel.source = one.channel.target = out.directory.party(address)
            listens(two, address)
        return one, two

    return pair
