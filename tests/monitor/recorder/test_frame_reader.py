"""The two ways into the record are one: of the same frames, in whatever pieces, both make the same."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.packets.addresses import AddressBook
from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.packets.pcapng_writer import PcapngWriter
from raftmon.monitor.recorder.frame_reader import NOBODY, RecordPath, RecordPathInPython
from raftmon.monitor.recorder.pipe import NO_LINK, PipeFrame, encode
from raftmon.setup.topology import Topology

PATHS = sorted({RecordPathInPython, RecordPath}, key=repr)
TOPOLOGIES = [Topology.star(2), Topology.star(2, transparent=True)]
BOOKS = [
    AddressBook(MonitorConfig.of_topology(topology, Path("/x"), monotonic_ns=1, wall_ns=2)) for topology in TOPOLOGIES
]
NAMES = [*map(str, BOOKS[0].links), str(NOBODY)]
OFFSET_NS = 1_700_000_000_000_000_000

addresses = st.sampled_from(["10.77.1.2", "10.78.1.2", "10.77.2.2", "10.78.2.2", "10.79.1.2", "10.0.0.1"])
payloads = st.binary(max_size=30)


def _tcp(source, target, payload, options, fragment):
    return bytes(IP(src=source, dst=target, options=options, frag=fragment) / TCP(dport=2380) / Raw(payload))


packets = st.one_of(
    st.builds(_tcp, addresses, addresses, payloads, st.sampled_from([[], [], b"\0\0\0\0"]), st.sampled_from([0, 0, 5])),
    st.builds(lambda source, target, data: bytes(IP(src=source, dst=target) / UDP() / Raw(data)), addresses, addresses,
              payloads),
    st.builds(lambda data: bytes(IPv6(src="fd77:0:0:1::2", dst="fd78:0:0:2::2") / UDP() / Raw(data)), payloads),
    st.binary(max_size=60),
    st.builds(lambda size: b"\x45" + bytes(size), st.integers(0, 60)),
)  # fmt: skip
times = st.integers(0, 2**62)
links = st.sampled_from([0, 1, 2, 3, NO_LINK])
frames = st.one_of(
    st.tuples(times, links, packets),
    st.builds(PipeFrame, times, links, packets, st.text(max_size=5), st.booleans(), st.none() | packets),
)


def fed(kind, book, pieces, with_writer, with_packets):
    path = kind(book, PcapngWriter(NAMES, OFFSET_NS, "raftmon") if with_writer else None)
    got = [] if with_packets else None
    told, blocks, number = [], [], 0
    for piece in pieces:
        try:
            told.append(path.feed(piece, number, got))
        except IndexError as error:  # bytes that are no packet, with a verdict's changes
            return type(error)
        number += told[-1].packets
        told.append((path.pending_bytes, path.waiting_bytes))
        blocks.append(path.take())
    return told, blocks, got


@pytest.mark.skipif(not COMPILED, reason="the way into the record was not compiled here")
@settings(max_examples=300)
@given(st.sampled_from(BOOKS), st.lists(frames, max_size=12), st.integers(1, 200), st.booleans(), st.booleans())
def test_both_ways_into_the_record_do_the_same(book, story, piece, with_writer, with_packets):
    data = encode([frame for frame in story if frame[1] == NO_LINK or frame[1] < len(book.links)])
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    results = [fed(kind, book, pieces, with_writer, with_packets) for kind in PATHS]
    assert results[0] == results[1]


def test_what_was_installed_is_compiled():
    assert (RecordPath is not RecordPathInPython) == COMPILED


@pytest.mark.parametrize("kind", PATHS)
def test_a_packet_goes_into_the_file_between_real_addresses_with_good_checksums(kind, tmp_path):
    arrived = _tcp("10.77.1.2", "10.78.2.2", b"hello", [], 0)
    path = kind(BOOKS[0], PcapngWriter(NAMES, OFFSET_NS, "raftmon"))
    packets = []
    assert path.feed(encode([(7, 0, arrived), (8, NO_LINK, b"\x45?")]), 3, packets) == (2, len(arrived) + 2, 7)
    file = tmp_path / "x.pcapng"
    file.write_bytes(PcapngWriter(NAMES, OFFSET_NS, "raftmon").header + path.take())
    found = list(read_capture(file))
    real = _tcp("10.77.1.2", "10.77.2.2", b"hello", [], 0)
    assert [(packet.time_ns, packet.data) for packet in found] == [(OFFSET_NS + 7, real), (OFFSET_NS + 8, b"\x45?")]
    assert [(packet.number, packet.data, packet.link) for packet in packets] == [
        (4, real, BOOKS[0].links[0]),
        (5, b"\x45?", NOBODY),
    ]
    assert path.waiting_bytes == 0


@pytest.mark.parametrize("kind", PATHS)
def test_many_large_packets_fit(kind):
    arrived = _tcp("10.77.1.2", "10.78.2.2", bytes(60_000), [], 0)
    path = kind(BOOKS[0], PcapngWriter(NAMES, OFFSET_NS, "raftmon"))
    chunk = encode([(7, 0, arrived)] * 50)
    assert path.feed(chunk, 0, None).packets == 50
    assert len(path.take()) > 50 * len(arrived)
