"""etcd's peer protocol is read as its nodes write it: byte by byte, from the middle, with holes."""

from __future__ import annotations

import os
from collections import Counter

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.monitor.raft.codecs.etcd.raftpb import read_message
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.message import Entry, RaftMessage
from tests.monitor.raft.wire import (
    DATA,
    GOLDEN,
    STREAM_ANSWER,
    TRUTH,
    A,
    B,
    Wire,
    append_entries,
    chunk,
    decode,
    entry,
    frame,
    full,
    put,
    raftpb,
    scalar,
    sized,
    stream_request,
)  # fmt: skip

HEAD = DATA / "etcd-3.4.23-head.pcap.gz"
needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason=f"{GOLDEN} is not here")


def _same(message: RaftMessage) -> tuple[object, ...]:
    return (
        message.kind, message.term, message.log_term, message.index, message.commit, message.reject,
        message.reject_hint, message.context, tuple((e.type, e.term, e.index, e.data) for e in message.entries),
    )  # fmt: skip


@needs_golden
def test_the_golden_capture_gives_its_truth_and_the_one_server_the_truth_left_out() -> None:
    truth = orjson.loads(TRUTH.read_bytes())
    decoder, messages = decode(GOLDEN)
    counters = decoder.counters()
    assert [counters[name] for name in ("unparsed_bytes", "skipped_bytes", "hole_bytes", "foreign_bytes")] == [0] * 4
    # The truth was taken without the connections to 42380, the port of the member that is added near the end; they
    # are in the capture all the same.
    added = [m for m in messages if "127.0.0.1:42380" in (m.channel.source_address, m.channel.target_address)]
    assert Counter(m.kind for m in added) == {"MsgHeartbeatResp": 49, "MsgHeartbeat": 1, "MsgSnap": 1}
    assert Counter(m.kind for m in messages) - Counter(m.kind for m in added) == truth["messages"]
    puts = {
        (o.key.decode(), len(o.value)) for m in messages for e in m.entries for o in e.operations if o.name == "put"
    }
    assert puts == {(key, size) for key, size in truth["puts"]}
    assert len(puts) == 5600
    names = {f"{member['ID']:x}": member["name"] for member in truth["members"]["members"]}
    assert {ident: decoder.directory.renamed[ident] for ident in names} == names


def test_the_first_packets_of_the_golden_capture_are_read_without_rest() -> None:
    decoder, messages = decode(HEAD)
    counters = decoder.counters()
    assert counters["unparsed_bytes"] == counters["skipped_bytes"] == 0
    assert Counter(m.kind for m in messages)["MsgVote"] == 2
    assert {(m.source, m.target) for m in messages if m.kind == "MsgVote"} == {("n2", "n0"), ("n2", "n1")}


def _check_suffix(path: object, cuts: list[int]) -> None:
    whole, messages = decode(path)  # type: ignore[arg-type]
    renamed = whole.directory.renamed
    known: dict[tuple[object, ...], set[tuple[object, object]]] = {}
    for m in messages:
        known.setdefault((m.last_packet, m.group, *_same(m)), set()).add(
            (renamed.get(m.source or "", m.source), renamed.get(m.target or "", m.target))
        )
    emitted = possible = 0
    for cut in cuts:
        _, found = decode(path, cut)  # type: ignore[arg-type]
        emitted += len(found)
        possible += sum(m.first_packet > cut for m in messages)
        for m in found:
            ends = known.get((m.last_packet, m.group, *_same(m)))
            assert ends is not None, f"after a cut at {cut}: {m.sentence()} was never sent"
            source, target = renamed.get(m.source or "", m.source), renamed.get(m.target or "", m.target)
            assert any(source in (None, a) and target in (None, b) for a, b in ends), f"{cut}: {m.sentence()}"
    assert emitted > 0.95 * possible


def test_a_capture_that_begins_anywhere_shows_no_message_that_was_not_sent() -> None:
    every = 1 if os.environ.get("RAFTMON_SWEEP") else 37
    _check_suffix(HEAD, list(range(1, 1990, every)))


@needs_golden
def test_the_golden_capture_cut_anywhere_shows_no_message_that_was_not_sent() -> None:
    _check_suffix(GOLDEN, list(range(501, 32000, 4500)))


@pytest.mark.parametrize("name", ["nats-2.9.10.pcap.gz", "pysyncobj-0.3.pcap.gz"])
def test_captures_of_other_systems_cut_anywhere_too(name: str) -> None:
    _check_suffix(DATA / name, list(range(1, 480, 23)))


