"""Which link a packet is on, and how its addresses change between arrival, delivery and the record.

A peer packet arrives as real source -> presented destination, leaves as presented source -> real destination, and is
recorded as real -> real. Where the source moves by +k and the destination by -k no checksum changes (the idea of
checksum-neutral prefixes, RFC 6296); elsewhere checksums are repaired incrementally (RFC 1624). Pure: no I/O.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from dataclasses import dataclass

from raftmon.monitor.config import MonitorConfig
from raftmon.setup.topology import Link

__all__ = ["AddressBook", "Route", "is_neutral", "readdress", "readdresser"]

_TCP, _UDP = 6, 17
_MOST_CONNECTIONS = 65_536
_CHECKSUM_OFFSET = {_TCP: 16, _UDP: 6}


@dataclass(frozen=True, slots=True)
class Route:
    """One directed link as the monitor sees it: 8 bytes of IPv4 source and destination (32 of IPv6) at each stage."""

    link_id: int
    link: Link
    arrival: bytes
    delivery: bytes
    recorded: bytes

    @property
    def moves(self) -> bool:
        """Whether the monitor changes the packet's addresses."""
        return self.arrival != self.delivery


def _word_sum(data: bytes) -> int:
    return int.from_bytes(data, "big") % 0xFFFF  # 2**16 = 1 modulo 2**16 - 1: the ones' complement sum


def is_neutral(old: bytes, new: bytes) -> bool:
    """Whether putting ``new`` in the place of ``old`` (even length) leaves an Internet checksum valid."""
    return _word_sum(old) == _word_sum(new)


def _repaired(checksum: bytes, old_sum: int, new_sum: int) -> bytes:
    """RFC 1624, equation 3: HC' = ~(~HC + ~m + m')."""
    total = (0xFFFF - int.from_bytes(checksum, "big")) + (0xFFFF - old_sum) + new_sum
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return (0xFFFF - total).to_bytes(2, "big")


def readdress(data: bytes, addresses: bytes) -> bytes:
    """The IP packet ``data`` with other ``addresses`` (source and destination, 8 or 32 bytes), checksums kept as good.

    What was a valid checksum stays valid, what was wrong stays wrong by the same amount. Only the first fragment of a
    datagram carries a transport checksum. A header too short for one is left as it is. Under IPv6 the transport's
    checksum is repaired only where its header follows directly.
    """
    start = 12 if len(addresses) == 8 else 8
    end = start + len(addresses)
    old = data[start:end]
    if old == addresses:
        return data
    if is_neutral(old, addresses):
        return data[:start] + addresses + data[end:]
    old_sum, new_sum = _word_sum(old), _word_sum(addresses)
    packet = bytearray(data)
    packet[start:end] = addresses
    if start == 12:
        packet[10:12] = _repaired(data[10:12], old_sum, new_sum)
        header_length, protocol = (data[0] & 15) * 4, data[9]
        first_fragment = not ((data[6] & 0x1F) | data[7])
    else:
        header_length, protocol, first_fragment = 40, data[6], True
    offset = _CHECKSUM_OFFSET.get(protocol)
    if offset is not None and first_fragment:
        at = header_length + offset
        checksum = data[at : at + 2]
        absent = protocol == _UDP and checksum == b"\0\0"  # RFC 768: a UDP sender may leave it out
        if len(checksum) == 2 and not absent:
            repaired = _repaired(checksum, old_sum, new_sum)
            if protocol == _UDP and repaired == b"\0\0":
                repaired = b"\xff\xff"
            packet[at : at + 2] = repaired
    return bytes(packet)


