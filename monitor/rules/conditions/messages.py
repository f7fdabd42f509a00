"""Conditions on single Raft messages: their kind, group, numbers, context, keys and what their entries do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from raftmon.monitor.raft.codecs.etcd.message_head import MessageHead
from raftmon.monitor.rules.conditions import AllOf, Always, AnyOf, Match, Never, Not
from raftmon.monitor.rules.conditions.payload import COMPARE
from raftmon.monitor.rules.conditions.tree import Stage
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

if TYPE_CHECKING:
    from raftmon.monitor.rules.conditions import Connections, Test

__all__ = [
    "NUMBERS",
    "ContextIs",
    "GroupHas",
    "HeadTest",
    "KeyHas",
    "KindIs",
    "Number",
    "OperationIs",
    "head_test",
]

HeadTest = Callable[[MessageHead], bool]
NUMBERS = ("term", "log_term", "index", "entries", "commit")
"""The fields of a message that a ``Number`` can ask for."""


@dataclass(frozen=True, slots=True)
class _OfMessages:
    """What is common to conditions on messages: no link decides them, and no packet alone can be asked."""

    stage: ClassVar[Stage] = "message"

    def specialise(self, link: Link) -> Match:
        """Itself."""
        return self

    def compile(self, connections: Connections) -> Test:
        """Never asked: rules with such a condition are judged message by message."""
        raise InputError("a condition on messages cannot be asked of a packet")


@dataclass(frozen=True, slots=True)
class KindIs(_OfMessages):
    """Messages of one kind."""

    kind: str

    def test(self, head: MessageHead) -> bool:
        """Whether it holds."""
        return head.kind == self.kind


@dataclass(frozen=True, slots=True)
class Number(_OfMessages):
    """Messages whose ``field`` (term, log_term, index, entries, commit) compares so; false where it is not known."""

    field: str
    operator: str
    value: int

    def test(self, head: MessageHead) -> bool:
        """Whether it holds."""
        found = getattr(head, self.field)
        return found is not None and COMPARE[self.operator](found, self.value)


@dataclass(frozen=True, slots=True)
class ContextIs(_OfMessages):
    """Messages whose context is one of ``values``; one that has none, or more than its head shows, has an empty one.

    A number stands for its eight bytes in either order: etcd 3.4 to 3.6 write the id of a read big-endian, the counter
    of raft 3.7 is little-endian.
    """

    values: tuple[bytes, ...]
    written: str

    def test(self, head: MessageHead) -> bool:
        """Whether it holds."""
        return (head.context or b"") in self.values


@dataclass(frozen=True, slots=True)
class GroupHas(_OfMessages):
    """Messages of a Raft group whose name contains ``needle``; false in systems with a single group."""

    needle: bytes

    def test(self, head: MessageHead) -> bool:
        """Whether it holds."""
        return bool(head.group) and self.needle in head.group.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class OperationIs(_OfMessages):
    """Messages with an entry that does ``name`` (``put``, ``lease_revoke``, …), of the entries that begin in the same
    segment.
    """

    name: str

    def test(self, head: MessageHead) -> bool:
        """Whether it holds."""
        return self.name in head.operations


@dataclass(frozen=True, slots=True)
class KeyHas(_OfMessages):
    """Messages with an entry on a key that contains ``needle``, of the entries that begin in the same segment."""

    needle: bytes

    def test(self, head: MessageHead) -> bool:
        """Whether it holds."""
        return any(self.needle in key for key in head.keys)


def head_test(match: Match) -> HeadTest:
    """The condition as a function on messages; raises InputError if a part of it can only be asked of packets."""
    if isinstance(match, Always):
        return lambda head: True
    if isinstance(match, Never):
        return lambda head: False
    if isinstance(match, KindIs | Number | KeyHas | ContextIs | GroupHas | OperationIs):
        return match.test
    if isinstance(match, AllOf):
        tests = [head_test(part) for part in match.parts]
        return lambda head: all(test(head) for test in tests)
    if isinstance(match, AnyOf):
        tests = [head_test(part) for part in match.parts]
        return lambda head: any(test(head) for test in tests)
    if isinstance(match, Not):
        inner = head_test(match.part)
        return lambda head: not inner(head)
    raise InputError(
        f"a rule on messages cannot ask for {type(match).__name__}, which only packets have: "
        "name links, kinds, term, index, entries, commit, context, group, key or op"
    )
