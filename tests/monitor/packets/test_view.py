"""The packet view agrees with scapy, and stays calm on anything else."""

from __future__ import annotations

import random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.packet import Raw

from raftmon.monitor.packets.view import PacketView
from raftmon.setup.topology import Link

LINK = Link("n1", "n2")
V4 = IP(src="10.77.1.2", dst="10.78.2.2", ttl=63)
V6 = IPv6(src="fd00::1", dst="fd00::2", hlim=62)


def view(packet: object, link: Link | None = LINK) -> PacketView:
    return PacketView(bytes(packet), link, 5)  # type: ignore[call-overload]


@pytest.mark.parametrize("network", [V4, V6], ids=["IPv4", "IPv6"])
def test_tcp_fields_are_those_scapy_sees(network: object) -> None:
    packet = view(network / TCP(sport=40000, dport=2380, flags="PA", seq=7, ack=9, window=512) / Raw(b"hello"))
    assert (packet.source_port, packet.target_port, packet.seq, packet.ack, packet.window) == (40000, 2380, 7, 9, 512)
    assert (packet.psh, packet.is_ack, packet.syn, packet.fin, packet.rst) == (True, True, False, False, False)
    assert (packet.payload, packet.payload_size) == (b"hello", 5)
    assert (packet.protocol, packet.malformed, packet.is_fragment) == (6, None, False)
    assert packet.size == len(packet.data)
    assert (packet.source, packet.target, packet.now_ns) == ("n1", "n2", 5)


def test_addresses_and_ttl_of_both_versions() -> None:
    four, six = view(V4 / TCP()), view(V6 / TCP())
    assert (four.version, four.source_address, four.target_address, four.ttl) == (4, "10.77.1.2", "10.78.2.2", 63)
    assert (six.version, six.source_address, six.target_address, six.ttl) == (6, "fd00::1", "fd00::2", 62)


def test_options_of_ip_and_tcp_are_skipped() -> None:
    packet = view(IP(options=b"\x01" * 8) / TCP(options=[("MSS", 1460), ("NOP", None)]) / Raw(b"x"))
    assert packet.data[0] & 15 > 5
    assert packet.payload == b"x"


def test_ipv6_extension_headers_are_walked() -> None:
    packet = view(V6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / UDP(sport=1, dport=2) / Raw(b"y"))
    assert (packet.protocol, packet.source_port, packet.target_port, packet.payload) == (17, 1, 2, b"y")


def test_first_fragment_has_ports_and_later_ones_have_not() -> None:
    first = view(IP(flags="MF") / UDP(sport=1, dport=2) / Raw(b"a" * 8))
    later = view(IP(frag=2, proto=17) / Raw(b"a" * 16))
    assert (first.is_fragment, first.source_port) == (True, 1)
    assert (later.is_fragment, later.source_port, later.protocol, later.payload) == (True, None, 17, b"a" * 16)
    later6 = view(V6 / IPv6ExtHdrFragment(offset=2, nh=17) / Raw(b"a" * 16))
    assert (later6.is_fragment, later6.source_port, later6.protocol) == (True, None, 17)


def test_udp_and_icmp_payloads_begin_behind_their_headers() -> None:
    assert view(V4 / UDP() / Raw(b"u")).payload == b"u"
    assert view(V4 / ICMP() / Raw(b"i")).payload == b"i"


def test_padding_behind_the_ip_packet_is_no_payload() -> None:
    packet = view(bytes(V4 / TCP() / Raw(b"z")) + b"\0" * 6)
    assert (packet.payload, packet.malformed) == (b"z", None)


def test_both_directions_have_one_connection_though_addresses_are_presented() -> None:
    forth = view(IP(src="10.77.1.2", dst="10.78.2.2") / TCP(sport=40000, dport=2380))
    back = view(IP(src="10.77.2.2", dst="10.78.1.2") / TCP(sport=2380, dport=40000), LINK.reverse)
    assert forth.connection == back.connection == (("n1", 40000), ("n2", 2380))
    assert forth.flow != back.flow


def test_without_a_link_the_connection_bears_addresses() -> None:
    packet = view(V4 / TCP(sport=5, dport=6), None)
    assert packet.connection == (("10.77.1.2", 5), ("10.78.2.2", 6))
    assert (packet.source, packet.target) == (None, None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty packet"),
        (b"\x45" + b"\0" * 10, "short IPv4 header: 11 bytes"),
        (b"\x60" + b"\0" * 30, "short IPv6 header: 31 bytes"),
        (b"\x95" + b"\0" * 30, "IP version 9"),
        (b"\x44" + b"\0" * 30, "IPv4 header length of 16 bytes, at least 20 are needed"),
        (bytes(V4 / TCP())[:-1], "total length 40 in a packet of 39 bytes"),
        (b"\x45\0\0\x05" + b"\0" * 20, "total length 5 is shorter than the header of 20 bytes"),
        (b"\x4f\0\0\x14" + b"\0" * 16, "IPv4 header of 60 bytes in a packet of 20"),
        (bytes(IP(proto=6) / Raw(b"1234567")), "short TCP header: 7 bytes"),
        (bytes(IP(proto=17) / Raw(b"1")), "short UDP header: 1 bytes"),
        (bytes(IP(proto=1) / Raw(b"1")), "short ICMP header: 1 bytes"),
        (bytes(V4 / TCP(dataofs=15)), "TCP header length of 60 bytes in a segment of 20"),
        (bytes(V4 / TCP(dataofs=2)), "TCP header length of 8 bytes in a segment of 20"),
        (bytes(V4 / UDP(len=50) / Raw(b"1")), "UDP length 50 in a datagram of 9 bytes"),
        (bytes(IPv6(nh=0) / Raw(b"\0" * 4)), "IPv6 extension header 0 cut short at byte 40"),
        (bytes(IPv6(nh=60) / Raw(b"\x06\xff" + b"\0" * 14)), "IPv6 extension header 60 reaches past the packet's end"),
        (bytes(IPv6(nh=60) / Raw(b"\x3c\0" + b"\0" * 6)), "IPv6 extension header 60 cut short at byte 48"),
        (bytes(IPv6(nh=60) / Raw((b"\x3c\0" + b"\0" * 6) * 20)), "more than 16 IPv6 extension headers"),
    ],
)
def test_malformed_packets_say_what_is_wrong(data: bytes, reason: str) -> None:
    packet = PacketView(data, LINK)
    assert packet.malformed == reason
    assert packet.payload == b""


def test_every_cut_of_a_packet_can_be_asked_everything() -> None:
    rng = random.Random(1)
    whole = bytes(V4 / TCP() / Raw(b"hello")), bytes(V6 / IPv6ExtHdrHopByHop() / UDP() / Raw(b"hello"))
    names = [name for name in dir(PacketView) if not name.startswith("_") and name != "scapy"]
    for data in whole:
        for length in range(len(data)):
            cut = bytearray(data[:length])
            if cut:
                cut[rng.randrange(len(cut))] ^= 1 << rng.randrange(8)
            packet = PacketView(bytes(cut))
            for name in names:
                getattr(packet, name)
            assert 0 <= packet.payload_offset <= packet.end <= packet.size
            assert str(packet)


def test_scapy_gives_the_same_packet() -> None:
    packet = view(V6 / TCP(dport=77) / Raw(b"q"))
    assert packet.scapy()[TCP].dport == 77
    assert bytes(PacketView(b"\x00").scapy()) == b"\x00"
