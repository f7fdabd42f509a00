"""Which packets a rule is about: frozen trees, combined with and, or, not.

Every match knows how to *specialise* itself on one link: what depends on the link alone becomes true or false there,
once, so a rule that cannot concern a link costs that link nothing. What is left is compiled into closures.
"""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

from monitor.actions.kinds import check_number
from monitor.packet import PacketView
from setup.errors import InputError
from setup.topology import Link

__all__ = [
    "ALWAYS",
    "NEVER",
    "Address",
    "Age",
    "All",
    "Always",
    "Any",
    "Connections",
    "Dialled",
    "Family",
    "Flag",
    "Fragment",
    "Links",
    "Malformed",
    "Match",
    "Never",
    "Not",
    "PayloadHas",
    "PayloadMatches",
    "PayloadSize",
    "Port",
    "ProtocolIs",
    "Size",
    "Test",
    "both",
    "either",
    "negate",
]

Test = Callable[[PacketView], bool]
Stage = Literal["packet", "message"]
COMPARE: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


class Connections(Protocol):
    """What a match may ask about connections (the engine's table)."""

    def dialler(self, view: PacketView) -> str | None:
        """The name of the host that opened the packet's connection, None where nobody knows."""

    def age_ns(self, view: PacketView) -> int | None:
        """How long ago the packet's connection was first seen, None for packets without one."""


@runtime_checkable
class Match(Protocol):
    """One condition."""

    @property
    def stage(self) -> Stage:
        """Whether it is judged packet by packet or message by message."""

    def specialise(self, link: Link) -> Match:
        """The same condition with everything decided that the link decides; ALWAYS or NEVER where it decides all."""

    def compile(self, connections: Connections) -> Test:
        """A fast test for packets of the link it was specialised on."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """What is common to conditions that do not depend on the link."""

    stage: ClassVar[Stage] = "packet"

    def specialise(self, link: Link) -> Match:
        """Itself: the link decides nothing."""
        return self  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Always(_Leaf):
    """Every packet."""

    def compile(self, connections: Connections) -> Test:
        """True."""
        return lambda view: True


@dataclass(frozen=True, slots=True)
class Never(_Leaf):
    """No packet."""

    def compile(self, connections: Connections) -> Test:
        """False."""
        return lambda view: False


ALWAYS = Always()
NEVER = Never()


@dataclass(frozen=True, slots=True)
class Links(_Leaf):
    """Packets from any of ``sources`` to any of ``targets``; None is everybody. ``both``: or the other way round."""

    sources: frozenset[str] | None = None
    targets: frozenset[str] | None = None
    both: bool = False

    def specialise(self, link: Link) -> Match:
        """Decided by the link alone."""
        if self._covers(link.source, link.target) or (self.both and self._covers(link.target, link.source)):
            return ALWAYS
        return NEVER

    def _covers(self, source: str, target: str) -> bool:
        return (self.sources is None or source in self.sources) and (self.targets is None or target in self.targets)

    def compile(self, connections: Connections) -> Test:
        """For packets whose link is only known one by one."""
        return lambda view: view.link is not None and self.specialise(view.link) is ALWAYS


@dataclass(frozen=True, slots=True)
class Port(_Leaf):
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
class ProtocolIs(_Leaf):
    """Packets of one transport, by its number (6 is TCP)."""

    number: int

    def __post_init__(self) -> None:
        check_number("a protocol's number", self.number, 0, 255, whole=True)

    def compile(self, connections: Connections) -> Test:
        """One comparison."""
        number = self.number
        return lambda view: view.protocol == number


@dataclass(frozen=True, slots=True)
class Family(_Leaf):
    """IPv4 or IPv6 packets."""

    version: Literal[4, 6]

    def compile(self, connections: Connections) -> Test:
        """One comparison."""
        version = self.version
        return lambda view: view.version == version


@dataclass(frozen=True, slots=True)
class Flag(_Leaf):
    """TCP segments with all flags of ``mask`` set."""

    mask: int

    def compile(self, connections: Connections) -> Test:
        """One mask."""
        mask = self.mask
        return lambda view: view.flags is not None and view.flags & mask == mask


@dataclass(frozen=True, slots=True)
class Size(_Leaf):
    """The whole IP packet's length in bytes, compared by ``operator`` (one of < <= > >= = !=)."""

    operator: str
    size: int

    def compile(self, connections: Connections) -> Test:
        """The two comparisons people use are written out; the others go by table."""
        size, compare = self.size, COMPARE[self.operator]
        if self.operator == ">":
            return lambda view: view.size > size
        if self.operator == "<":
            return lambda view: view.size < size
        return lambda view: compare(view.size, size)


@dataclass(frozen=True, slots=True)
class PayloadSize(_Leaf):
    """The payload's length in bytes, compared by ``operator``."""

    operator: str
    size: int

    def compile(self, connections: Connections) -> Test:
        """By offsets, without cutting the payload out."""
        size, compare = self.size, COMPARE[self.operator]
        return lambda view: compare(view.end - view.payload_offset, size)


@dataclass(frozen=True, slots=True)
class PayloadHas(_Leaf):
    """Packets whose payload contains these bytes."""

    needle: bytes

    def compile(self, connections: Connections) -> Test:
        """A substring search that stays inside the payload."""
        needle = self.needle
        return lambda view: view.data.find(needle, view.payload_offset, view.end) >= 0


