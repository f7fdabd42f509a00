"""TCP reassembly: whatever order, overlap and repetition segments come in, the stream is the stream."""

from __future__ import annotations

import itertools
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.monitor.packets.tcp_stream import Budget, HalfStream, read_segment
from raftmon.monitor.packets.tcp_table import Flow, StreamTable


def _joined(items: list[tuple[bytes | None, int]]) -> bytes:
    assert all(data is not None for data, _ in items), "a hole where none is"
    return b"".join(data for data, _ in items if data is not None)


@st.composite
def _segmented(draw: st.DrawFn) -> tuple[bytes, int, list[tuple[int, bytes]]]:
    """A stream, its first sequence number (often near the wrap-around), and segments that cover it in any order."""
    stream = draw(st.binary(min_size=1, max_size=300))
    first = draw(st.one_of(st.integers(0, 0xFFFFFFFF), st.integers(0xFFFFFF00, 0xFFFFFFFF)))
    cuts = sorted(draw(st.sets(st.integers(1, len(stream)), max_size=12)) | {0, len(stream)})
    pieces = [(a, b) for a, b in itertools.pairwise(cuts)]
    extra = draw(
        st.lists(
            st.tuples(st.integers(0, len(stream) - 1), st.integers(1, 80)).map(lambda p: (p[0], p[0] + p[1])),
            max_size=8,
        )
    )
    order = draw(st.permutations(pieces + extra))
    return stream, first, [((first + a) & 0xFFFFFFFF, stream[a:b]) for a, b in order]


@given(_segmented())
@settings(max_examples=400, deadline=None)
def test_any_segmentation_order_and_duplication_gives_the_stream(
    case: tuple[bytes, int, list[tuple[int, bytes]]],
) -> None:
    stream, first, segments = case
    half = HalfStream()
    half.start(first)
    items: list[tuple[bytes | None, int]] = []
    for mark, (seq, payload) in enumerate(segments):
        items += half.feed(seq, payload, mark)
    assert _joined(items) == stream
    assert half.pending_bytes == 0
    assert half.budget.used == 0
    assert not half.pending


@given(_segmented(), st.data())
@settings(max_examples=300, deadline=None)
def test_with_a_segment_lost_every_byte_is_in_its_place_or_counted_as_missing(
    case: tuple[bytes, int, list[tuple[int, bytes]]], data: st.DataObject
) -> None:
    stream, first, segments = case
    del segments[data.draw(st.integers(0, len(segments) - 1))]
    half = HalfStream()
    half.start(first)
    items: list[tuple[bytes | None, int]] = []
    for seq, payload in segments:
        items += half.feed(seq, payload, 0)
    items += half.finish()
    place = 0
    for piece, size in items:
        if piece is None:
            assert size > 0
            place += size
        else:
            assert stream[place : place + len(piece)] == piece
            place += len(piece)
    assert place <= len(stream)
    assert half.budget.used == 0


def test_an_acknowledged_hole_is_skipped() -> None:
    half = HalfStream()
    half.start(100)
    assert half.feed(100, b"ab", 1) == [(b"ab", 1)]
    assert half.feed(105, b"fg", 2) == []
    assert half.acknowledge(103) == [], "the receiver has not got past the hole"
    assert half.acknowledge(107) == [(None, 3), (b"fg", 2)]


def test_a_hole_acknowledged_before_what_follows_it_is_skipped_at_once() -> None:
    half = HalfStream()
    half.start(0)
    assert half.acknowledge(10) == []
    assert half.feed(10, b"x", 1) == [(None, 10), (b"x", 1)]


def test_a_stream_joined_in_the_middle_begins_with_its_first_segment() -> None:
    half = HalfStream()
    assert half.feed(5000, b"mid", 1) == [(b"mid", 1)]
    assert half.feed(4990, b"before", 2) == []


def test_memory_stays_within_its_bound_behind_a_hole() -> None:
    half = HalfStream(limit=1000)
    half.start(0)
    holes = 0
    for number in range(500):
        for data, _ in half.feed(10 + number * 20, bytes(10), number):
            holes += data is None
        assert half.pending_bytes <= 1000
    assert holes > 0


def test_streams_share_one_budget() -> None:
    budget = Budget(100)
    halves = [HalfStream(limit=1000, budget=budget) for _ in range(10)]
    for half in halves:
        half.start(0)
        half.feed(5, bytes(40), 0)
    assert budget.used <= 100


class _Sink:
    def __init__(self) -> None:
        self.bytes = b""
        self.holes: list[int] = []
        self.ended = 0

    def data(self, payload: bytes, mark: int) -> None:
        self.bytes += payload

    def hole(self, size: int) -> None:
        self.holes.append(size)

    def end(self) -> None:
        self.ended += 1


