"""Conditions on what a packet's headers say."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.rules.actions.checked import check_number
from raftmon.monitor.rules.conditions.tree import Connections, Leaf, Test
from raftmon.setup.errors import InputError

__all__ = ["Address", "Family", "Flag", "Fragment", "Malformed", "Port", "ProtocolIs"]


@dataclass(frozen=True, slots=True)
class Port(Leaf):
    """TCP or UDP with one of these ports at either end, or at the end named."""

    ports: frozenset[int]
    end: Literal["either", "source", "target"] = "either"

    def __post_init__(self) -> None:
        for port in self.ports:
            check_number("a port", port, 0, 65535, whole=True)

    def compile(self, connections: Connections) -> Test:
        """One comparison where there is one port, which is nearly always."""
        ports = self.ports
        if len(ports) == 1:
            port = next(iter(ports))
            if self.end == "source":
                return lambda view: view.source_port == port
            if self.end == "target":
                return lambda view: view.target_port == port
            return lambda view: view.target_port == port or view.source_port == port
        if self.end == "source":
            return lambda view: view.source_port in ports
        if self.end == "target":
            return lambda view: view.target_port in ports
        return lambda view: view.target_port in ports or view.source_port in ports


@dataclass(frozen=True, slots=True)
class ProtocolIs(Leaf):
    """Packets of one transport, by its number (6 is TCP)."""

    number: int

    def __post_init__(self) -> None:
        check_number("a protocol's number", self.number, 0, 255, whole=True)

    def compile(self, connections: Connections) -> Test:
        """One comparison."""
        number = self.number
        return lambda view: view.protocol == number


@dataclass(frozen=True, slots=True)
class Family(Leaf):
    """IPv4 or IPv6 packets."""

    version: Literal[4, 6]

    def compile(self, connections: Connections) -> Test:
        """One comparison."""
        version = self.version
        return lambda view: view.version == version


@dataclass(frozen=True, slots=True)
class Flag(Leaf):
    """TCP segments with all flags of ``mask`` set."""

    mask: int

    def compile(self, connections: Connections) -> Test:
        """One mask."""
        mask = self.mask
        return lambda view: view.flags is not None and view.flags & mask == mask


@dataclass(frozen=True, slots=True)
class Address(Leaf):
    """Packets that carry an address inside ``network`` (IPv4 or IPv6, ``address/length``) at the end named."""

    network: str
    end: Literal["either", "source", "target"] = "either"

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_network(self.network, strict=False)
        except ValueError as error:
            raise InputError(f"{self.network!r} is neither an address nor a network such as 10.0.0.0/8") from error

    def compile(self, connections: Connections) -> Test:
        """Integer mask and comparison on the address bytes."""
        network = ipaddress.ip_network(self.network, strict=False)
        version, width = network.version, 4 if network.version == 4 else 16
        first, end = (12 if version == 4 else 8), self.end
        mask, wanted = int(network.netmask), int(network.network_address)

        def test(view: PacketView) -> bool:
            if view.version != version or view.size < first + 2 * width:
                return False
            data = view.data
            if end != "target" and int.from_bytes(data[first : first + width], "big") & mask == wanted:
                return True
            middle = first + width
            return end != "source" and int.from_bytes(data[middle : middle + width], "big") & mask == wanted

        return test


@dataclass(frozen=True, slots=True)
class Fragment(Leaf):
    """Pieces of a fragmented IP packet, the first one too."""

    def compile(self, connections: Connections) -> Test:
        """One field."""
        return lambda view: view.is_fragment


@dataclass(frozen=True, slots=True)
class Malformed(Leaf):
    """Packets whose headers cannot be right."""

    def compile(self, connections: Connections) -> Test:
        """One field."""
        return lambda view: view.malformed is not None