def readdresser(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """``readdress`` to ``new`` for packets that carry ``old``, with everything worked out that depends on these alone.

    Packets without IP options that carry TCP take a short way: most packets do, and there are many.
    """
    if old == new:
        return lambda data: data
    if len(old) != 8 or is_neutral(old, new):
        return lambda data: readdress(data, new)
    change = (0xFFFF - _word_sum(old) + _word_sum(new)) % 0xFFFF
    pack = struct.Struct(">H8s16sH").pack

    def change_tcp(data: bytes) -> bytes:
        if data[0] != 0x45 or data[9] != _TCP or data[6] & 0x1F or data[7] or len(data) < 40:
            return readdress(data, new)
        header = (0xFFFF ^ (data[10] << 8 | data[11])) + change
        segment = (0xFFFF ^ (data[36] << 8 | data[37])) + change
        header = 0xFFFF ^ ((header & 0xFFFF) + (header >> 16))
        segment = 0xFFFF ^ ((segment & 0xFFFF) + (segment >> 16))
        return b"".join((data[:10], pack(header, new, data[20:36], segment), data[38:]))

    return change_tcp


class AddressBook:
    """Finds the route of a packet by its address pair, or by its ports where hosts share an address.

    ``by_pair`` maps source and destination as they are in the header (8 or 32 bytes) to a Route. ``owner`` finds the
    node at a connection's ephemeral port (see raftmon.monitor.attach.port_owners), given that port and the one it
    dialled.
    """

    def __init__(self, config: MonitorConfig, owner: Callable[[int, int], str | None] = lambda *_: None) -> None:
        self.links = config.links()
        self.by_pair: dict[bytes, Route] = {}
        self._owner = owner
        self._shared: set[bytes] = set()
        self._ports = {host.port: host.name for host in config.hosts if host.port is not None}
        self._link_ids = {(link.source, link.target): link_id for link_id, link in enumerate(self.links)}
        self._by_ports: dict[bytes, Route | None] = {}
        addresses = [host.address for host in config.hosts]
        shared = {address for address in addresses if addresses.count(address) > 1}
        self._recorders: dict[int, dict[int, Callable[[bytes], bytes]]] = {4: {}, 6: {}}
        hosts = {host.name: host for host in config.hosts}
        for link_id, link in enumerate(self.links):
            source, target = hosts[link.source], hosts[link.target]
            if source.address in shared and target.address in shared:
                self._shared.add(_pack(source.address, target.address))
                continue
            self._add(link_id, link, source.address, source.presented, target.address, target.presented)
            if source.address6 and target.address6:
                self._add(link_id, link, source.address6, source.presented6, target.address6, target.presented6)

    def _add(
        self, link_id: int, link: Link, source: str, source_shown: str | None, target: str, target_shown: str | None
    ) -> None:
        real = _pack(source, target)
        if source_shown is None or target_shown is None:  # a client, which is presented to nobody, uses real addresses
            route = Route(link_id, link, real, real, real)
        else:
            route = Route(link_id, link, _pack(source, target_shown), _pack(source_shown, target), real)
        self.by_pair[route.arrival] = route
        if route.moves:
            self._recorders[4 if len(real) == 8 else 6][link_id] = readdresser(route.arrival, route.recorded)

    def find(self, data: bytes, pair: bytes) -> Route | None:
        """The route of the packet ``data`` whose addresses are ``pair``; None if it is nobody's."""
        route = self.by_pair.get(pair)
        return route if route is not None or pair not in self._shared else self._find_by_ports(data, pair)

    def _find_by_ports(self, data: bytes, pair: bytes) -> Route | None:
        """Where hosts share addresses: one port is a node's own, the other belongs to whoever dialled it."""
        start = (data[0] & 15) * 4 if len(pair) == 8 else 40
        ports = data[start : start + 4]
        if len(ports) < 4 or (data[9] if len(pair) == 8 else data[6]) not in (_TCP, _UDP):
            return None
        key = pair + ports
        begins = data[start + 13 : start + 14] and data[start + 13] & 0x12 == 2  # SYN alone: the port may be anew
        if key in self._by_ports and not begins:
            return self._by_ports[key]
        source_port, target_port = int.from_bytes(ports[:2], "big"), int.from_bytes(ports[2:], "big")
        source = self._ports.get(source_port) or self._owner(source_port, target_port)
        target = self._ports.get(target_port) or self._owner(target_port, source_port)
        link_id = self._link_ids.get((source or "", target or ""))
        route = None if link_id is None else Route(link_id, self.links[link_id], pair, pair, pair)
        if len(self._by_ports) >= _MOST_CONNECTIONS:
            self._by_ports.clear()  # they are found again, one by one
        self._by_ports[key] = route
        return route

    def present(self, data: bytes) -> bytes:
        """The packet ``data`` (arrival addresses) as it would be delivered."""
        route = self.find(data, data[12:20] if data[0] >> 4 == 4 else data[8:40])
        return data if route is None or not route.moves else readdress(data, route.delivery)

    def recorder(self, link_id: int) -> Callable[[bytes], bytes]:
        """The function that turns packets of a link from arrival addresses into those of the record."""
        four, six = self._recorders[4].get(link_id), self._recorders[6].get(link_id)

        def record(data: bytes) -> bytes:
            change = four if data[0] >> 4 == 4 else six
            return data if change is None else change(data)

        return record if six is not None else four or (lambda data: data)


def _pack(source: str, target: str) -> bytes:
    return ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
