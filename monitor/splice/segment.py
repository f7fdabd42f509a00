"""TCP segments taken apart and put together again: the header fields and options that splicing must translate.

RFC 9293 (header), RFC 7323 (window scale, timestamps), RFC 2018 and 2883 (SACK blocks).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from raftmon.monitor.packets.checksums import repaired
from raftmon.monitor.packets.view import TCP, PacketView

__all__ = ["MASK", "Segment", "SplicedPackets", "build", "options_with", "parse", "stamp_option"]

MASK = 0xFFFFFFFF
_END, _NOP, _MSS, _SCALE, _SACK, _TIMESTAMPS = 0, 1, 2, 3, 5, 8
_U32 = struct.Struct("!I")
_MAX_SCALE = 14


@dataclass(slots=True)
class Segment:
    """One TCP segment. ``mss``, ``scale`` and ``stamps`` (value, echo) are None if the option is missing.

    ``sack`` holds (left, right) sequence numbers; ``window`` is the header's field, not scaled.
    """

    seq: int
    ack: int
    flags: int
    window: int
    payload: bytes
    options: bytes
    mss: int | None = None
    scale: int | None = None
    stamps: tuple[int, int] | None = None
    sack: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class SplicedPackets:
    """What becomes of a packet: ``packet`` leaves in its place (None: nothing), ``extra`` packets leave beside it."""

    packet: bytes | None
    extra: list[bytes] = field(default_factory=list)


def parse(packet: bytes) -> Segment | None:
    """The segment of an IP packet; None if it is no whole TCP segment (another protocol, a fragment, malformed)."""
    view = PacketView(packet)
    if view.protocol != TCP or view.malformed or view.is_fragment or view.end != len(packet):
        return None
    options = packet[view.transport_offset + 20 : view.payload_offset]
    segment = Segment(view.seq or 0, view.ack or 0, view.flags or 0, view.window or 0, view.payload, options)
    place = 0
    while place < len(options):
        kind = options[place]
        if kind == _END:
            break
        if kind == _NOP:
            place += 1
            continue
        size = options[place + 1] if place + 1 < len(options) else 0
        body = options[place + 2 : place + size]
        if size < 2 or len(body) != size - 2:
            break
        if kind == _MSS and size == 4:
            segment.mss = int.from_bytes(body, "big")
        elif kind == _SCALE and size == 3:
            segment.scale = min(body[0], _MAX_SCALE)
        elif kind == _TIMESTAMPS and size == 10:
            segment.stamps = (_U32.unpack_from(body)[0], _U32.unpack_from(body, 4)[0])
        elif kind == _SACK and size % 8 == 2:
            edges = [edge for (edge,) in _U32.iter_unpack(body)]
            segment.sack = tuple(zip(edges[::2], edges[1::2], strict=True))
        place += size
    return segment


def options_with(options: bytes, sack: tuple[tuple[int, int], ...]) -> bytes:
    """The same options with other SACK blocks (at most as many); the room of missing ones is filled with NOPs."""
    out, place = bytearray(options), 0
    while place < len(options) and options[place] != _END:
        if options[place] == _NOP:
            place += 1
            continue
        size = options[place + 1] if place + 1 < len(options) else 0
        if size < 2 or place + size > len(options):
            break
        if options[place] == _SACK:
            blocks = b"".join(struct.pack("!II", left & MASK, right & MASK) for left, right in sack)
            new = bytes((_SACK, 2 + len(blocks))) + blocks if sack else b""
            out[place : place + size] = bytes([_NOP]) * (size - len(new)) + new
        place += size
    return bytes(out)


def stamp_option(stamps: tuple[int, int] | None) -> bytes:
    """The options of a segment of our own: timestamps where the connection uses them."""
    return b"" if stamps is None else struct.pack("!BBBBII", _NOP, _NOP, _TIMESTAMPS, 10, *stamps)


def build(template: bytes, segment: Segment) -> bytes:
    """A packet with ``segment``'s numbers, options and payload between the ends of ``template``, checksums right."""
    view = PacketView(template)
    start = view.transport_offset
    header = bytearray(template[start : start + 20])
    struct.pack_into("!II", header, 4, segment.seq & MASK, segment.ack & MASK)
    header[12] = (5 + len(segment.options) // 4) << 4
    header[13] = segment.flags
    struct.pack_into("!H", header, 14, segment.window)
    if not segment.flags & 0x20:
        header[18:20] = b"\0\0"
    packet = bytearray(template[:start] + header + segment.options + segment.payload)
    if view.version == 6:
        struct.pack_into("!H", packet, 4, len(packet) - 40)
    else:
        struct.pack_into("!H", packet, 2, len(packet))
    return repaired(bytes(packet))
