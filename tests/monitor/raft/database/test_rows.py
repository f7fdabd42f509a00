"""Rows of messages and entries: compiled as interpreted, for messages of captures and for any entry."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.raft.codecs.etcd.requests import read_entry_data
from raftmon.monitor.raft.codecs.protobuf import write_varint
from raftmon.monitor.raft.database import rows
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.message import Channel, Entry, RaftMessage
from tests.monitor.raft.wire import DATA

compiled = pytest.importorskip("raftmon.monitor.raft.database._rows") if COMPILED else rows
pytestmark = pytest.mark.skipif(not COMPILED, reason="nothing was compiled here (RAFTMON_INTERPRETED, or no compiler)")


def same(messages: list[RaftMessage]) -> int:
    """Both ways over the messages; how many rows of entries there were."""
    mine: list[tuple[Any, ...]] = []
    theirs: list[tuple[Any, ...]] = []
    sent: tuple[dict[Any, int], dict[Any, int]] = ({}, {})
    for ident, message in enumerate(messages, 1):
        left = compiled.entry_rows(ident, message, mine, sent[0]), rows.entry_rows(ident, message, theirs, sent[1])
        assert left[0] == left[1]
        for verdict, delivered in ((None, None), ("", True), ("drop r1", False)):
            assert compiled.message_row(ident, message, verdict, delivered) == rows.message_row(
                ident, message, verdict, delivered
            )
    assert mine == theirs
    assert sent[0] == sent[1]
    return len(mine)


@pytest.mark.parametrize(
    "name", ["etcd-3.4.23-head", "etcd-3.5.30", "nats-2.10.27", "hashicorp-raft-1.1.2", "ovsdb-3.5.0"]
)
def test_captures_give_the_same_rows(name: str) -> None:
    decoder = Decoder()
    found = [m for p in read_capture(DATA / f"{name}.pcap.gz") for m in decoder.packet(p.number, p.time_ns, p.data)]
    assert same(found) > 0


def put(key: bytes, value: bytes, ident: int | None, request: int, padding: int, lease: int) -> bytes:
    body = b"\x0a" + write_varint(len(key), padding) + key + b"\x12" + write_varint(len(value), padding) + value
    body += b"\x18" + write_varint(lease) if lease else b""
    header = b"\x08" + write_varint(request)
    start = b"" if ident is None else b"\x08" + write_varint(ident)
    return start + b"\x22" + write_varint(len(body), padding) + body + b"\xa2\x06" + bytes([len(header)]) + header


keys = st.one_of(st.binary(max_size=20), st.text(max_size=8).map(str.encode), st.just(b"key-17"))
puts = st.builds(
    put, keys, st.binary(max_size=600), st.none() | st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1),
    st.integers(0, 5), st.sampled_from([0, 0, 77]),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.one_of(puts, st.binary(max_size=40)), st.integers(0, 2), st.integers(0, 3)), max_size=6),
    st.integers(0, 60), st.integers(0, 255), st.integers(1, 20),
)  # fmt: skip
def test_any_entry_gives_the_same_rows(
    given_entries: list[tuple[bytes, int, int]], place: int, byte: int, times: int
) -> None:
    entries = []
    for number, (data, kind, index) in enumerate(given_entries):
        if number % 2 and data:
            damaged = bytearray(data)
            damaged[place % len(data)] = byte
            data = bytes(damaged)
        entries.append(Entry(5, index, data, kind, read_entry_data))
    message = RaftMessage(
        1,
        "MsgApp",
        "n1",
        "n2",
        5,
        5,
        0,
        0,
        tuple(entries),
        False,
        0,
        b"c",
        Channel(1, "msgapp", "etcd"),
        3,
        4,
        99,
        b"raw",
    )
    same([message] * times)
