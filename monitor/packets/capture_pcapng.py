"""Reading pcapng (draft-ietf-opsawg-pcapng), block by block."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from raftmon.monitor.packets.captured import MAX_PACKET, PIECE, CapturedPacket, CaptureNotes, compiled, ip_packet
from raftmon.monitor.packets.link_layer import LINK_TYPES, Strip
from raftmon.setup.errors import InputError

__all__ = ["read_pcapng"]

_SECTION = 0x0A0D0D0A


class _Interface(NamedTuple):
    strip: Strip | None  # None: its link type cannot be read
    ticks_per_s: int
    name: str
    link_type: int


def read_pcapng(file: IO[bytes], path: Path, notes: CaptureNotes) -> Iterator[CapturedPacket]:
    """The packets of a file whose first four bytes were read already; see ``capture_reader.read_capture``."""
    order = "<"
    kind, pending = _SECTION, True
    interfaces: list[_Interface] = []
    number = 0
    fast, plain_ones = compiled(), list[tuple[int, int, str]]()
    source = _Source(file)
    file = source  # type: ignore[assignment]
    while True:
        if fast is not None and plain_ones and not pending:
            while True:
                packets, source.place = fast.pcapng(
                    source.buffer, source.place, order == "<", number, plain_ones, MAX_PACKET
                )
                notes.packets += len(packets)
                number += len(packets)
                yield from packets
                if not packets or not source.more():
                    break
        if pending:
            head, pending = b"\x0a\x0d\x0d\x0a" + file.read(4), False
        else:
            head = file.read(8)
        if len(head) < 8:
            return
        kind = struct.unpack(order + "I", head[:4])[0]
        if kind == _SECTION:
            magic = file.read(4)
            order = "<" if magic == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces, plain_ones = [], []
            size = struct.unpack(order + "I", head[4:])[0] - 12
        else:
            size = struct.unpack(order + "I", head[4:])[0] - 8
        if not 4 <= size <= MAX_PACKET:
            notes.broken = f"a block of {size + 8:,} bytes behind packet {number}"
            return
        block = file.read(size)
        if len(block) < size:
            return
        if kind == 1:
            interfaces.append(_interface(block[:-4], order))
            plain_ones.append(_as_plain(interfaces[-1]))
        elif kind in _PACKET_BLOCKS:
            number += 1
            if len(block) - 4 < (4 if kind == _SIMPLE else 20):
                notes.broken = f"packet {number} is a block too short to hold one"
                return
            packet = _packet_block(kind, block[:-4], order, interfaces, number, notes)
            if packet is None:
                raise InputError(f"{path}: packet {number} names an interface that the file does not describe")
            yield packet


class _Source:
    """A file read in large pieces, of which whole blocks can be taken where they lie."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.buffer, self.place = b"", 0

    def read(self, size: int) -> bytes:
        """As ``file.read``."""
        while len(self.buffer) - self.place < size and self.more():
            pass
        found = self.buffer[self.place : self.place + size]
        self.place += len(found)
        return found

    def more(self) -> bool:
        """Read on; whether there was more."""
        piece = self._file.read(PIECE)
        if piece:
            self.buffer, self.place = self.buffer[self.place :] + piece, 0
        return bool(piece)


def _as_plain(interface: _Interface) -> tuple[int, int, str]:
    """What the compiled reader asks of an interface; the link type is -1 where it cannot tell its times exactly."""
    whole = interface.strip is not None and 1_000_000_000 % interface.ticks_per_s == 0
    ticks_ns = 1_000_000_000 // interface.ticks_per_s
    return (interface.link_type if whole else -1, ticks_ns if whole else 0, interface.name)


def _options(raw: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 4 <= len(raw):
        code, size = struct.unpack_from(order + "HH", raw, place)
        if code == 0:
            return
        yield code, raw[place + 4 : place + 4 + size]
        place += 4 + (size + 3 & ~3)


def _interface(block: bytes, order: str) -> _Interface:
    link_type = struct.unpack_from(order + "H", block)[0] if len(block) >= 8 else -1
    ticks, name = 1_000_000, ""
    for code, value in _options(block[8:], order):
        if code == 9 and value:
            ticks = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == 2:
            name = value.decode("utf-8", "replace")
    return _Interface(LINK_TYPES.get(link_type), ticks, name, link_type)


_SIMPLE, _OBSOLETE, _ENHANCED = 3, 2, 6
_PACKET_BLOCKS = (_SIMPLE, _OBSOLETE, _ENHANCED)


def _packet_block(
    kind: int, block: bytes, order: str, interfaces: list[_Interface], number: int, notes: CaptureNotes
) -> CapturedPacket | None:
    """One packet; None if it names an interface that is not there. Simple blocks have no time."""
    if kind == _SIMPLE:
        if not interfaces:
            return None
        whole = struct.unpack_from(order + "I", block)[0]
        size = min(whole, len(block) - 4)
        return _captured(number, 0, block[4 : 4 + size], whole > size, interfaces[0], "", notes)
    if kind == _OBSOLETE:
        index, _drops, high, low, size, whole = struct.unpack_from(order + "HHIIII", block)
    else:
        index, high, low, size, whole = struct.unpack_from(order + "IIIII", block)
    if index >= len(interfaces):
        return None
    interface = interfaces[index]
    comment = ""
    options = 20 + (size + 3 & ~3)
    if options < len(block):
        for code, value in _options(block[options:], order):
            if code == 1:
                comment = value.decode("utf-8", "replace")
    time_ns = (high << 32 | low) * 1_000_000_000 // interface.ticks_per_s
    return _captured(number, time_ns, block[20 : 20 + size], whole > size, interface, comment, notes)


def _captured(
    number: int, time_ns: int, frame: bytes, cut: bool, interface: _Interface, comment: str, notes: CaptureNotes
) -> CapturedPacket:
    if interface.strip is None:
        notes.packets += 1
        notes.other_interfaces[interface.link_type] += 1
        return CapturedPacket(number, time_ns, b"", interface.name, comment)
    return CapturedPacket(number, time_ns, ip_packet(interface.strip(frame), cut, notes), interface.name, comment)
