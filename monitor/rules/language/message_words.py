"""The words of the rule language about Raft messages: one row a word.

n1->n2 MsgVoteResp drop
*->n3 MsgApp drop every 5
MsgHeartbeat delay 300ms
n1->n2 MsgApp key has "user/" and term > 3 hold
n1->n2 forge MsgTimeoutNow
MsgHeartbeatResp context = 7 replay when leader changes
"""

from __future__ import annotations

from typing import Any

from raftmon.monitor.raft.message import KINDS
from raftmon.monitor.rules.actions.kinds import Action, Forge, Hold, Replay
from raftmon.monitor.rules.conditions import Match
from raftmon.monitor.rules.conditions.messages import (
    NUMBERS,
    ContextIs,
    GroupHas,
    KeyHas,
    KindIs,
    Number,
    OperationIs,
)
from raftmon.monitor.rules.language.cursor import Cursor
from raftmon.monitor.rules.language.spelling import literal
from raftmon.monitor.rules.language.word import MODIFIERS, Word

__all__ = ["MESSAGE_ACTIONS", "MESSAGE_CONDITIONS"]


def _number(cursor: Cursor, word: str) -> Match:
    return Number(word, cursor.comparison(), cursor.whole(f"a number for {word}", 0, 2**62))


def _key(cursor: Cursor, _word: str) -> Match:
    cursor.expect_text("has")
    return KeyHas(cursor.literal())


def _group(cursor: Cursor, _word: str) -> Match:
    cursor.expect_text("has")
    return GroupHas(cursor.literal())


def _context(cursor: Cursor, _word: str) -> Match:
    cursor.expect_text("=")
    if cursor.at_number(""):
        token = cursor.here
        number = cursor.whole("a number for context", 0, 2**64 - 1)
        return ContextIs((number.to_bytes(8, "big"), number.to_bytes(8, "little")), token.text)
    token = cursor.here
    data = cursor.literal()
    if data[:2] == b"0x":  # as `raftmon messages` shows bytes that are no text
        try:
            data = bytes.fromhex(data[2:].decode())
        except ValueError:
            cursor.fail("expected an even number of hexadecimal digits behind 0x", token)
    return ContextIs((data,), f'"0x{data.hex()}"')


def _operation(cursor: Cursor, _word: str) -> Match:
    cursor.expect_text("=")
    return OperationIs(cursor.expect("name", "what an entry does, such as put or lease_revoke").text)


def _forge(cursor: Cursor, _word: str) -> Action:
    token = cursor.expect("name", "a message kind such as MsgTimeoutNow")
    if token.text not in KINDS:
        cursor.fail(f"there is no message kind {token.text!r}", token)
    fields: dict[str, Any] = {}
    while cursor.at("term", "index", "log_term", "commit", "reject"):
        name = cursor.take().text
        fields[name] = True if name == "reject" else cursor.whole(f"a number for {name}", 0, 2**62)
    return Forge(token.text, **fields)


def _write_forge(forge: Forge) -> str:
    numbers = [f"{name} {getattr(forge, name)}" for name in ("term", "index", "log_term", "commit")]
    shown = [text for text in numbers if not text.endswith(" 0")]
    return " ".join([f"forge {forge.kind}", *shown, *(["reject"] if forge.reject else [])])


def _replay(cursor: Cursor, _word: str) -> Action:
    options = {"last": cursor.whole("a number of messages", 1, 10_000)} if cursor.accept("last") else {}
    cursor.expect_text("when")
    start = cursor.here.column
    while cursor.here.kind != "end" and not cursor.at(*MODIFIERS) and not cursor.at_number("%"):
        cursor.take()
    return Replay(cursor.line[start : cursor.here.column].strip(), **options)


def _write_replay(replay: Replay) -> str:
    last = "" if replay.last == Replay("x").last else f"last {replay.last} "
    return f"replay {last}when {replay.when}"


MESSAGE_CONDITIONS: tuple[Word[Match], ...] = (
    Word(
        tuple(KINDS),
        "MsgApp, MsgVote, MsgHeartbeat, …",
        "messages of this kind (names of etcd's raftpb)",
        lambda _cursor, word: KindIs(word),
        {KindIs: lambda x: x.kind},
    ),
    Word(
        NUMBERS,
        "term > 3, index >= 1000",
        f"messages whose field compares so ({', '.join(NUMBERS)})",
        _number,
        {Number: lambda x: f"{x.field} {x.operator} {x.value}"},
    ),
    Word(
        ("key",),
        'key has "user/"',
        "appends with an entry whose key contains this",
        _key,
        {KeyHas: lambda x: f"key has {literal(x.needle)}"},
    ),
    Word(
        ("op",),
        "op = lease_revoke",
        "messages with such an entry (put, txn, lease_grant, conf_change, noop, …)",
        _operation,
        {OperationIs: lambda x: f"op = {x.name}"},
    ),
    Word(
        ("group",),
        'group has "S-R3F"',
        "messages of a Raft group whose name contains this (nats-server has one group per stream)",
        _group,
        {GroupHas: lambda x: f"group has {literal(x.needle)}"},
    ),
    Word(
        ("context",),
        'context = "0x00a1", context = 7',
        "messages with this context: text, bytes as `raftmon messages` prints them, or an 8-byte number",
        _context,
        {ContextIs: lambda x: f"context = {x.written}"},
    ),
)
MESSAGE_ACTIONS: tuple[Word[Action], ...] = (
    Word(
        ("hold",),
        "hold",
        "keeps messages back until they are released or the rule is removed",
        lambda _cursor, _word: Hold(),
        {Hold: lambda _action: "hold"},
    ),
    Word(
        ("forge",),
        "forge MsgTimeoutNow [term 9] [index 4] [reject] …",
        "sends a forged message, once per link",
        _forge,
        {Forge: _write_forge},
    ),
    Word(
        ("replay",),
        "replay [last 1] when leader changes",
        "lets messages pass and delivers them again each time the trigger fires",
        _replay,
        {Replay: _write_replay},
    ),
)
