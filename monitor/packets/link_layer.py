"""From a captured frame to its IP packet: link types, VLAN tags, PPPoE, NFLOG, and tunnels that carry IP.

Link types are those of https://www.tcpdump.org/linktypes.html. Tunnels: VXLAN (RFC 7348), GENEVE (RFC 8926), GRE
(RFC 2784, 2890).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

__all__ = ["LINK_TYPES", "Strip", "inner_packet"]

Strip = Callable[[bytes], bytes]
"""From a frame to the IP packet in it; empty if there is none."""

_VLAN = (b"\x81\x00", b"\x88\xa8", b"\x91\x00", b"\x92\x00")
_IP = (b"\x08\x00", b"\x86\xdd")
_PPPOE = b"\x88\x64"
_PPP_IP = (b"\x00\x21", b"\x00\x57")
_NFULA_PAYLOAD = 9
_VXLAN_PORT, _GENEVE_PORT = 4789, 6081
_TCP, _UDP, _GRE = b"\x06", 17, 47
_TRANSPARENT_ETHERNET = b"\x65\x58"
_MOST_TUNNELS = 4  # within one another


def _typed(ethertype: bytes, rest: bytes) -> bytes:
    """What stands behind an EtherType."""
    if ethertype in _IP:
        return rest
    if ethertype == _PPPOE and rest[6:8] in _PPP_IP:
        return rest[8:]
    return b""


def _ethernet(frame: bytes) -> bytes:
    ethertype, place = frame[12:14], 12
    if ethertype in _IP:
        return frame[14:]
    while ethertype in _VLAN:
        place += 4
        ethertype = frame[place : place + 2]
    return _typed(ethertype, frame[place + 2 :])


def _cooked(frame: bytes) -> bytes:
    place = 14
    while frame[place : place + 2] in _VLAN:
        place += 4
    return frame[place + 2 :]


def _ppp(frame: bytes) -> bytes:
    start = 2 if frame[:2] == b"\xff\x03" else 0  # address and control may be left out
    return frame[start + 2 :] if frame[start : start + 2] in _PPP_IP else b""


def _nflog(frame: bytes) -> bytes:
    """NFLOG: a header of 4 bytes, then attributes (16-bit length and type in the machine's order, padded to 4)."""
    place = 4
    while place + 4 <= len(frame):
        size, kind = struct.unpack_from("<HH", frame, place)
        if size < 4:
            return b""
        if kind & 0x7FFF == _NFULA_PAYLOAD:
            return frame[place + 4 : place + size]
        place += size + 3 & ~3
    return b""


def _raw(frame: bytes) -> bytes:
    return frame


def _after(size: int) -> Strip:
    def strip(frame: bytes) -> bytes:
        return frame[size:]

    return strip


LINK_TYPES: dict[int, Strip] = {
    0: _after(4),  # NULL: BSD loopback, a family word
    1: _ethernet,
    9: _ppp,
    12: _raw,
    14: _raw,
    50: _ppp,
    101: _raw,
    108: _after(4),
    113: _cooked,
    228: _raw,
    229: _raw,
    239: _nflog,
    276: _after(20),
}
"""Link type -> how its frames are taken to their IP packets."""


def inner_packet(packet: bytes) -> bytes | None:
    """The IP packet that a tunnel carries inside ``packet``; None if it is no tunnel that is known."""
    if packet[9:10] == _TCP:  # nearly every packet of a capture, so asked first; tunnels in IPv6 are not looked for
        return None
    found: bytes | None = None
    for _ in range(_MOST_TUNNELS):
        inside = _one_inside(found if found is not None else packet)
        if inside is None:
            break
        found = inside
    return found


def _one_inside(packet: bytes) -> bytes | None:
    if len(packet) < 28 or packet[0] >> 4 != 4 or packet[6] & 0x1F or packet[7]:  # later fragments have no header
        return None
    protocol = packet[9]
    if protocol not in (_UDP, _GRE):
        return None
    body = packet[(packet[0] & 0x0F) * 4 :]
    if protocol == _UDP:
        port = int.from_bytes(body[2:4], "big")
        if port == _VXLAN_PORT and body[8:9] and body[8] & 0x08:
            return _ethernet(body[16:])
        if port == _GENEVE_PORT and len(body) > 16:
            rest = body[16 + (body[8] & 0x3F) * 4 :]
            return _ethernet(rest) if body[10:12] == _TRANSPARENT_ETHERNET else _typed(body[10:12], rest)
    if protocol == _GRE and len(body) >= 4:
        flags = body[0]
        start = 4 + 4 * (bool(flags & 0x80) + bool(flags & 0x20) + bool(flags & 0x10))
        rest = body[start:]
        return _ethernet(rest) if body[2:4] == _TRANSPARENT_ETHERNET else _typed(body[2:4], rest)
    return None
