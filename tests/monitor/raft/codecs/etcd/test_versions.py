"""etcd 3.6 and 3.7 by the facts of their protocol (/work/shared/wire-facts.md): no server of them is in Debian.

Forged bytes: a handshake of these versions, fields in and out of gogo's order, zero fields left out, local fields that
never should travel, and heartbeats whose context is an 8-byte little-endian counter (raft 3.7, commit 63903dd).
"""

from __future__ import annotations

import pytest

from raftmon.monitor.raft.codecs.etcd.message_head import peek
from raftmon.monitor.raft.conformance.checker import ConformanceChecker
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.invariants import InvariantChecker
from raftmon.monitor.raft.message import RaftMessage
from raftmon.monitor.rules.conditions.messages import ContextIs
from raftmon.monitor.rules.language import parse_match
from tests.monitor.raft.wire import (
    STREAM_ANSWER,
    A,
    B,
    Wire,
    append_entries,
    chunk,
    entry,
    frame,
    full,
    put,
    raftpb,
    scalar,
    sized,
    stream_request,
)  # fmt: skip

VERSIONS = ["3.6.0", "3.6.7", "3.7.0-rc.0"]


def opened(version: str, kind: str) -> Wire:
    wire = Wire(Decoder())
    wire.client(stream_request(kind))
    wire.server(STREAM_ANSWER.replace(b"3.4.23", version.encode()))
    return wire


def lean(kind: int, term: int, **fields: int) -> bytes:
    """As protobuf without gogo writes it: fields that are zero are left out, no empty snapshot."""
    numbers = {"log_term": 5, "index": 6, "commit": 8, "reject": 10, "hint": 11}
    out = scalar(1, kind) + scalar(2, B) + scalar(3, A) + scalar(4, term)
    return out + b"".join(scalar(number, fields[name]) for name, number in numbers.items() if fields.get(name))


def seen(messages: list[RaftMessage]) -> list[tuple[str, int, int, int, bytes]]:
    return [(one.kind, one.term, one.index, one.commit, one.context) for one in messages]


@pytest.mark.parametrize("version", VERSIONS)
def test_messages_of_newer_versions_are_read_to_the_last_byte(version: str) -> None:
    counter = (77).to_bytes(8, "little")
    wire = opened(version, "message")
    wire.server(chunk(frame(raftpb(8, term=3, commit=9, context=counter))))
    wire.server(chunk(frame(lean(8, 3, commit=9) + sized(12, counter))))
    wire.server(chunk(frame(lean(17, 3)) + frame(lean(5, 4, log_term=3, index=12) + scalar(13, 5))))
    wire.server(chunk(frame(lean(4, 4, index=12) + sized(14, raftpb(4)))))  # what a local append will answer
    assert seen(wire.messages) == [
        ("MsgHeartbeat", 3, 0, 9, counter), ("MsgHeartbeat", 3, 0, 9, counter), ("MsgPreVote", 3, 0, 0, b""),
        ("MsgVote", 4, 12, 0, b""), ("MsgAppResp", 4, 12, 0, b""),
    ]  # fmt: skip
    assert wire.decoder.taps.unparsed == wire.decoder.taps.skipped == wire.decoder.unknown_field_bytes == 0
    assert any(version in event.text for event in wire.decoder.events)


@pytest.mark.parametrize("version", VERSIONS)
def test_appends_of_newer_versions_are_read_and_nothing_is_broken(version: str) -> None:
    wire = opened(version, "msgapp")
    first = lean(3, 2, log_term=1, index=4, commit=4) + sized(7, entry(2, 5))
    wire.server(chunk(full(first)))
    wire.server(chunk(append_entries([entry(2, 6, put(b"k", b"v")), entry(2, 7, put(b"k", b"w"))], 5)) + chunk(b"\0"))
    wire.server(chunk(append_entries([], 7)))
    assert [(m.index, m.commit, [e.index for e in m.entries]) for m in wire.messages] == [
        (4, 4, [5]), (5, 5, [6, 7]), (7, 7, []),
    ]  # fmt: skip
    assert [o.key for m in wire.messages for e in m.entries for o in e.operations if o.name == "put"] == [b"k", b"k"]
    assert wire.decoder.taps.unparsed == 0
    checkers = InvariantChecker({}), ConformanceChecker({})
    assert [v for message in wire.messages for checker in checkers for v in checker.feed(message)] == []


def test_a_rule_takes_the_counter_as_a_number_and_as_bytes() -> None:
    head = peek(lean(8, 3, commit=9) + sized(12, (7).to_bytes(8, "little")), "message", whole=True)
    assert head.context == bytes([7, 0, 0, 0, 0, 0, 0, 0])
    for text in ("context = 7", 'context = "0x0700000000000000"'):
        condition = parse_match(text)
        assert isinstance(condition, ContextIs)
        assert head.context in condition.values
    other = parse_match("context = 8")
    assert isinstance(other, ContextIs)
    assert head.context not in other.values
