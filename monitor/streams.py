"""TCP reassembly as a sans-I/O core (RFC 9293, section 3.4): segments in, the byte stream or its holes out.

``HalfStream`` is one direction. ``StreamTable`` keeps the directions of many connections and hands each one's bytes
to a ``Consumer``. Both hold a bounded number of bytes: what lies behind a hole that the receiver acknowledged, or that
does not fit, is delivered after a ``hole``, never waited for.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

__all__ = ["Budget", "Consumer", "Flow", "HalfStream", "Item", "Segment", "StreamTable", "read_segment"]

_MASK = 0xFFFFFFFF
_HALF = 0x80000000
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_TCP = struct.Struct(">HHIIH")
_MAX_PIECES = 4096
_MANY_STRAYS = 8

Item = tuple[bytes | None, int]
"""``(bytes, mark)`` in stream order, or ``(None, size)`` where ``size`` bytes are missing."""


class Budget:
    """A bound in bytes that many buffers share."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0


class Segment(NamedTuple):
    """The TCP part of one IP packet. ``key`` is source address, target address, source port, target port, as bytes."""

    key: bytes
    seq: int
    ack: int
    flags: int
    payload: bytes


def read_segment(packet: bytes) -> Segment | None:
    """The TCP segment in a whole IPv4 or IPv6 packet; None for anything else, fragments and cut headers included."""
    try:
        version = packet[0] >> 4
        if version == 4:
            start = (packet[0] & 15) * 4
            total = packet[2] << 8 | packet[3]
            if packet[9] != 6 or packet[6] & 0x3F or packet[7] or start < 20:
                return None
            addresses = packet[12:20]
        elif version == 6:
            start = 40
            total = 40 + (packet[4] << 8 | packet[5])
            if packet[6] != 6:
                return None
            addresses = packet[8:40]
            if total == 40:
                total = 0
        else:
            return None
        seq, ack, bits = struct.unpack_from(">IIH", packet, start + 4)
    except (IndexError, struct.error):
        return None
    header = bits >> 10 & 0x3C
    if header < 20:
        return None
    # A length of 0 is what a capture shows of a packet that the network card was still to cut up.
    payload = packet[start + header : total] if total else packet[start + header :]
    return Segment(addresses + packet[start : start + 4], seq, ack, bits & 0x3F, payload)


