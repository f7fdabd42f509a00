"""All TCP connections of one capture: packets in, each direction's bytes out to its ``Consumer``."""

from __future__ import annotations

import contextlib
import ipaddress
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from raftmon.monitor.packets.tcp_stream import Budget, HalfStream, Item, read_segment

__all__ = ["Consumer", "Flow", "StreamTable"]

_MASK = 0xFFFFFFFF
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_TCP = struct.Struct(">HHIIH")


class Consumer(Protocol):
    """What the bytes of one direction are fed to."""

    def data(self, payload: bytes, mark: int) -> None:
        """The next bytes of the stream; ``mark`` is the number of the packet that brought them."""

    def hole(self, size: int) -> None:
        """``size`` bytes were sent that this capture does not have."""

    def end(self) -> None:
        """The direction was closed or reset."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One direction of one connection: its end points as text, and whether the capture has its first packet.

    ``opener`` is true for the side that sent the SYN; where none was seen, for the side of the first packet.
    """

    source: str
    source_port: int
    target: str
    target_port: int
    opener: bool
    from_start: bool

    @property
    def reverse(self) -> Flow:
        """The other direction of the same connection."""
        return Flow(self.target, self.target_port, self.source, self.source_port, not self.opener, self.from_start)


class _Half(HalfStream):
    __slots__ = ("closed", "consumer", "first_seq", "peer")

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget=budget)
        self.peer: _Half = self
        self.consumer: Consumer
        self.closed = False
        self.first_seq: int | None = None


def _flow(key: bytes, opener: bool, from_start: bool) -> Flow:
    size = (len(key) - 4) // 2
    form = _ipv4 if size == 4 else _ipv6
    source_port, target_port = struct.unpack(">HH", key[-4:])
    return Flow(form(key[:size]), source_port, form(key[size : 2 * size]), target_port, opener, from_start)


def _ipv4(raw: bytes) -> str:
    return ".".join(map(str, raw))


def _ipv6(raw: bytes) -> str:
    return str(ipaddress.IPv6Address(raw))


def _reverse(key: bytes) -> bytes:
    size = (len(key) - 4) // 2
    return key[size : 2 * size] + key[:size] + key[-2:] + key[-4:-2]


def _raised(error: Exception, _size: int) -> Consumer:
    raise error