ENTRIES = [entry(2, 11, put(b"k", b"v")), entry(2, 12), entry(2, 13, put(b"key", b"x" * 300, 1 << 60))]
MSGAPP = (
    full(raftpb(3, log_term=1, index=9, entries=[entry(2, 10)], commit=8))
    + b"\0"
    + append_entries(ENTRIES, 10)
    + append_entries([], 13)
    + full(raftpb(3, log_term=2, index=13, commit=13))
)
EXPECTED = [
    ("MsgApp", 2, 1, 9, 8, [10]),
    ("MsgApp", 2, 2, 10, 10, [11, 12, 13]),
    ("MsgApp", 2, 2, 13, 13, []),
    ("MsgApp", 2, 2, 13, 13, []),
]


@given(st.lists(st.integers(1, 60), max_size=60), st.lists(st.integers(1, 200), max_size=20))
@settings(max_examples=150, deadline=None)
def test_any_chunking_and_segmentation_of_a_msgapp_stream_gives_its_messages(
    chunks: list[int], cuts: list[int]
) -> None:
    body, rest = b"", MSGAPP
    for size in chunks:
        if rest:
            body, rest = body + chunk(rest[:size]), rest[size:]
    body += chunk(rest) if rest else b""
    wire = Wire()
    wire.client(stream_request("msgapp"))
    wire_bytes = STREAM_ANSWER + body
    for size in cuts:
        if wire_bytes:
            wire.server(wire_bytes[:size])
            wire_bytes = wire_bytes[size:]
    if wire_bytes:
        wire.server(wire_bytes)
    found = [(m.kind, m.term, m.log_term, m.index, m.commit, [e.index for e in m.entries]) for m in wire.messages]
    assert found == EXPECTED
    assert {(m.source, m.target) for m in wire.messages} == {(f"{A:x}", f"{B:x}")}
    assert wire.decoder.taps.unparsed == 0
    assert wire.decoder.buffers.used == 0
    assert wire.decoder.link_heartbeats["msgapp"] == 1


def test_a_message_points_at_the_packets_of_its_first_and_last_byte() -> None:
    wire = Wire().stream()
    body = chunk(frame(raftpb(4, index=5)))
    wire.server(body[:20])
    wire.server(body[20:30])
    wire.server(body[30:])
    (message,) = wire.messages
    assert (message.first_packet, message.last_packet) == (wire.number - 2, wire.number)
    assert message.raw == frame(raftpb(4, index=5))
    assert message.size == len(message.raw)


def test_joined_in_the_middle_entries_restore_the_state_and_an_empty_append_before_them_is_only_counted() -> None:
    wire = Wire(syn=False)
    wire.server(chunk(append_entries([], 9)))
    assert wire.messages == []
    assert wire.decoder.lost_at_join == 1
    wire.server(chunk(append_entries([entry(5, 21)], 9)))
    wire.server(chunk(append_entries([], 21)))
    assert [(m.term, m.log_term, m.index, m.commit) for m in wire.messages] == [(5, 5, 20, 9), (5, 5, 21, 21)]
    assert wire.messages[0].source is None, "nothing on the wire said who speaks"


def test_joined_in_the_middle_addresses_of_the_topology_tell_who_speaks() -> None:
    wire = Wire(Decoder({"10.77.1.2": "n1", "10.77.2.2": "n2"}), syn=False)
    wire.server(chunk(append_entries([entry(5, 21)], 9)))
    wire.server(chunk(full(raftpb(3, term=6, log_term=5, index=21))))
    assert {(m.source, m.target) for m in wire.messages} == {("n1", "n2")}


def test_a_hole_is_a_new_join_and_nothing_is_made_up() -> None:
    wire = Wire().stream("msgapp")
    wire.server(chunk(full(raftpb(3, log_term=1, index=9, entries=[entry(2, 10)]))))
    wire.server(chunk(append_entries([entry(2, 11)], 10)), lost=True)
    wire.client(b"")  # its acknowledgement covers what this capture does not have
    wire.server(chunk(append_entries([], 11)))
    wire.server(chunk(append_entries([entry(2, 12)], 11)))
    assert [(m.index, [e.index for e in m.entries]) for m in wire.messages] == [(9, [10]), (11, [12])]
    assert wire.decoder.streams.hole_bytes > 0
    assert wire.decoder.taps.unparsed == 0
    assert wire.messages[1].source == f"{A:x}", "who speaks is known from before the hole"


