"""Conditions and how they combine: frozen trees of and, or, not, specialised on a link and compiled into closures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

from raftmon.monitor.packets.view import PacketView
from raftmon.setup.topology import Link

__all__ = [
    "ALWAYS",
    "NEVER",
    "ROLES",
    "AllOf",
    "Always",
    "AnyOf",
    "Connections",
    "Leaf",
    "Links",
    "Match",
    "Never",
    "Not",
    "Stage",
    "Test",
    "both",
    "either",
    "negate",
]

Test = Callable[[PacketView], bool]
Stage = Literal["packet", "message"]


class Connections(Protocol):
    """What a match may ask about connections (the engine's table)."""

    def dialler(self, view: PacketView) -> str | None:
        """The name of the host that opened the packet's connection, None if nobody knows."""

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
class Leaf:
    """What is common to conditions that do not depend on the link."""

    stage: ClassVar[Stage] = "packet"

    def specialise(self, link: Link) -> Match:
        """Itself: the link decides nothing."""
        return self  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Always(Leaf):
    """Every packet."""

    def compile(self, connections: Connections) -> Test:
        """True."""
        return lambda view: True


@dataclass(frozen=True, slots=True)
class Never(Leaf):
    """No packet."""

    def compile(self, connections: Connections) -> Test:
        """False."""
        return lambda view: False


ALWAYS = Always()
NEVER = Never()


ROLES = frozenset({"leader", "follower"})
"""What may stand for hosts in a line; see ``raftmon.monitor.rules.roles``."""


@dataclass(frozen=True, slots=True)
class Links(Leaf):
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
class AllOf:
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
class AnyOf:
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
        if isinstance(part, AllOf):
            flat.extend(part.parts)
        elif not isinstance(part, Always):
            flat.append(part)
    return ALWAYS if not flat else flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def either(*parts: Match) -> Match:
    """Any of them, in the shortest form."""
    flat: list[Match] = []
    for part in parts:
        if isinstance(part, Always):
            return ALWAYS
        if isinstance(part, AnyOf):
            flat.extend(part.parts)
        elif not isinstance(part, Never):
            flat.append(part)
    return NEVER if not flat else flat[0] if len(flat) == 1 else AnyOf(tuple(flat))


def negate(part: Match) -> Match:
    """Not that, in the shortest form."""
    if isinstance(part, Always):
        return NEVER
    if isinstance(part, Never):
        return ALWAYS
    return part.part if isinstance(part, Not) else Not(part)
