"""Reading anybody's capture: pcap and pcapng (draft-ietf-opsawg-pcap, -pcapng), gzipped or not, down to IP packets.

Link types: Ethernet (with VLAN tags), loopback (NULL, LOOP), raw IP, Linux cooked (SLL, SLL2).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from raftmon.setup.errors import InputError

__all__ = ["CapturedPacket", "is_capture", "network_layer", "read_capture"]

_MAX_PACKET = 1 << 24
_PCAP_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_SECTION = 0x0A0D0D0A


class CapturedPacket(NamedTuple):
    """One packet: its number in the file from 1 (as Wireshark counts), time (ns, UTC epoch) and the IP packet.

    ``data`` is empty where the frame holds no IP. ``comment`` is the packet's comment in a pcapng file, and
    ``interface`` the name of its interface there.
    """

    number: int
    time_ns: int
    data: bytes
    interface: str = ""
    comment: str = ""


def _ethernet(frame: bytes) -> bytes:
    place = 12
    while frame[place : place + 2] in (b"\x81\x00", b"\x88\xa8"):
        place += 4
    return frame[place + 2 :] if frame[place : place + 2] in (b"\x08\x00", b"\x86\xdd") else b""


def _raw(frame: bytes) -> bytes:
    return frame


def _after(size: int) -> Callable[[bytes], bytes]:
    def strip(frame: bytes) -> bytes:
        return frame[size:]

    return strip


_LINK_TYPES: dict[int, Callable[[bytes], bytes]] = {
    0: _after(4),  # NULL: BSD loopback, a family word
    1: _ethernet,
    12: _raw,
    14: _raw,
    101: _raw,
    108: _after(4),
    113: _after(16),
    228: _raw,
    229: _raw,
    276: _after(20),
}


def network_layer(link_type: int) -> Callable[[bytes], bytes]:
    """The function that takes a frame of this link type to its IP packet; raises InputError if there is none."""
    if link_type not in _LINK_TYPES:
        known = ", ".join(map(str, _LINK_TYPES))
        raise InputError(f"link type {link_type} cannot be read; convert the capture to one of {known}")
    return _LINK_TYPES[link_type]


def is_capture(path: Path) -> bool:
    """Whether the file begins like a pcap or pcapng file, gzipped or not."""
    try:
        with _open(path) as file:
            magic = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return magic in _PCAP_MAGIC or magic == b"\x0a\x0d\x0d\x0a"


def read_capture(path: Path) -> Iterator[CapturedPacket]:
    """The packets of a capture in file order. A file that ends in the middle of a packet ends before it.

    Raises InputError where the file cannot be opened, is no capture, or breaks off in its first lines.
    """
    try:
        file = _open(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give a pcap or pcapng file") from error
    with file:
        try:
            magic = file.read(4)
            if magic in _PCAP_MAGIC:
                yield from _pcap(file, *_PCAP_MAGIC[magic], path)
            elif magic == b"\x0a\x0d\x0d\x0a":
                yield from _pcapng(file, path)
            else:
                raise InputError(
                    f"{path} is not a capture: it begins with {magic.hex() or 'nothing'}; give a pcap or pcapng file"
                )
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return  # a cut gzip file: what came before the cut was handed out


def _open(path: Path) -> IO[bytes]:
    file = path.open("rb")
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    if packed:
        return gzip.open(file, "rb")  # type: ignore[return-value]
    return file


def _pcap(file: IO[bytes], order: str, tick_ns: int, path: Path) -> Iterator[CapturedPacket]:
    head = file.read(20)
    if len(head) < 20:
        raise InputError(f"{path} breaks off in its header; record it again")
    link_type = struct.unpack(order + "HHiIII", head)[5] & 0x0FFFFFFF
    strip = network_layer(link_type)
    record = struct.Struct(order + "IIII")
    number, buffer, place = 0, b"", 0
    while True:
        while len(buffer) - place < 16 or (need := record.unpack_from(buffer, place)[2] + 16) > len(buffer) - place:
            if len(buffer) - place >= 16 and need > _MAX_PACKET:
                return
            more = file.read(1 << 18)
            if not more:
                return
            buffer, place = buffer[place:] + more, 0
        seconds, fraction, size, _ = record.unpack_from(buffer, place)
        number += 1
        frame = buffer[place + 16 : place + 16 + size]
        place += 16 + size
        yield CapturedPacket(number, seconds * 1_000_000_000 + fraction * tick_ns, strip(frame))


class _Interface(NamedTuple):
    strip: Callable[[bytes], bytes]
    ticks_per_s: int
    name: str


def _pcapng(file: IO[bytes], path: Path) -> Iterator[CapturedPacket]:
    order = "<"
    kind, pending = _SECTION, True
    interfaces: list[_Interface] = []
    number = 0
    while True:
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
            interfaces = []
            size = struct.unpack(order + "I", head[4:])[0] - 12
        else:
            size = struct.unpack(order + "I", head[4:])[0] - 8
        if not 4 <= size <= _MAX_PACKET:
            return
        block = file.read(size)
        if len(block) < size:
            return
        if kind == 1:
            interfaces.append(_interface(block[:-4], order))
        elif kind in (6, 3):
            number += 1
            packet = _packet_block(kind, block[:-4], order, interfaces, number)
            if packet is None:
                raise InputError(f"{path}: packet {number} names an interface that the file does not describe")
            yield packet


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
    return _Interface(network_layer(link_type), ticks, name)


def _packet_block(
    kind: int, block: bytes, order: str, interfaces: list[_Interface], number: int
) -> CapturedPacket | None:
    if kind == 3:  # a Simple Packet Block: no time, the first interface
        if not interfaces:
            return None
        size = min(struct.unpack_from(order + "I", block)[0], len(block) - 4)
        return CapturedPacket(number, 0, interfaces[0].strip(block[4 : 4 + size]), interfaces[0].name)
    if len(block) < 20:
        return None
    index, high, low, size, _ = struct.unpack_from(order + "IIIII", block)
    if index >= len(interfaces):
        return None
    interface = interfaces[index]
    ticks = high << 32 | low
    comment = ""
    options = 20 + (size + 3 & ~3)
    if options < len(block):
        for code, value in _options(block[options:], order):
            if code == 1:
                comment = value.decode("utf-8", "replace")
    time_ns = ticks * 1_000_000_000 // interface.ticks_per_s
    return CapturedPacket(number, time_ns, interface.strip(block[20 : 20 + size]), interface.name, comment)