def test_pipeline_and_snapshot_messages() -> None:
    wire = Wire()
    body = raftpb(2, entries=[entry(0, 0, put(b"k", b"v"))])
    wire.client(b"POST /raft HTTP/1.1\r\nX-Server-From: %x\r\nContent-Length: %d\r\n\r\n" % (A, len(body)) + body)
    wire.server(b"HTTP/1.1 204 No Content\r\n\r\n")
    state = sized(1, scalar(1, A) + scalar(1, B)) + scalar(2, 40) + scalar(3, 2)
    snap = frame(raftpb(7, snapshot=sized(1, b"{}") + sized(2, state)))
    wire.client(b"POST /raft/snapshot HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(snap + b"D" * 50))
    wire.client(chunk(b"E" * 5000) + b"0\r\n\r\n")
    wire.server(b"HTTP/1.1 204 No Content\r\n\r\n")
    wire.client(b"GET /raft/probing HTTP/1.1\r\n\r\n")
    prop, snapshot = wire.messages
    assert (prop.kind, prop.channel.name, prop.entries[0].operations[0].key) == ("MsgProp", "pipeline", b"k")
    assert (snapshot.kind, snapshot.snapshot_index, snapshot.snapshot_term) == ("MsgSnap", 40, 2)
    assert snapshot.extra == {"voters": [f"{A:x}", f"{B:x}"]}
    assert wire.decoder.taps.unparsed == 0


def test_large_appends_that_are_sent_again_are_the_same_entries_and_others_are_not() -> None:
    def sent(*bodies: bytes) -> tuple[Entry, ...]:
        entries = [entry(2, 10 + number, body) for number, body in enumerate(bodies)]
        data = raftpb(3, log_term=2, index=9, entries=entries)
        return read_message(data, 0, len(data)).entries

    bodies = [bytes([number]) * 1000 for number in range(5)]
    first = sent(*bodies)
    assert sent(*bodies) is first
    for others in (bodies[:4], [*bodies, b"more"], [*bodies[:4], b"x" * 1000]):
        found = sent(*others)
        assert found is not first
        assert [one.data for one in found] == others
        assert [one.index for one in found] == list(range(10, 10 + len(others)))
    assert sent(*bodies) is first


def test_a_refusal_is_an_event_with_its_text() -> None:
    wire = Wire()
    wire.client(stream_request())
    wire.server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 23\r\n\r\nerror sender not found\n")
    wire.client(stream_request())
    wire.server(STREAM_ANSWER)
    assert [(e.kind, e.text) for e in wire.decoder.events] == [
        ("refused", "404 error sender not found"),
        ("stream opened", "server version 3.4.23"),
    ]


def test_what_cannot_be_read_is_counted_and_the_stream_is_found_again() -> None:
    wire = Wire().stream()
    wire.server(chunk(frame(raftpb(8))))
    wire.server(b"zz\r\nrubbish")
    wire.server(chunk(frame(raftpb(9))))
    assert [m.kind for m in wire.messages] == ["MsgHeartbeat", "MsgHeartbeatResp"]
    assert wire.decoder.taps.unparsed == len(b"zz\r\nrubbish")


def test_members_tell_names_and_their_bodies_are_not_mistaken() -> None:
    wire = Wire()
    wire.client(b"GET /members HTTP/1.1\r\n\r\n")
    body = orjson.dumps([{"id": A, "name": "n1"}, {"id": B, "name": "n2"}, {"id": "x"}, 3])
    wire.server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    wire.stream()
    wire.server(chunk(frame(raftpb(8))))
    assert (wire.messages[0].source, wire.messages[0].target) == ("n1", "n2")


def test_an_id_is_shown_in_hexadecimal_until_its_name_is_known() -> None:
    wire = Wire().stream()
    wire.server(chunk(frame(raftpb(8))))
    wire.decoder.directory.name(A, "n1")
    wire.server(chunk(frame(raftpb(8))))
    assert [m.source for m in wire.messages] == [f"{A:x}", "n1"]
    assert wire.decoder.directory.renamed == {f"{A:x}": "n1"}


def test_fields_of_etcd_3_6_are_read_and_unknown_ones_counted() -> None:
    wire = Wire().stream()
    message = scalar(1, 5) + scalar(2, B) + scalar(3, A) + scalar(4, 9) + scalar(5, 8) + scalar(6, 7)
    message += scalar(13, 1) + sized(14, b"any") + sized(77, b"news")
    wire.server(chunk(frame(message)))
    (found,) = wire.messages
    assert (found.kind, found.term, found.log_term, found.index) == ("MsgVote", 9, 8, 7)
    assert wire.decoder.unknown_field_bytes == 4


def test_grpc_and_tls_are_foreign_not_unparsed() -> None:
    wire = Wire()
    wire.client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    Wire(wire.decoder, port=41000).client(b"\x16\x03\x01\x02\x00\x01\x00\x01")
    assert wire.decoder.taps.unparsed == 0
    assert wire.decoder.taps.foreign == 32
