"""Reading any capture: pcap and pcapng (draft-ietf-opsawg-pcap, -pcapng), plain, gzip, zstd or lz4, to IP packets.

``link_layer`` has the link types and tunnels. A packet of an interface that cannot be read is given with no data.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import importlib
import io
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import IO, NamedTuple

import lz4.frame
import zstandard

from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.packets.link_layer import LINK_TYPES, Strip, inner_packet
from raftmon.setup.errors import InputError

__all__ = ["CaptureNotes", "CapturedPacket", "is_capture", "network_layer", "read_capture"]

_MAX_PACKET = 1 << 24
_PIECE = 1 << 18
_PCAP_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_SECTION = 0x0A0D0D0A
_DAMAGED = (zlib.error, zstandard.ZstdError, RuntimeError)  # what unpackers raise; lz4's is a plain RuntimeError


class CapturedPacket(NamedTuple):
    """One packet: its number in the file from 1 (as Wireshark counts), time (ns, UTC epoch) and the IP packet.

    ``data`` is empty if the frame holds no IP. ``comment`` is the packet's comment in a pcapng file, and
    ``interface`` the name of its interface there.
    """

    number: int
    time_ns: int
    data: bytes
    interface: str = ""
    comment: str = ""


@dataclass(slots=True)
class CaptureNotes:
    """What a capture held beside packets that can be read.

    ``cut``: packets of which the file holds only the beginning (a snap length); ``tunnelled``: packets taken out of a
    tunnel; ``other_interfaces``: packets of interfaces whose link type cannot be read, by link type; ``broken``: why
    reading ended before the file did, empty if it did not.
    """

    packets: int = 0
    cut: int = 0
    tunnelled: int = 0
    no_ip: int = 0
    other_interfaces: Counter[int] = field(default_factory=Counter)
    broken: str = ""

    def sentences(self) -> list[str]:
        """Each note that says something, in words."""
        found = []
        if self.cut:
            found.append(
                f"the capture is cut: of {self.cut:,} of {self.packets:,} packets it holds only the beginning (a snap "
                "length), so their messages cannot be read; capture again with -s 0"
            )
        if self.tunnelled:
            found.append(f"{self.tunnelled:,} packets were taken out of a tunnel (VXLAN, GENEVE or GRE)")
        for link_type, count in sorted(self.other_interfaces.items()):
            found.append(f"{count:,} packets of an interface of link type {link_type}, which cannot be read")
        if self.no_ip and self.no_ip == self.packets:
            found.append("no packet of the capture holds IP")
        if self.broken:
            found.append(f"reading ended early: {self.broken}")
        return found


def network_layer(link_type: int) -> Strip:
    """The function that takes a frame of this link type to its IP packet; raises InputError if there is none."""
    if link_type not in LINK_TYPES:
        known = ", ".join(map(str, LINK_TYPES))
        raise InputError(f"link type {link_type} cannot be read; convert the capture to one of {known}")
    return LINK_TYPES[link_type]


def is_capture(path: Path) -> bool:
    """Whether the file begins like a pcap or pcapng file, gzipped or not."""
    try:
        with _open(path) as file:
            magic = file.read(4)
    except (OSError, EOFError, *_DAMAGED):
        return False
    return magic in _PCAP_MAGIC or magic == b"\x0a\x0d\x0d\x0a"


def read_capture(path: Path, notes: CaptureNotes | None = None) -> Iterator[CapturedPacket]:
    """The packets of a capture in file order. A file that ends in the middle of a packet ends before it.

    ``notes`` takes down what could not be read. Packets in tunnels are taken out of them.

    Raises InputError if the file cannot be opened, is no capture, or breaks off in its first lines.
    """
    try:
        file = _open(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give a pcap or pcapng file") from error
    notes = notes if notes is not None else CaptureNotes()
    with file:
        try:
            magic = file.read(4)
        except (EOFError, gzip.BadGzipFile, *_DAMAGED) as error:
            what = f"{path} begins like a packed file and cannot be unpacked ({error})"
            raise InputError(f"{what}; give a pcap or pcapng file, packed or not") from error
        try:
            if magic in _PCAP_MAGIC:
                yield from _pcap(file, *_PCAP_MAGIC[magic], path, notes)
            elif magic == b"\x0a\x0d\x0d\x0a":
                yield from _pcapng(file, path, notes)
            else:
                raise InputError(
                    f"{path} is not a capture: it begins with {magic.hex() or 'nothing'}; give a pcap or pcapng file"
                )
        except (EOFError, gzip.BadGzipFile, *_DAMAGED) as error:
            notes.broken = f"the packed file is damaged ({error})"  # what came before was handed out


def _open(path: Path) -> IO[bytes]:
    file = path.open("rb")
    magic = file.read(4)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return gzip.open(file, "rb")  # type: ignore[return-value]
    if magic == b"\x28\xb5\x2f\xfd":
        unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        return io.BufferedReader(unpacker.stream_reader(file, read_across_frames=True))
    if magic == b"\x04\x22\x4d\x18":
        return lz4.frame.open(file, "rb")  # type: ignore[no-any-return]
    return file


def _pcap(file: IO[bytes], order: str, tick_ns: int, path: Path, notes: CaptureNotes) -> Iterator[CapturedPacket]:
    head = file.read(20)
    if len(head) < 20:
        raise InputError(f"{path} breaks off in its header; record it again")
    link_type = struct.unpack(order + "HHiIII", head)[5] & 0x0FFFFFFF
    strip = network_layer(link_type)
    record = struct.Struct(order + "IIII")
    number, buffer, place = 0, b"", 0
    fast = _compiled()
    while True:
        if fast is not None:
            packets, place, plain = fast.pcap(
                buffer, place, order == "<", tick_ns, number, link_type, _MAX_PACKET,
                lambda frame, cut: _ip_packet(strip(frame), cut, notes),
            )  # fmt: skip
            notes.packets += plain
            number += len(packets)
            yield from packets
        while len(buffer) - place < 16 or (need := record.unpack_from(buffer, place)[2] + 16) > len(buffer) - place:
            if len(buffer) - place >= 16 and need > _MAX_PACKET:
                notes.broken = f"packet {number + 1} claims to hold {need - 16:,} bytes"
                return
            more = file.read(1 << 18)
            if not more:
                return
            buffer, place = buffer[place:] + more, 0
        seconds, fraction, size, whole = record.unpack_from(buffer, place)
        number += 1
        frame = buffer[place + 16 : place + 16 + size]
        place += 16 + size
        time_ns = seconds * 1_000_000_000 + fraction * tick_ns
        yield CapturedPacket(number, time_ns, _ip_packet(strip(frame), whole > size, notes))


def _ip_packet(packet: bytes, cut: bool, notes: CaptureNotes) -> bytes:
    """The packet that is looked at, out of its tunnel where it is in one; notes what there is to say."""
    notes.packets += 1
    if cut:
        notes.cut += 1
    if not packet:
        notes.no_ip += 1
        return packet
    inside = inner_packet(packet)
    if inside is None:
        return packet
    notes.tunnelled += 1
    return inside


class _Interface(NamedTuple):
    strip: Strip | None  # None: its link type cannot be read
    ticks_per_s: int
    name: str
    link_type: int


def _pcapng(file: IO[bytes], path: Path, notes: CaptureNotes) -> Iterator[CapturedPacket]:
    order = "<"
    kind, pending = _SECTION, True
    interfaces: list[_Interface] = []
    number = 0
    fast, plain_ones = _compiled(), list[tuple[int, int, str]]()
    source = _Source(file)
    file = source  # type: ignore[assignment]
    while True:
        if fast is not None and plain_ones and not pending:
            while True:
                packets, source.place = fast.pcapng(
                    source.buffer, source.place, order == "<", number, plain_ones, _MAX_PACKET
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
        if not 4 <= size <= _MAX_PACKET:
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
        piece = self._file.read(_PIECE)
        if piece:
            self.buffer, self.place = self.buffer[self.place :] + piece, 0
        return bool(piece)


def _as_plain(interface: _Interface) -> tuple[int, int, str]:
    """What the compiled reader asks of an interface; the link type is -1 where it cannot tell its times exactly."""
    whole = interface.strip is not None and 1_000_000_000 % interface.ticks_per_s == 0
    ticks_ns = 1_000_000_000 // interface.ticks_per_s
    return (interface.link_type if whole else -1, ticks_ns if whole else 0, interface.name)


@functools.cache
def _compiled() -> ModuleType | None:
    """The compiled reader of plain records, where it was built: it needs this module, so it is imported late."""
    if COMPILED:
        with contextlib.suppress(ImportError):
            return importlib.import_module("raftmon.monitor.packets._capture_records")
    return None


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
    return CapturedPacket(number, time_ns, _ip_packet(interface.strip(frame), cut, notes), interface.name, comment)
