"""TCP reassembly as a sans-I/O core (RFC 9293, section 3.4): segments in, the byte stream or its holes out.

``HalfStream`` is one direction; ``raftmon.monitor.packets.tcp_table`` keeps many. It holds a bounded number of bytes:
what lies behind a hole that the receiver acknowledged, or that does not fit, is delivered after the hole, never waited
for.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from typing import NamedTuple

__all__ = ["Budget", "HalfStream", "Item", "Segment", "read_segment"]

_MASK = 0xFFFFFFFF
_HALF = 0x80000000
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
