"""Reading any capture: pcap and pcapng (draft-ietf-opsawg-pcap, -pcapng), plain, gzip, zstd or lz4, to IP packets.

``link_layer`` has the link types and tunnels. A packet of an interface that cannot be read is given with no data.
"""

from __future__ import annotations

import gzip
import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import lz4.frame
import zstandard

from raftmon.monitor.packets.capture_pcapng import read_pcapng
from raftmon.monitor.packets.captured import MAX_PACKET, PIECE, CapturedPacket, CaptureNotes, compiled, ip_packet
from raftmon.monitor.packets.link_layer import LINK_TYPES, Strip
from raftmon.setup.errors import InputError

__all__ = ["CaptureNotes", "CapturedPacket", "is_capture", "network_layer", "read_capture"]

_PCAP_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_DAMAGED = (zlib.error, zstandard.ZstdError, RuntimeError)  # what unpackers raise; lz4's is a plain RuntimeError


def network_layer(link_type: int) -> Strip:
    """The function that takes a frame of this link type to its IP packet; raises InputError if there is none."""
    if link_type not in LINK_TYPES:
        known = ", ".join(map(str, LINK_TYPES))
        raise InputError(f"link type {link_type} cannot be read; convert the capture to one of {known}")
    return LINK_TYPES[link_type]


def is_capture(path: Path) -> bool:
    """Whether the file begins like a pcap or pcapng file, gzipped or not."""
    try:
        with _unpacked(path.open("rb")) as file:
            magic = file.read(4)
    except (OSError, EOFError, *_DAMAGED):
        return False
    return magic in _PCAP_MAGIC or magic == b"\x0a\x0d\x0d\x0a"


def read_capture(path: Path, notes: CaptureNotes | None = None) -> Iterator[CapturedPacket]:
    """The packets of a capture in file order. A file that ends in the middle of a packet ends before it.

    ``notes`` takes down what could not be read. Packets in tunnels are taken out of them.

    Raises InputError if the file cannot be opened, is no capture, or breaks off in its first lines.
    """
    notes = notes if notes is not None else CaptureNotes()
    try:
        notes.file = path.open("rb")
        notes.size = os.fstat(notes.file.fileno()).st_size
        file = _unpacked(notes.file)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give a pcap or pcapng file") from error
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
                yield from read_pcapng(file, path, notes)
            else:
                raise InputError(
                    f"{path} is not a capture: it begins with {magic.hex() or 'nothing'}; give a pcap or pcapng file"
                )
        except (EOFError, gzip.BadGzipFile, *_DAMAGED) as error:
            notes.broken = f"the packed file is damaged ({error})"  # what came before was handed out


def _unpacked(file: IO[bytes]) -> IO[bytes]:
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
    fast = compiled()
    while True:
        if fast is not None:
            packets, place, plain = fast.pcap(
                buffer, place, order == "<", tick_ns, number, link_type, MAX_PACKET,
                lambda frame, cut: ip_packet(strip(frame), cut, notes),
            )  # fmt: skip
            notes.packets += plain
            number += len(packets)
            yield from packets
        while len(buffer) - place < 16 or (need := record.unpack_from(buffer, place)[2] + 16) > len(buffer) - place:
            if len(buffer) - place >= 16 and need > MAX_PACKET:
                notes.broken = f"packet {number + 1} claims to hold {need - 16:,} bytes"
                return
            more = file.read(PIECE)
            if not more:
                return
            buffer, place = buffer[place:] + more, 0
        seconds, fraction, size, whole = record.unpack_from(buffer, place)
        number += 1
        frame = buffer[place + 16 : place + 16 + size]
        place += 16 + size
        time_ns = seconds * 1_000_000_000 + fraction * tick_ns
        yield CapturedPacket(number, time_ns, ip_packet(strip(frame), whole > size, notes))
