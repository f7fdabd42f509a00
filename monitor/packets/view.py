"""A read-only view on one IP packet's bytes: the header fields a rule asks for, by struct, without scapy.

IPv4 with options (RFC 791), IPv6 with extension headers (RFC 8200), TCP (RFC 9293), UDP, ICMP and whatever else comes.
Nothing here raises on hostile bytes: a field that is not there is None, and ``malformed`` says in words what was wrong.
"""

from __future__ import annotations

import socket
from struct import Struct
from typing import Any

from raftmon.setup.topology import Link

__all__ = ["ACK", "FIN", "ICMP", "ICMPV6", "PSH", "RST", "SYN", "TCP", "UDP", "URG", "Connection", "PacketView"]

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20

Connection = tuple[tuple[str, int], tuple[str, int]]

_IPV4 = Struct("!BxHxxHBB").unpack_from  # version and header length, total length, fragment, ttl, protocol
_IPV6 = Struct("!xxxxHBB").unpack_from  # payload length, next header, hop limit
_TCP = Struct("!HHIIBBH").unpack_from
_PORTS = Struct("!HH").unpack_from
_FRAGMENT6 = Struct("!BxH").unpack_from
_EXTENSIONS = frozenset({0, 43, 44, 51, 60, 135, 139, 140})  # RFC 8200 section 4, RFC 4302, 6275, 7401, 5533
_FRAGMENT, _AUTHENTICATION, _NO_NEXT = 44, 51, 59
_MAX_EXTENSIONS = 16


