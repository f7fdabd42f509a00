"""Conditions and actions on single Raft messages, and their words in the rule language.

n1->n2 MsgVoteResp drop
*->n3 MsgApp drop every 5
MsgHeartbeat delay 300ms
n1->n2 MsgApp key has "user/" and term > 3 hold
n1->n2 forge MsgTimeoutNow
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from raftmon.monitor.message_rules.scanner import Frame
from raftmon.monitor.raft.message import KINDS
from raftmon.monitor.rules.actions.kinds import Action, Call
from raftmon.monitor.rules.conditions import All, Always, Match, Never, Not
from raftmon.monitor.rules.conditions import Any as AnyOf
from raftmon.monitor.rules.conditions.payload import COMPARE
from raftmon.monitor.rules.conditions.tree import Stage
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

if TYPE_CHECKING:
    from raftmon.monitor.rules.conditions import Connections, Test
    from raftmon.monitor.rules.language.grammar import Parser

__all__ = [
    "MESSAGE_ACTIONS",
    "MESSAGE_MATCHES",
    "WRITE_MESSAGE_ACTION",
    "WRITE_MESSAGE_MATCH",
    "Forge",
    "Hold",
    "KeyHas",
    "KindIs",
    "MessageCall",
    "Number",
    "frame_test",
]

FrameTest = Callable[[Frame], bool]
_NUMBERS = ("term", "log_term", "index", "entries", "commit")


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

    def test(self, frame: Frame) -> bool:
        """Whether it holds."""
        return frame.kind == self.kind


@dataclass(frozen=True, slots=True)
class Number(_OfMessages):
    """Messages whose ``field`` (term, log_term, index, entries, commit) compares so; false where it is not known."""

    field: str
    operator: str
    value: int

    def test(self, frame: Frame) -> bool:
        """Whether it holds."""
        found = getattr(frame, self.field)
        return found is not None and COMPARE[self.operator](found, self.value)


@dataclass(frozen=True, slots=True)
class KeyHas(_OfMessages):
    """Messages with an entry on a key that contains ``needle``, of the entries that begin in the same segment."""

    needle: bytes

    def test(self, frame: Frame) -> bool:
        """Whether it holds."""
        return any(self.needle in key for key in frame.keys)


@dataclass(frozen=True, slots=True)
class Hold(Action):
    """Keep messages back until the rule is removed, then deliver them in order."""

    stage: ClassVar[Literal["packet", "message"]] = "message"
    terminal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Forge(Action):
    """Send one message of this kind on each link of the rule, once, when the rule comes into force.

    ``term``, ``index``, ``log_term`` and ``commit`` are 0 unless given.
    """

    stage: ClassVar[Literal["packet", "message"]] = "message"
    kind: str
    term: int = 0
    index: int = 0
    log_term: int = 0
    commit: int = 0
    reject: bool = False


@dataclass(frozen=True, slots=True)
class MessageCall(Call):
    """Ask ``function(view)`` about each message, a ``MessageView``: it returns an action, or None for no opinion."""

    stage: ClassVar[Literal["packet", "message"]] = "message"


def frame_test(match: Match) -> FrameTest:
    """The condition as a function on messages; raises InputError where a part of it can only be asked of packets."""
    if isinstance(match, Always):
        return lambda frame: True
    if isinstance(match, Never):
        return lambda frame: False
    if isinstance(match, KindIs | Number | KeyHas):
        return match.test
    if isinstance(match, All):
        tests = [frame_test(part) for part in match.parts]
        return lambda frame: all(test(frame) for test in tests)
    if isinstance(match, AnyOf):
        tests = [frame_test(part) for part in match.parts]
        return lambda frame: any(test(frame) for test in tests)
    if isinstance(match, Not):
        inner = frame_test(match.part)
        return lambda frame: not inner(frame)
    raise InputError(
        f"a rule on messages cannot ask for {type(match).__name__}, which only packets have: "
        "name links, kinds, term, index, entries, commit or key"
    )


def _kind(name: str) -> Callable[[Parser], Match]:
    return lambda parser: KindIs(name)


def _number(field: str) -> Callable[[Parser], Match]:
    return lambda parser: Number(field, parser.comparison(), parser.whole(f"a number for {field}", 0, 2**62))


def _key(parser: Parser) -> Match:
    parser.expect_text("has")
    return KeyHas(parser.literal())


def _forge(parser: Parser) -> Action:
    token = parser.expect("name", "a message kind such as MsgTimeoutNow")
    if token.text not in KINDS:
        parser.fail(f"there is no message kind {token.text!r}", token)
    fields: dict[str, Any] = {}
    while parser.at("term", "index", "log_term", "commit", "reject"):
        name = parser.take().text
        fields[name] = True if name == "reject" else parser.whole(f"a number for {name}", 0, 2**62)
    return Forge(token.text, **fields)


def _write_forge(forge: Forge) -> str:
    numbers = [f"{name} {getattr(forge, name)}" for name in ("term", "index", "log_term", "commit")]
    shown = [text for text in numbers if not text.endswith(" 0")]
    return " ".join([f"forge {forge.kind}", *shown, *(["reject"] if forge.reject else [])])


def _write_text(data: bytes) -> str:
    special = {10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 92: "\\\\"}
    return '"' + "".join(special.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in data) + '"'


MESSAGE_MATCHES: dict[str, Callable[[Parser], Match]] = {
    **{kind: _kind(kind) for kind in KINDS},
    **{field: _number(field) for field in _NUMBERS},
    "key": _key,
}
MESSAGE_ACTIONS: dict[str, Callable[[Parser], Action]] = {"hold": lambda parser: Hold(), "forge": _forge}
WRITE_MESSAGE_MATCH: dict[type, Callable[[Any], str]] = {
    KindIs: lambda x: x.kind,
    Number: lambda x: f"{x.field} {x.operator} {x.value}",
    KeyHas: lambda x: f"key has {_write_text(x.needle)}",
}
WRITE_MESSAGE_ACTION: dict[type, Callable[[Any], str]] = {Hold: lambda x: "hold", Forge: _write_forge}