class StreamTable:
    """All connections of one capture.

    ``open`` makes the two consumers of a new connection from its two flows (the opener's first). At most
    ``max_connections`` are kept: beyond that the longest known is forgotten, closed ones first. ``failed`` is told of
    what a consumer raised and of the bytes that it was given: from then on the connection's two directions go to the
    consumer that it returns. It may raise, too: the default does.
    """

    def __init__(
        self,
        open: Callable[[Flow, Flow], tuple[Consumer, Consumer]],
        *,
        failed: Callable[[Exception, int], Consumer] = _raised,
        max_connections: int = 20_000,
        max_bytes: int = 64 << 20,
    ) -> None:
        self._open = open
        self._failed = failed
        self._halves: dict[bytes, _Half] = {}
        self._max_halves = 2 * max_connections
        self.budget = Budget(max_bytes)
        self.segments = 0
        self.other_packets = 0
        self.hole_bytes = 0
        self.duplicate_bytes = 0

    def packet(self, packet: bytes, number: int) -> None:
        """Take one whole IP packet; anything but TCP is counted in ``other_packets``."""
        if len(packet) >= 40 and packet[0] == 0x45 and packet[9] == 6 and not (packet[6] & 0x3F or packet[7]):
            # The common case, without the intermediate tuple.
            key = packet[12:24]
            _, _, seq, ack, bits = _TCP.unpack_from(packet, 20)
            total = packet[2] << 8 | packet[3]
            header = 20 + (bits >> 10 & 0x3C)
            payload = packet[header:total] if total else packet[header:]
            if header < 40:
                self.other_packets += 1
                return
        else:
            segment = read_segment(packet)
            if segment is None:
                self.other_packets += 1
                return
            key, seq, ack, bits, payload = segment
        self.segments += 1
        half = self._halves.get(key)
        if half is None or bits & _SYN:
            half = self._find(key, seq, bits)
        if bits & _ACK:
            peer = half.peer
            if peer.pending:
                self._deliver(peer, peer.acknowledge(ack))
            elif peer.next_seq is not None and peer.next_seq != ack:
                peer.acknowledge(ack)
        if payload and not half.closed:
            if seq == half.next_seq and not half.pending:
                half.next_seq = (seq + len(payload)) & _MASK
                try:
                    half.consumer.data(payload, number)
                except Exception as error:
                    self._replace(half, error, len(payload))
            else:
                before = half.duplicate_bytes
                self._deliver(half, half.feed(seq, payload, number))
                self.duplicate_bytes += half.duplicate_bytes - before
        if bits & (_FIN | _RST):
            self._close(half, (seq + len(payload)) & _MASK, bits)

    def finish(self) -> None:
        """The capture is over: hand out what is behind holes, and end every direction."""
        for half in list(self._halves.values()):
            if not half.closed:
                self._deliver(half, half.finish())
                self._end(half)

    def _deliver(self, half: _Half, items: list[Item]) -> None:
        for data, mark in items:
            try:
                if data is None:
                    self.hole_bytes += mark
                    half.consumer.hole(mark)
                else:
                    half.consumer.data(data, mark)
            except Exception as error:
                self._replace(half, error, 0 if data is None else len(data))

    def _end(self, half: _Half) -> None:
        half.closed = True
        try:
            half.consumer.end()
        except Exception as error:
            self._replace(half, error, 0)

    def _replace(self, half: _Half, error: Exception, size: int) -> None:
        """Both directions: what the consumer of one remembers of the other holds no more."""
        before = (half.consumer, half.peer.consumer)
        half.consumer = half.peer.consumer = self._failed(error, size)
        for consumer in before:
            with contextlib.suppress(Exception):
                consumer.end()  # it gives back what it kept

    def _close(self, half: _Half, end: int, bits: int) -> None:
        if bits & _RST:
            for side in (half, half.peer):
                if not side.closed:
                    side.forget()
                    self._end(side)
        elif not half.closed and (half.next_seq is None or half.next_seq == end):
            half.forget()
            self._end(half)

    def _find(self, key: bytes, seq: int, bits: int) -> _Half:
        half = self._halves.get(key)
        syn = bool(bits & _SYN)
        if half is not None and syn:
            if half.first_seq == seq:
                return half  # the SYN again
            if half.next_seq is None and half.peer.first_seq is not None and bits & _ACK:
                half.first_seq = seq
                half.start(seq + 1)
                return half
            for side in (half, half.peer):
                side.forget()
                if not side.closed:
                    self._end(side)
            del self._halves[key]
            self._halves.pop(_reverse(key), None)
            half = None
        if half is None:
            half = self._new(key, opener=not (syn and bits & _ACK), from_start=syn)
            if syn:
                half.first_seq = seq
                half.start(seq + 1)
        return half

    def _new(self, key: bytes, *, opener: bool, from_start: bool) -> _Half:
        if len(self._halves) >= self._max_halves:
            self._evict()
        here, there = _Half(self.budget), _Half(self.budget)
        here.peer, there.peer = there, here
        mine, theirs = _flow(key, opener, from_start), _flow(_reverse(key), not opener, from_start)
        if opener:
            here.consumer, there.consumer = self._open(mine, theirs)
        else:
            there.consumer, here.consumer = self._open(theirs, mine)
        self._halves[key] = here
        self._halves[_reverse(key)] = there
        return here

    def _evict(self) -> None:
        """Make room: the longest known closed connections go, or, without any, the longest known one."""
        closed = [key for key, half in self._halves.items() if half.closed and half.peer.closed]
        for key in closed[: max(2, len(self._halves) // 4)] or [next(iter(self._halves))]:
            half = self._halves.pop(key, None)
            if half is None:
                continue
            self._halves.pop(_reverse(key), None)
            for side in (half, half.peer):
                side.forget()
                if not side.closed:
                    self._end(side)