class HalfStream:
    """One direction of one connection.

    ``feed`` takes segments in any order, with any overlap, and returns ``Item``s. Of bytes that come twice, those that
    came first count. ``limit`` bounds the bytes kept behind a hole, ``budget`` those of all streams together.
    """

    __slots__ = (
        "acked_to",
        "budget",
        "duplicate_bytes",
        "limit",
        "next_seq",
        "pending",
        "pending_bytes",
        "stray_end",
        "strays",
    )

    def __init__(self, limit: int = 4 << 20, budget: Budget | None = None) -> None:
        self.next_seq: int | None = None
        self.limit = limit
        self.budget = budget or Budget(limit)
        # Sorted by place: (bytes from next_seq at insertion made absolute by _base, payload, mark).
        self.pending: list[tuple[int, bytes, int]] = []
        self.pending_bytes = 0
        self.acked_to: int | None = None
        self.stray_end: int | None = None
        self.strays = 0
        self.duplicate_bytes = 0

    def start(self, seq: int) -> None:
        """The stream's first byte will have this sequence number (a SYN's plus one). Forgets what was kept."""
        self.forget()
        self.next_seq = seq & _MASK
        self.acked_to = None

    def feed(self, seq: int, payload: bytes, mark: int) -> list[Item]:
        """Take one segment. A first segment without ``start`` is a join in mid-stream: the stream begins there."""
        if not payload:
            return []
        if self.next_seq is None:
            self.next_seq = seq
        ahead = self._ahead(seq)
        if ahead > 0:
            return self._keep(ahead, seq, payload, mark)
        if ahead < 0:
            self.duplicate_bytes += min(-ahead, len(payload))
            payload = payload[-ahead:]
            if not payload:
                return []
        self.next_seq = (self.next_seq + len(payload)) & _MASK
        items: list[Item] = [(payload, mark)]
        if self.pending:
            self._drain(items)
        return items

    def acknowledge(self, ack: int) -> list[Item]:
        """The receiver has everything before ``ack``: a hole before it will not be filled any more."""
        if self.next_seq is None or self._ahead(ack) <= 0:
            return []
        self.acked_to = ack
        items: list[Item] = []
        while self.pending and self._ahead(self.pending[0][0]) <= self._ahead(ack):
            self._skip(items)
            if self._ahead(ack) <= 0:
                break
        return items

    def finish(self) -> list[Item]:
        """No more segments will come: what is behind holes, with the holes."""
        items: list[Item] = []
        while self.pending:
            self._skip(items)
        return items

    def forget(self) -> None:
        """Drop what is kept behind holes."""
        self.budget.used -= self.pending_bytes
        self.pending.clear()
        self.pending_bytes = 0

    def _ahead(self, seq: int) -> int:
        """How far ``seq`` lies after the next wanted byte, in the circle of 2^32."""
        assert self.next_seq is not None
        return ((seq - self.next_seq + _HALF) & _MASK) - _HALF

    def _keep(self, ahead: int, seq: int, payload: bytes, mark: int) -> list[Item]:
        items: list[Item] = []
        if ahead > self.limit and not (self.acked_to is not None and self._ahead(self.acked_to) >= ahead):
            # Farther than any window kept here: a stray segment, unless the receiver says otherwise, a second one
            # follows it, or there are many.
            self.strays += 1
            if self.stray_end != seq and self.strays < _MANY_STRAYS:
                self.stray_end = (seq + len(payload)) & _MASK
                self.duplicate_bytes += len(payload)
                return []
            items = self.finish()
            ahead = self._ahead(seq)
            if ahead <= 0:
                return items + self.feed(seq, payload, mark)
            self.next_seq = (seq + len(payload)) & _MASK
            self.stray_end, self.strays = None, 0
            return [*items, (None, ahead), (payload, mark)]
        place = bisect_left(self.pending, ahead, key=lambda piece: self._ahead(piece[0]))
        if place < len(self.pending) and self.pending[place][0] == seq:
            if len(self.pending[place][1]) >= len(payload):
                self.duplicate_bytes += len(payload)
                return []
            place += 1
        self.pending.insert(place, (seq, payload, mark))
        self.pending_bytes += len(payload)
        self.budget.used += len(payload)
        if self.acked_to is not None and self._ahead(self.acked_to) >= ahead:
            self._skip(items)
        while self.pending and (
            self.pending_bytes > self.limit or self.budget.used > self.budget.limit or len(self.pending) > _MAX_PIECES
        ):
            self._skip(items)
        return items

    def _skip(self, items: list[Item]) -> None:
        """Give up the hole before the first kept piece."""
        assert self.next_seq is not None
        first = self.pending[0][0]
        hole = self._ahead(first)
        if hole > 0:
            items.append((None, hole))
            self.next_seq = first
        self._drain(items)

    def _drain(self, items: list[Item]) -> None:
        """Deliver the kept pieces that follow without a hole."""
        assert self.next_seq is not None
        taken = 0
        for seq, payload, mark in self.pending:
            ahead = self._ahead(seq)
            if ahead > 0:
                break
            taken += 1
            self.pending_bytes -= len(payload)
            self.budget.used -= len(payload)
            fresh = payload[-ahead:] if ahead else payload
            self.duplicate_bytes += len(payload) - len(fresh)
            if fresh:
                self.next_seq = (self.next_seq + len(fresh)) & _MASK
                items.append((fresh, mark))
        del self.pending[:taken]


class Consumer(Protocol):
    """What takes one direction's bytes."""

    def data(self, payload: bytes, mark: int) -> None:
        """The next bytes of the stream; ``mark`` is the number of the packet that brought them."""

    def hole(self, size: int) -> None:
        """``size`` bytes were sent that this capture does not have."""

    def end(self) -> None:
        """The direction was closed or reset."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One direction of one connection: its end points as text, and whether its first packet was seen.

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
    import ipaddress

    return str(ipaddress.IPv6Address(raw))


def _reverse(key: bytes) -> bytes:
    size = (len(key) - 4) // 2
    return key[size : 2 * size] + key[:size] + key[-2:] + key[-4:-2]


class StreamTable:
    """All connections of one capture.

    ``open`` makes the two consumers of a new connection from its two flows (the opener's first). At most
    ``max_connections`` are kept: beyond that the longest known is forgotten, closed ones first.
    """

    def __init__(
        self,
        open: Callable[[Flow, Flow], tuple[Consumer, Consumer]],
        *,
        max_connections: int = 20_000,
        max_bytes: int = 64 << 20,
    ) -> None:
        self._open = open
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
                half.consumer.data(payload, number)
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
                half.closed = True
                half.consumer.end()

    def _deliver(self, half: _Half, items: list[Item]) -> None:
        for data, mark in items:
            if data is None:
                self.hole_bytes += mark
                half.consumer.hole(mark)
            else:
                half.consumer.data(data, mark)

    def _close(self, half: _Half, end: int, bits: int) -> None:
        if bits & _RST:
            for side in (half, half.peer):
                if not side.closed:
                    side.forget()
                    side.closed = True
                    side.consumer.end()
        elif not half.closed and (half.next_seq is None or half.next_seq == end):
            half.forget()
            half.closed = True
            half.consumer.end()

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
                    side.closed = True
                    side.consumer.end()
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
                    side.closed = True
                    side.consumer.end()