class PacketView:
    """One packet as it arrived. Build it from the packet's bytes, its directed link and its arrival time.

    ``version`` is 4 or 6, None if the bytes are not IP. ``protocol`` is the transport's number (6 is TCP).
    ``source_port`` and ``target_port`` are there for TCP and UDP, except in later fragments. ``flags``, ``seq``,
    ``ack`` (the number) and ``window`` are there for TCP. ``size`` is the whole packet in bytes,
    ``ttl`` the time to live or hop limit, ``now_ns`` CLOCK_MONOTONIC. ``transport_offset``, ``payload_offset`` and
    ``end`` are byte offsets in ``data``; padding after the IP packet is outside ``end``.
    """

    __slots__ = (
        "_payload", "ack", "data", "end", "flags", "is_fragment", "link", "malformed", "now_ns", "payload_offset",
        "protocol", "seq", "size", "source_port", "target_port", "transport_offset", "ttl", "version", "window",
    )  # fmt: skip

    def __init__(self, data: bytes, link: Link | None = None, now_ns: int = 0) -> None:
        self.data = data
        self.link = link
        self.now_ns = now_ns
        self.size = size = len(data)
        self.version: int | None = None
        self.protocol: int | None = None
        self.source_port: int | None = None
        self.target_port: int | None = None
        self.flags: int | None = None
        self.seq: int | None = None
        self.ack: int | None = None
        self.window: int | None = None
        self.ttl: int | None = None
        self.is_fragment = False
        self.malformed: str | None = None
        self.transport_offset = self.payload_offset = self.end = size
        self._payload: bytes | None = None
        # The common case, IPv4 and TCP, is written out here: a call costs more than the parsing.
        if size >= 20 and 0x45 <= data[0] <= 0x4F:
            first, total, fragment, ttl, protocol = _IPV4(data)
            self.version = 4
            self.ttl = ttl
            self.protocol = protocol
            offset = (first & 0x0F) * 4
            if total != size and not self._set_end(total, offset):
                return
            if offset > self.end:
                self._refuse(f"IPv4 header of {offset} bytes in a packet of {self.end}")
                return
            self.transport_offset = self.payload_offset = offset
            if fragment & 0x3FFF:
                self.is_fragment = True
                if fragment & 0x1FFF:  # not the first one: there is no transport header here
                    return
            self._parse_transport(protocol, offset)
        else:
            self._parse_other()

    def _set_end(self, total: int, header: int) -> bool:
        if total > self.size:
            self._refuse(f"total length {total} in a packet of {self.size} bytes")
            return False
        if total < header:
            self._refuse(f"total length {total} is shorter than the header of {header} bytes")
            return False
        self.end = total
        return True

    def _refuse(self, reason: str) -> None:
        self.malformed = reason
        self.transport_offset = self.payload_offset = self.end

    def _parse_other(self) -> None:
        """IPv6, and everything that is no IP packet at all."""
        data = self.data
        if not data:
            self._refuse("empty packet")
            return
        version = data[0] >> 4
        if version == 6 and self.size >= 40:
            self._parse_ipv6()
        elif version in (4, 6):
            self.version = version
            if version == 4 and self.size >= 20:
                self._refuse(f"IPv4 header length of {(data[0] & 15) * 4} bytes, at least 20 are needed")
            else:
                self._refuse(f"short IPv{version} header: {self.size} bytes")
        else:
            self._refuse(f"IP version {version}")

    def _parse_ipv6(self) -> None:
        data = self.data
        length, following, self.ttl = _IPV6(data)
        self.version = 6
        if not self._set_end(40 + length, 40):
            return
        offset = 40
        for _ in range(_MAX_EXTENSIONS):
            if following not in _EXTENSIONS:
                break
            if offset + 8 > self.end:
                self._refuse(f"IPv6 extension header {following} cut short at byte {offset}")
                return
            kind, following = following, data[offset]
            if kind == _FRAGMENT:
                fragment = _FRAGMENT6(data, offset)[1]
                self.is_fragment = bool(fragment & 0xFFF9)
                step = 8
            else:
                fragment = 0
                step = (data[offset + 1] + 2) * 4 if kind == _AUTHENTICATION else (data[offset + 1] + 1) * 8
            offset += step
            if offset > self.end:
                self._refuse(f"IPv6 extension header {kind} reaches past the packet's end")
                return
            if fragment & 0xFFF8:
                self.protocol = following
                self.transport_offset = self.payload_offset = offset
                return
        else:
            self._refuse(f"more than {_MAX_EXTENSIONS} IPv6 extension headers")
            return
        self.protocol = following
        self.transport_offset = self.payload_offset = offset
        if following != _NO_NEXT:
            self._parse_transport(following, offset)

    def _parse_transport(self, protocol: int, offset: int) -> None:
        end = self.end
        if protocol == 6:
            if end - offset < 20:
                self.malformed = f"short TCP header: {end - offset} bytes"
                self.payload_offset = end
                return
            source, target, seq, ack, header, flags, window = _TCP(self.data, offset)
            self.source_port = source
            self.target_port = target
            self.flags = flags
            self.seq = seq
            self.ack = ack
            self.window = window
            header = (header >> 4) * 4
            if header < 20 or offset + header > end:
                self.malformed = f"TCP header length of {header} bytes in a segment of {end - offset}"
                self.payload_offset = end
            else:
                self.payload_offset = offset + header
        elif protocol == UDP:
            if end - offset < 8:
                self.malformed = f"short UDP header: {end - offset} bytes"
                self.payload_offset = end
                return
            self.source_port, self.target_port = _PORTS(self.data, offset)
            length = int.from_bytes(self.data[offset + 4 : offset + 6], "big")
            # Zero is IPv6's jumbogram (RFC 2675); a first fragment rightly claims more than it holds.
            if 0 < length < 8 or (length > end - offset and not self.is_fragment):
                self.malformed = f"UDP length {length} in a datagram of {end - offset} bytes"
                self.payload_offset = end
                return
            self.payload_offset = offset + 8
        elif protocol in (ICMP, ICMPV6):
            if end - offset < 8:
                self.malformed = f"short ICMP header: {end - offset} bytes"
                self.payload_offset = end
            else:
                self.payload_offset = offset + 8

    @property
    def source(self) -> str | None:
        """The name of the host it came from, None if the link is unknown."""
        return self.link.source if self.link is not None else None

    @property
    def target(self) -> str | None:
        """The name of the host it goes to, None if the link is unknown."""
        return self.link.target if self.link is not None else None

    def _address(self, first4: int, first6: int) -> str | None:
        if self.version == 4 and self.size >= 20:
            return socket.inet_ntop(socket.AF_INET, self.data[first4 : first4 + 4])
        if self.version == 6 and self.size >= 40:
            return socket.inet_ntop(socket.AF_INET6, self.data[first6 : first6 + 16])
        return None

    @property
    def source_address(self) -> str | None:
        """The address it carries as its source: on arrival the sender's real one."""
        return self._address(12, 8)

    @property
    def target_address(self) -> str | None:
        """The address it carries as its target: on arrival the one the sender knows, which may be a presented one."""
        return self._address(16, 24)

    @property
    def payload(self) -> bytes:
        """What the transport carries (after the IP header where the transport is unknown); empty where malformed."""
        payload = self._payload
        if payload is None:
            payload = self._payload = self.data[self.payload_offset : self.end]
        return payload

    @property
    def payload_size(self) -> int:
        """The payload's length in bytes, without cutting it out."""
        return self.end - self.payload_offset

    @property
    def syn(self) -> bool:
        """TCP's SYN flag: the start of a connection."""
        return bool((self.flags or 0) & SYN)

    @property
    def is_ack(self) -> bool:
        """TCP's ACK flag (``ack`` is the acknowledgement number)."""
        return bool((self.flags or 0) & ACK)

    @property
    def fin(self) -> bool:
        """TCP's FIN flag: the sender's last byte."""
        return bool((self.flags or 0) & FIN)

    @property
    def rst(self) -> bool:
        """TCP's RST flag: the connection is broken off."""
        return bool((self.flags or 0) & RST)

    @property
    def psh(self) -> bool:
        """TCP's PSH flag: usually the end of one write."""
        return bool((self.flags or 0) & PSH)

    @property
    def flow(self) -> bytes:
        """A key of everything going the same way in the same connection: addresses, protocol and ports as bytes."""
        end = self.transport_offset + 4 if self.source_port is not None else self.transport_offset
        addresses = self.data[12:20] if self.version == 4 else self.data[8:40]
        return addresses + bytes((self.protocol or 0,)) + self.data[self.transport_offset : end]

    @property
    def connection(self) -> Connection | None:
        """The two ends as ``((host, port), (host, port))``, the same for both directions; None without ports.

        Hosts are names where the link is known, since under presented addresses the two directions of a connection
        bear different pairs of addresses; they are addresses where it is not.
        """
        source, target = self.source_port, self.target_port
        if source is None or target is None:
            return None
        if self.link is not None:
            here, there = (self.link.source, source), (self.link.target, target)
        else:
            here, there = (self.source_address or "", source), (self.target_address or "", target)
        return (here, there) if here <= there else (there, here)

    def scapy(self) -> Any:
        """The packet as a scapy ``IP`` or ``IPv6`` object (``Raw`` where it is neither). Slow: about a millisecond."""
        from scapy.layers.inet import IP  # importing scapy costs half a second: only who asks for it pays
        from scapy.layers.inet6 import IPv6
        from scapy.packet import Raw

        return {4: IP, 6: IPv6}.get(self.version or 0, Raw)(self.data)

    def __repr__(self) -> str:
        ends = f"{self.source_address}:{self.source_port} > {self.target_address}:{self.target_port}"
        trouble = f" malformed: {self.malformed}" if self.malformed else ""
        return f"<PacketView {self.link or ''} {ends} protocol {self.protocol} {self.size} B{trouble}>"
