"""The scan of message heads: as the decoder says on a live capture, and compiled as in Python on any bytes."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.message import LEADER_KINDS
from raftmon.monitor.recorder.head_scan import HeadScan, HeadScanInPython
from raftmon.monitor.recorder.leader_board import leader_of
from raftmon.monitor.recorder.pipe import PipeFrame, encode
from raftmon.setup.topology import Link
from tests.monitor.raft.wire import DATA

LINKS = 4


def packet(payload: bytes, seq: int, port: int = 2380, flags: int = 0x18) -> bytes:
    total = 40 + len(payload)
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0, 64, 6, 0, b"\x0a\x4d\x01\x02", b"\x0a\x4d\x02\x02")
    return head + struct.pack(">HHIIBBHHH", port, 40000, seq & 0xFFFFFFFF, 0, 0x50, flags, 0, 0, 0) + payload


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(kind: int, term: int, size: int = 0, to: int = 2) -> bytes:
    body = b"\x08" + varint(kind) + b"\x10" + varint(to) + b"\x18" + varint(1) + b"\x20" + varint(term)
    body += b"\x28\x05\x30\x06" + (b"\x62" + varint(size) + bytes(size) if size else b"")
    return body


def entries(term: int, sizes: list[int]) -> bytes:
    made = b"\x01" + len(sizes).to_bytes(8, "big")
    for number, size in enumerate(sizes):
        entry = (
            b"\x08\x00\x10" + varint(term) + b"\x18" + varint(9 + number) + b"\x22" + varint(size) + bytes([1]) * size
        )
        made += len(entry).to_bytes(8, "big") + entry
    return made + (7).to_bytes(8, "big")


def framed(body: bytes, carrier: str) -> bytes:
    return (b"\x02" if carrier == "msgapp" else b"") + len(body).to_bytes(8, "big") + body


def chunks(stream: bytes, sizes: list[int]) -> bytes:
    out, place = b"", 0
    for size in [*sizes, len(stream)]:
        part = stream[place : place + size]
        place += size
        if part:
            out += b"%x\r\n" % len(part) + part + b"\r\n"
    return out


def both(frames: list[PipeFrame], cuts: list[int]) -> HeadScanInPython:
    """Feed the same bytes to both; the interpreted one, after comparing."""
    data = encode(frames)
    one, other = HeadScanInPython(LINKS), HeadScan(LINKS)
    place = 0
    for size in [*cuts, len(data)]:
        piece = data[place : place + size]
        place += size
        one.feed(piece)
        other.feed(piece)
        assert one.links() == other.links()
    return one


streams = st.lists(
    st.one_of(
        st.builds(
            lambda kind, term, size, to: message(kind, term, size, to),
            st.integers(0, 25), st.integers(0, 1 << 40), st.sampled_from([0, 3, 300]), st.integers(0, 2),
        ),
        st.builds(entries, st.integers(1, 1 << 20), st.lists(st.sampled_from([0, 5, 700]), max_size=4)),
        st.just(b"\x00"),
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    streams, st.sampled_from(["message", "msgapp"]), st.lists(st.integers(1, 90)), st.lists(st.integers(1, 200)),
    st.lists(st.integers(1, 400)), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=3),
    st.lists(st.integers(0, 30), max_size=3),
)  # fmt: skip
def test_compiled_and_interpreted_find_the_same_in_any_bytes(
    parts: list[bytes],
    carrier: str,
    sizes: list[int],
    segments: list[int],
    cuts: list[int],
    damage: list[tuple[int, int]],
    lost: list[int],
) -> None:
    stream = b"".join(part if part[0] < 2 and part[0] != 8 else framed(part, carrier) for part in parts)
    wire = bytearray(chunks(stream, sizes))
    for place, byte in damage:
        if wire:
            wire[place % len(wire)] = byte
    frames, place, seq = [], 0, 0xFFFFFF00
    for number, size in enumerate([*segments, max(1, len(wire))]):
        piece = bytes(wire[place : place + size])
        place += size
        if piece and number not in lost:
            frames.append(PipeFrame(1000 + number, number % 7 // 4, packet(piece, seq + place - size)))
        if number % 5 == 3 and frames:
            frames.append(frames[-1])
    if frames:
        both(frames, cuts)


@pytest.mark.parametrize("carrier", ["message", "msgapp"])
@pytest.mark.parametrize("cut", range(1, 60))
def test_a_leader_is_seen_however_its_messages_are_cut(carrier: str, cut: int) -> None:
    stream = framed(message(8, 3), carrier) if carrier == "message" else framed(message(3, 3, 40), carrier)
    stream += framed(message(8, 5, 200), carrier) if carrier == "message" else entries(5, [30, 400])
    stream += framed(message(8, 6), carrier) if carrier == "message" else framed(message(3, 6), carrier)
    wire = chunks(stream, [cut + 1])  # one zero byte alone in a chunk is a link heartbeat
    frames = [
        PipeFrame(10 + place, 2, packet(wire[place : place + cut], 77 + place)) for place in range(0, len(wire), cut)
    ]
    seen = both(frames, [cut]).links()[2]
    assert (seen.led_term, seen.term, seen.heads) == (6, 6, 3)


def test_after_a_hole_it_goes_on_at_the_next_chunk() -> None:
    wire = [chunks(framed(message(8, term, 50), "message"), []) for term in range(1, 6)]
    seqs = [sum(map(len, wire[:number])) for number in range(5)]
    frames = [PipeFrame(10 + n, 0, packet(wire[n], seqs[n])) for n in (0, 1, 3, 4)]
    assert both(frames, []).links()[0] == (5, 14, 5, 4)


def test_who_knows_a_newer_term_leads_no_more() -> None:
    links = [Link("n1", "n2"), Link("n2", "n1")]
    scan = HeadScanInPython(2)
    heads = scan.links()
    assert leader_of(links, heads) == (None, 0, 0, ())
    led = [heads[0]._replace(led_term=3, led_ns=50, term=3, heads=4), heads[1]._replace(term=3, heads=2)]
    assert leader_of(links, led) == ("n1", 3, 50, ("n1", "n2"))
    assert leader_of(links, [led[0]._replace(term=4), led[1]])[0] is None


def test_the_scan_and_the_decoder_see_the_same_leaders_in_a_capture() -> None:
    """Terms of leaders on every directed pair of addresses, from both, over the head of the golden capture."""
    decoder = Decoder()
    pairs: dict[bytes, int] = {}
    frames, wanted = [], {}
    for number, time_ns, data, _, _ in read_capture(DATA / "etcd-3.4.23-head.pcap.gz"):
        link = pairs.setdefault(data[12:20], len(pairs))
        frames.append(PipeFrame(time_ns, link, data))
        for found in decoder.packet(number, time_ns, data):
            if found.kind in LEADER_KINDS and found.channel.name in ("message", "msgapp") and found.term:
                wanted[link] = (found.term, time_ns)
    scan, twin = HeadScan(len(pairs)), HeadScanInPython(len(pairs))
    for one in (scan, twin):
        one.feed(encode(frames))
    assert scan.links() == twin.links()
    assert {n: (h.led_term, h.led_ns) for n, h in enumerate(scan.links()) if h.led_term} == wanted
