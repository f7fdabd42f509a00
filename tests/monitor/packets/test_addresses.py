from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.packets.addresses import AddressBook, is_neutral, readdress, readdresser
from raftmon.setup.topology import Link, Topology

BOOK = AddressBook(MonitorConfig.of_topology(Topology.star(3), Path("/x"), monotonic_ns=1, wall_ns=2))
words = st.binary(min_size=8, max_size=8)


def again(data, kind=IP):
    """The packet with every checksum worked out by scapy."""
    packet = kind(data)
    for layer in (IP, TCP, UDP):
        if layer in packet:
            del packet[layer].chksum
    return bytes(packet)


def tcp(source, target, payload=b"hello"):
    return bytes(IP(src=source, dst=target) / TCP(sport=40000, dport=2380, seq=7) / Raw(payload))


def test_a_peer_packet_is_found_under_its_presented_destination():
    route = BOOK.find(data := tcp("10.77.1.2", "10.78.2.2"), data[12:20])
    assert route.link == Link("n1", "n2")
    assert BOOK.present(data) == again(tcp("10.78.1.2", "10.77.2.2"))
    assert BOOK.recorder(route.link_id)(data) == tcp("10.77.1.2", "10.77.2.2")


def test_a_client_talks_to_real_addresses_which_stay():
    data = tcp("10.79.1.2", "10.77.2.2")
    assert BOOK.find(data, data[12:20]).link == Link("c1", "n2")
    assert BOOK.present(data) is data


def test_strangers_have_no_route():
    data = tcp("10.0.0.1", "10.78.2.2")
    assert BOOK.find(data, data[12:20]) is None
    assert BOOK.present(data) is data


def test_presented_addresses_of_a_run_are_checksum_neutral_under_both_families():
    assert all(is_neutral(pair, route.delivery) for pair, route in BOOK.by_pair.items())
    assert {len(pair) for pair in BOOK.by_pair} == {8, 32}


def test_an_ipv6_peer_packet_is_presented_too():
    data = bytes(IPv6(src="fd77:0:0:1::2", dst="fd78:0:0:2::2") / TCP(dport=2380) / Raw(b"abc"))
    out = BOOK.present(data)
    assert (IPv6(out).src, IPv6(out).dst) == ("fd78:0:0:1::2", "fd77:0:0:2::2")
    assert again(out, IPv6) == out


@given(words, words, st.binary(max_size=60), st.sampled_from([TCP, UDP]), st.sampled_from([0, 1, 185]))
def test_the_prepared_way_gives_the_same(old, new, payload, transport, fragment):
    data = bytes(IP(frag=fragment) / transport() / Raw(payload))
    data = data[:12] + old + data[20:]
    assert readdresser(old, new)(data) == readdress(data, new)


@given(words, words, st.binary(max_size=60), st.sampled_from([TCP, UDP]))
def test_any_readdressing_leaves_checksums_as_valid_as_a_new_calculation(old, new, payload, transport):
    data = bytes(IP() / transport() / Raw(payload))
    data = again(data[:12] + old + data[20:])
    out = readdress(data, new)
    expected = again(data[:12] + new + data[20:])
    zeros = {b"\0\0", b"\xff\xff"}  # the two zeros of ones' complement are equal
    at = 36 if transport is TCP else 26
    for start in (10, at):
        pair = {out[start : start + 2], expected[start : start + 2]}
        assert len(pair) == 1 or pair == zeros
    assert out[:10] + out[12:at] + out[at + 2 :] == expected[:10] + expected[12:at] + expected[at + 2 :]


def test_a_wrong_checksum_stays_wrong():
    data = bytearray(tcp("10.0.0.1", "10.0.0.2"))
    data[36] ^= 0x10
    out = readdress(bytes(data), b"\x01\x02\x03\x04\x05\x06\x07\x08")
    assert out != again(out)


def test_a_udp_packet_without_checksum_stays_without():
    data = bytearray(bytes(IP(src="10.0.0.1", dst="10.0.0.2") / UDP() / Raw(b"x")))
    data[26:28] = b"\0\0"
    assert readdress(bytes(data), b"\x01\x02\x03\x04\x05\x06\x07\x08")[26:28] == b"\0\0"


def test_later_fragments_keep_their_bytes():
    data = bytes(IP(src="10.0.0.1", dst="10.0.0.2", frag=10, proto=6) / Raw(bytes(range(60))))
    out = readdress(data, b"\x01\x02\x03\x04\x05\x06\x07\x08")
    assert out[20:] == data[20:]


@pytest.mark.parametrize("size", range(20, 40))
def test_a_header_cut_short_is_no_trouble(size):
    data = tcp("10.0.0.1", "10.0.0.2")[:size]
    assert len(readdress(data, b"\x01\x02\x03\x04\x05\x06\x07\x08")) == size