class _Table:
    def __init__(self, **bounds: int) -> None:
        self.sinks: list[tuple[Flow, _Sink]] = []
        self.table = StreamTable(self._open, **bounds)
        self.number = 0

    def _open(self, client: Flow, server: Flow) -> tuple[_Sink, _Sink]:
        pair = _Sink(), _Sink()
        self.sinks += [(client, pair[0]), (server, pair[1])]
        return pair

    def send(self, source: int, target: int, seq: int, payload: bytes = b"", flags: int = 16, ack: int = 0) -> None:
        self.number += 1
        self.table.packet(packet(source, target, seq, payload, flags, ack), self.number)


def packet(source: int, target: int, seq: int, payload: bytes = b"", flags: int = 16, ack: int = 0) -> bytes:
    """One IPv4 packet from 10.0.0.1 port ``source`` to 10.0.0.1 port ``target``."""
    tcp = struct.pack(">HHIIBBHHH", source, target, seq, ack, 0x50, flags, 1000, 0, 0) + payload
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, b"\n\0\0\1", b"\n\0\0\1") + tcp


SYN, FIN, RST, ACK = 2, 1, 4, 16


def test_both_directions_of_a_connection_and_its_end() -> None:
    made = _Table()
    made.send(1, 2, 99, flags=SYN)
    made.send(2, 1, 499, flags=SYN | ACK, ack=100)
    made.send(1, 2, 100, b"ask", ack=500)
    made.send(2, 1, 500, b"answer", ack=103)
    made.send(1, 2, 103, flags=FIN | ACK, ack=506)
    made.send(2, 1, 506, flags=RST | ACK, ack=104)
    (client, ask), (server, answer) = made.sinks
    assert (client.source_port, client.opener, client.from_start) == (1, True, True)
    assert (server.source_port, server.opener) == (2, False)
    assert (ask.bytes, answer.bytes) == (b"ask", b"answer")
    assert (ask.ended, answer.ended) == (1, 1)


def test_the_same_ports_again_are_a_new_connection() -> None:
    made = _Table()
    made.send(1, 2, 99, flags=SYN)
    made.send(1, 2, 99, flags=SYN)  # the SYN again
    made.send(1, 2, 100, b"one")
    made.send(1, 2, 7000, flags=SYN)
    made.send(1, 2, 7001, b"two")
    assert [sink.bytes for _, sink in made.sinks] == [b"one", b"", b"two", b""]
    assert made.sinks[0][1].ended == 1


def test_a_syn_ack_seen_first_still_tells_who_opened() -> None:
    made = _Table()
    made.send(2, 1, 499, flags=SYN | ACK, ack=100)
    made.send(1, 2, 100, b"ask", ack=500)
    assert made.sinks[0][0].source_port == 1
    assert made.sinks[0][1].bytes == b"ask"


def test_more_connections_than_the_bound_are_forgotten() -> None:
    made = _Table(max_connections=50)
    for port in range(10, 400):
        made.send(port, 2, 99, flags=SYN)
        made.send(port, 2, 100, b"x")
    assert len(made.table._halves) <= 100


def test_a_reset_forgets_what_lay_behind_a_hole() -> None:
    made = _Table()
    made.send(1, 2, 99, flags=SYN)
    made.send(1, 2, 200, b"behind")
    made.send(1, 2, 206, flags=RST)
    assert made.table.budget.used == 0


def test_what_is_not_tcp_is_counted() -> None:
    made = _Table()
    for data in (b"", b"\x45", b"\x60" + bytes(60), b"\x45" + bytes(30), b"\xff" * 60):
        made.table.packet(data, 1)
    assert made.table.other_packets == 5
    assert not made.sinks


def test_ipv6_and_options_are_read() -> None:
    tcp = struct.pack(">HHIIBBHHH", 7, 8, 5, 0, 0x60, 16, 0, 0, 0) + b"\1\1\1\1" + b"hi"
    segment = read_segment(struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + bytes(16) + bytes(15) + b"\1" + tcp)
    assert segment is not None
    assert segment.payload == b"hi"
    assert segment.seq == 5


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 60), st.binary(max_size=8), st.integers(0, 63))
    )
)
@settings(max_examples=300, deadline=None)
def test_no_sequence_of_segments_breaks_the_table(sent: list[tuple[int, int, int, bytes, int]]) -> None:
    made = _Table(max_connections=2, max_bytes=64)
    for source, target, seq, payload, flags in sent:
        made.send(source, target, seq, payload, flags, seq)
    made.table.finish()
    assert made.table.budget.used == 0