@dataclass(frozen=True, slots=True)
class PayloadMatches(_Leaf):
    """Packets in whose payload the regular expression (Python's, on bytes) is found somewhere."""

    pattern: bytes

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise InputError(f"this is no regular expression: {error}") from error

    def compile(self, connections: Connections) -> Test:
        """``re.search``; ``.`` matches newlines too, since payloads are no lines."""
        search = re.compile(self.pattern, re.DOTALL).search
        return lambda view: search(view.payload) is not None


@dataclass(frozen=True, slots=True)
class Address(_Leaf):
    """Packets that bear an address inside ``network`` (IPv4 or IPv6, ``address/length``) at the end named."""

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
class Dialled(_Leaf):
    """Packets, either way, of connections that one of ``hosts`` opened."""

    hosts: frozenset[str]

    def compile(self, connections: Connections) -> Test:
        """Asks the engine's connection table."""
        hosts, dialler = self.hosts, connections.dialler
        return lambda view: dialler(view) in hosts


@dataclass(frozen=True, slots=True)
class Age(_Leaf):
    """Packets of connections first seen so long ago, in milliseconds, compared by ``operator``."""

    operator: str
    age_ms: float

    def __post_init__(self) -> None:
        check_number("an age in ms", self.age_ms, 0, 1e12)

    def compile(self, connections: Connections) -> Test:
        """Asks the engine's connection table."""
        limit, compare, age_ns = round(self.age_ms * 1e6), COMPARE[self.operator], connections.age_ns

        def test(view: PacketView) -> bool:
            age = age_ns(view)
            return age is not None and compare(age, limit)

        return test


@dataclass(frozen=True, slots=True)
class Fragment(_Leaf):
    """Pieces of a fragmented IP packet, the first one too."""

    def compile(self, connections: Connections) -> Test:
        """One field."""
        return lambda view: view.is_fragment


@dataclass(frozen=True, slots=True)
class Malformed(_Leaf):
    """Packets whose headers cannot be right."""

    def compile(self, connections: Connections) -> Test:
        """One field."""
        return lambda view: view.malformed is not None


@dataclass(frozen=True, slots=True)
class All:
    """Every one of ``parts`` holds."""

    parts: tuple[Match, ...]

    @property
    def stage(self) -> Stage:
        """``message`` as soon as one part looks at messages."""
        return _stage(self.parts)

    def specialise(self, link: Link) -> Match:
        """NEVER where one part is; the parts that are ALWAYS fall away."""
        left = []
        for part in self.parts:
            special = part.specialise(link)
            if isinstance(special, Never):  # a thousand rules on other links are told apart here
                return NEVER
            left.append(special)
        return both(*left)

    def compile(self, connections: Connections) -> Test:
        """Short-circuit, left to right."""
        tests = [part.compile(connections) for part in self.parts]
        if len(tests) == 2:
            a, b = tests
            return lambda view: a(view) and b(view)
        if len(tests) == 3:
            a, b, c = tests
            return lambda view: a(view) and b(view) and c(view)

        def test(view: PacketView) -> bool:
            return all(one(view) for one in tests)

        return test


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of ``parts`` holds."""

    parts: tuple[Match, ...]

    @property
    def stage(self) -> Stage:
        """``message`` as soon as one part looks at messages."""
        return _stage(self.parts)

    def specialise(self, link: Link) -> Match:
        """ALWAYS where one part is; the parts that are NEVER fall away."""
        return either(*(part.specialise(link) for part in self.parts))

    def compile(self, connections: Connections) -> Test:
        """Short-circuit, left to right."""
        tests = [part.compile(connections) for part in self.parts]
        if len(tests) == 2:
            a, b = tests
            return lambda view: a(view) or b(view)

        def test(view: PacketView) -> bool:
            return any(one(view) for one in tests)

        return test


@dataclass(frozen=True, slots=True)
class Not:
    """``part`` does not hold."""

    part: Match

    @property
    def stage(self) -> Stage:
        """Its part's."""
        return self.part.stage

    def specialise(self, link: Link) -> Match:
        """Turned round."""
        return negate(self.part.specialise(link))

    def compile(self, connections: Connections) -> Test:
        """Turned round."""
        test = self.part.compile(connections)
        return lambda view: not test(view)


def _stage(parts: tuple[Match, ...]) -> Stage:
    return "message" if any(part.stage == "message" for part in parts) else "packet"


def both(*parts: Match) -> Match:
    """All of them, in the shortest form: nested alls are flattened, ALWAYS and NEVER are worked out."""
    flat: list[Match] = []
    for part in parts:
        if isinstance(part, Never):
            return NEVER
        if isinstance(part, All):
            flat.extend(part.parts)
        elif not isinstance(part, Always):
            flat.append(part)
    return ALWAYS if not flat else flat[0] if len(flat) == 1 else All(tuple(flat))


def either(*parts: Match) -> Match:
    """Any of them, in the shortest form."""
    flat: list[Match] = []
    for part in parts:
        if isinstance(part, Always):
            return ALWAYS
        if isinstance(part, Any):
            flat.extend(part.parts)
        elif not isinstance(part, Never):
            flat.append(part)
    return NEVER if not flat else flat[0] if len(flat) == 1 else Any(tuple(flat))


def negate(part: Match) -> Match:
    """Not that, in the shortest form."""
    if isinstance(part, Always):
        return NEVER
    if isinstance(part, Never):
        return ALWAYS
    return part.part if isinstance(part, Not) else Not(part)
