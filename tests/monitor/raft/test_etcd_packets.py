"""Packets that are decoded at once by compiled code: the same messages, counters and state as the long way gives."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.raft.codecs.protobuf import write_varint
from raftmon.monitor.raft.decoder import Decoder
from tests.monitor.raft.wire import DATA

pytestmark = pytest.mark.skipif(not COMPILED, reason="nothing was compiled here (RAFTMON_INTERPRETED, or no compiler)")

Packet = tuple[int, int, bytes]
CAPTURES = ("etcd-3.4.23-head", "etcd-3.5.30", "nats-2.10.27", "ovsdb-3.5.0")


def packets(name: str) -> list[Packet]:
    return [(number, time_ns, data) for number, time_ns, data, _, _ in read_capture(DATA / f"{name}.pcap.gz")]


def long_way(decoder: Decoder) -> Decoder:
    decoder._at_once = None
    return decoder


def state(decoder: Decoder) -> Any:
    halves = {
        key: (half.next_seq, half.closed, list(half.pending), half.acked_to, _tap(half.consumer))
        for key, half in decoder.streams._halves.items()
    }
    return decoder.counters(), halves, dict(decoder.directory.labels), decoder.streams.segments


def _tap(consumer: Any) -> Any:
    tap = getattr(consumer, "tap", None)
    body = getattr(tap, "_body", None)
    return (
        getattr(tap, "_state", None), bytes(getattr(tap, "_held", b"")), type(body).__name__,
        bytes(getattr(body, "_held", b"")), getattr(body, "term", None), getattr(body, "index", None),
    )  # fmt: skip


def same(given_packets: Iterable[Packet]) -> tuple[int, int]:
    """Both ways over the same packets; how many messages there were, and how many packets went the short way."""
    one, other = Decoder(), long_way(Decoder())
    count = short = 0
    assert one._at_once is not None
    at_once: Callable[[int, int, bytes], Any] = one._at_once

    def counted(number: int, time_ns: int, data: bytes) -> Any:
        nonlocal short
        found = at_once(number, time_ns, data)
        short += found is not None
        return found

    one._at_once = counted
    for number, time_ns, data in given_packets:
        mine, theirs = list(one.packet(number, time_ns, data)), list(other.packet(number, time_ns, data))
        assert mine == theirs
        count += len(mine)
    assert state(one) == state(other)
    assert list(one.finish()) == list(other.finish())
    return count, short


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_gives_the_same_both_ways(name: str) -> None:
    found = packets(name)
    count, short = same(found)
    assert count
    if name.startswith("etcd"):
        assert short > len(found) / 2


_HEAD = packets("etcd-3.4.23-head")[:1500]


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.integers(0, len(_HEAD) - 1), st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=40),
    st.sets(st.integers(0, len(_HEAD) - 1), max_size=10),
    st.lists(st.tuples(st.integers(0, len(_HEAD) - 2), st.integers(1, 5)), max_size=10),
)
def test_damaged_lost_and_reordered_packets_give_the_same_both_ways(
    damage: dict[int, tuple[int, int]], lost: set[int], moved: list[tuple[int, int]]
) -> None:
    found = list(_HEAD)
    for number, (place, byte) in damage.items():
        data = bytearray(found[number][2])
        data[20 + place % max(1, len(data) - 20)] = byte
        found[number] = (*found[number][:2], bytes(data))
    for place, by in moved:
        found.insert(min(place + by, len(found) - 1), found.pop(place))
    same(packet for number, packet in enumerate(found) if number not in lost)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 26), st.integers(0, (1 << 64) - 1), st.integers(0, 8), st.binary(max_size=9)),
                min_size=1, max_size=4), st.integers(0, 3))  # fmt: skip
def test_any_numbers_in_a_message_are_read_the_same_both_ways(
    fields: list[tuple[int, int, int, bytes]], padding: int
) -> None:
    """The stream of a real conversation goes on with messages of any kind, in minimal and padded varints."""
    base = _HEAD[:1200]
    opened, ends = _message_stream(base)
    body = b""
    for kind, number, count, context in fields:
        message = b"\x08" + write_varint(kind)
        for tag, value in ((0x10, ends[1]), (0x18, ends[0]), (0x20, number), (0x28, number >> 3), (0x30, number >> 7)):
            message += bytes([tag]) + write_varint(value, padding if value < 1 << 14 else 0)
        for index in range(count):
            entry = b"\x08\x00\x10" + write_varint(number) + b"\x18" + write_varint(index + 1) + b"\x22"
            entry += write_varint(len(context)) + context
            message += b"\x3a" + write_varint(len(entry)) + entry
        message += b"\x40" + write_varint(number) + b"\x50\x01\x58" + write_varint(number >> 1)
        message += b"\x62" + write_varint(len(context)) + context if context else b""
        body += len(message).to_bytes(8, "big") + message
    payload = b"%x\r\n" % len(body) + body + b"\r\n"
    same([*base, (9999, base[-1][1] + 1, opened(payload))])


def _message_stream(base: list[Packet]) -> tuple[Callable[[bytes], bytes], tuple[int, int]]:
    """A packet that goes on with the first message stream of these packets, and the ids of its ends."""
    decoder = Decoder()
    for number, time_ns, data in base:
        decoder.packet(number, time_ns, data)
    ids = {label: ident for ident, label in decoder.directory.labels.items() if label}
    for key, half in decoder.streams._halves.items():
        tap = getattr(half.consumer, "tap", None)
        body = getattr(tap, "_body", None)
        channel = getattr(body, "channel", None)
        if type(body).__name__ == "MessageStream" and channel is not None and channel.source in ids:
            peer_next = half.peer.next_seq or 0

            def make(payload: bytes, key: bytes = key, seq: int = half.next_seq or 0, ack: int = peer_next) -> bytes:
                head = b"\x45\x00" + (40 + len(payload)).to_bytes(2, "big") + bytes(4) + b"\x40\x06\x00\x00" + key[:8]
                tcp = key[8:12] + seq.to_bytes(4, "big") + ack.to_bytes(4, "big") + b"\x50\x18\xff\xff" + bytes(4)
                return head + tcp + payload

            return make, (ids[channel.source], ids[channel.target])
    raise AssertionError("no message stream in these packets")
