"""Conditions on a packet's size and payload, and on the connection it belongs to."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.rules.actions.checked import check_number
from raftmon.monitor.rules.conditions.tree import Connections, Leaf, Test
from raftmon.setup.errors import InputError

__all__ = ["COMPARE", "Age", "Dialled", "PayloadHas", "PayloadMatches", "PayloadSize", "Size"]

COMPARE: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Size(Leaf):
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
class PayloadSize(Leaf):
    """The payload's length in bytes, compared by ``operator``."""

    operator: str
    size: int

    def compile(self, connections: Connections) -> Test:
        """By offsets, without cutting the payload out."""
        size, compare = self.size, COMPARE[self.operator]
        return lambda view: compare(view.end - view.payload_offset, size)


@dataclass(frozen=True, slots=True)
class PayloadHas(Leaf):
    """Packets whose payload contains these bytes."""

    needle: bytes

    def compile(self, connections: Connections) -> Test:
        """A substring search that stays inside the payload."""
        needle = self.needle
        return lambda view: view.data.find(needle, view.payload_offset, view.end) >= 0


@dataclass(frozen=True, slots=True)
class PayloadMatches(Leaf):
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
class Dialled(Leaf):
    """Packets, either way, of connections that one of ``hosts`` opened."""

    hosts: frozenset[str]

    def compile(self, connections: Connections) -> Test:
        """Asks the engine's connection table."""
        hosts, dialler = self.hosts, connections.dialler
        return lambda view: dialler(view) in hosts


@dataclass(frozen=True, slots=True)
class Age(Leaf):
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
