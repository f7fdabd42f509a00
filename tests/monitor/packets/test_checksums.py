"""Packets put together again are those scapy would build."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrHopByHop
from scapy.packet import Raw
from scapy.utils import checksum

from raftmon.monitor.packets.checksums import internet_checksum, repaired, transport_sum_is_valid, with_payload

HEADS = {
    "tcp": IP(src="10.0.0.1", dst="10.0.0.2") / TCP(options=[("MSS", 1460)]),
    "udp": IP(src="10.0.0.1", dst="10.0.0.2") / UDP(),
    "icmp": IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(),
    "tcp6": IPv6(src="fd00::1", dst="fd00::2") / TCP(),
    "udp6": IPv6(src="fd00::1", dst="fd00::2") / UDP(),
    "udp6-hop": IPv6(src="fd00::1", dst="fd00::2") / IPv6ExtHdrHopByHop() / UDP(),
    "icmp6": IPv6(src="fd00::1", dst="fd00::2") / ICMPv6EchoRequest(),
    "other": IP(src="10.0.0.1", dst="10.0.0.2", proto=132),
}


@given(st.binary(max_size=200))
def test_the_sum_is_scapys(data: bytes) -> None:
    ours = internet_checksum(data)
    assert ours == checksum(data) or {ours, checksum(data)} == {0, 0xFFFF}


@pytest.mark.parametrize("name", HEADS)
@given(payload=st.binary(max_size=300))
def test_a_new_payload_gives_the_packet_scapy_builds(name: str, payload: bytes) -> None:
    head = HEADS[name]
    assert with_payload(bytes(head / Raw(b"before")), payload) == bytes(head / Raw(payload))


@pytest.mark.parametrize("name", HEADS)
def test_repair_undoes_wrong_sums(name: str) -> None:
    right = bytes(HEADS[name] / Raw(b"some bytes"))
    wrong = bytearray(right)
    if right[0] >> 4 == 4:
        wrong[10] ^= 0xFF
    assert repaired(bytes(wrong)) == right


def test_a_udp_datagram_without_checksum_stays_without() -> None:
    data = bytes(IP() / UDP(chksum=0) / Raw(b"x"))
    assert repaired(data)[26:28] == b"\0\0"
    assert transport_sum_is_valid(data) is None


def test_validity_is_told_apart() -> None:
    data = bytes(HEADS["tcp6"] / Raw(b"x"))
    assert transport_sum_is_valid(data) is True
    assert transport_sum_is_valid(data[:-1] + b"y") is False


def test_fragments_and_malformed_packets_are_left_alone() -> None:
    fragment = bytes(IP(frag=3, proto=17) / Raw(b"abc"))
    assert with_payload(fragment, b"x") is fragment
    assert with_payload(b"\x45", b"x") == b"\x45"
    assert repaired(b"") == b""


def test_a_payload_too_long_for_ip_is_refused() -> None:
    with pytest.raises(ValueError, match="65535"):
        with_payload(bytes(HEADS["tcp"]), b"x" * 65536)
