"""Writes pcapng (draft-ietf-opsawg-pcapng): raw IP packets, one interface a name, nanosecond times, comments.

``PcapngWriter`` makes bytes and leaves the writing to its caller, who thereby decides when whole blocks reach the disk.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

__all__ = ["LINKTYPE_RAW", "PcapngWriter"]

LINKTYPE_RAW = 101  # packets begin with an IPv4 or IPv6 header
_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_OPT_END, _OPT_COMMENT, _OPT_IF_NAME, _OPT_USERAPPL, _OPT_IF_TSRESOL = 0, 1, 2, 4, 9
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")
_MOST_OPTION_BYTES = 65_535
_packet_head = struct.Struct("<IIIIIII").pack
_length = struct.Struct("<I").pack


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + _PADDING[len(value) & 3]


def _block(kind: int, body: bytes) -> bytes:
    length = _length(len(body) + 12)
    return _length(kind) + length + body + length


class PcapngWriter:
    """Makes the blocks of one pcapng section.

    ``wall_offset_ns`` is added to every time to make it nanoseconds since 1970.
    """

    def __init__(self, interfaces: Iterable[str], wall_offset_ns: int, application: str) -> None:
        self.wall_offset_ns = wall_offset_ns
        self._names: list[str] = []
        section = struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1)
        section += _option(_OPT_USERAPPL, application.encode()) + _option(_OPT_END, b"")
        self.header = _block(_SECTION, section) + b"".join(self.interface(name) for name in interfaces)

    def interface(self, name: str) -> bytes:
        """The block that describes one more interface; interfaces are numbered from 0 in the order they are made."""
        self._names.append(name)
        body = struct.pack("<HHI", LINKTYPE_RAW, 0, 0)  # a snap length of 0: nothing is cut
        body += _option(_OPT_IF_NAME, name.encode()) + _option(_OPT_IF_TSRESOL, b"\x09") + _option(_OPT_END, b"")
        return _block(_INTERFACE, body)

    def packet(self, interface: int, time_ns: int, data: bytes, comment: str = "") -> bytes:
        """One enhanced packet block; ``time_ns`` is before ``wall_offset_ns``, ``comment`` any text."""
        stamp = time_ns + self.wall_offset_ns
        size = len(data)
        padding = _PADDING[size & 3]
        if not comment:
            total = 32 + size + len(padding)
            head = _packet_head(_PACKET, total, interface, stamp >> 32, stamp & 0xFFFFFFFF, size, size)
            return b"".join((head, data, padding, _length(total)))
        options = _option(_OPT_COMMENT, comment.encode()[:_MOST_OPTION_BYTES]) + _option(_OPT_END, b"")
        total = 32 + size + len(padding) + len(options)
        head = _packet_head(_PACKET, total, interface, stamp >> 32, stamp & 0xFFFFFFFF, size, size)
        return b"".join((head, data, padding, options, _length(total)))
