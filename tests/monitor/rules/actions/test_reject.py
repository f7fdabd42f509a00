"""The packets that say no are those a kernel believes."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoRequest, IPv6
from scapy.packet import Raw

from raftmon.monitor.packets.checksums import repaired
from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.rules.actions.reject import refusals

V4 = IP(src="10.77.1.2", dst="10.78.2.2")
V6 = IPv6(src="fd00::1", dst="fd00::2")


def present(data: bytes) -> bytes:
    """What the loop does: 10.77.1.2 -> 10.78.2.2 becomes 10.78.1.2 -> 10.77.2.2."""
    out = bytearray(data)
    out[13], out[17] = 78, 77
    return repaired(bytes(out))


def answers(packet: object) -> list[bytes]:
    return list(refusals(PacketView(bytes(packet)), present))  # type: ignore[call-overload]


def test_both_ends_of_a_tcp_connection_get_a_reset_under_the_addresses_they_know() -> None:
    back, forth = answers(V4 / TCP(sport=40000, dport=2380, flags="PA", seq=100, ack=200) / Raw(b"abc"))
    one, two = IP(back), IP(forth)
    assert (one.src, one.dst, one[TCP].sport, one[TCP].dport) == ("10.78.2.2", "10.77.1.2", 2380, 40000)
    assert (str(one[TCP].flags), one[TCP].seq) == ("R", 200)
    assert (two.src, two.dst, two[TCP].sport, two[TCP].dport) == ("10.78.1.2", "10.77.2.2", 40000, 2380)
    assert (str(two[TCP].flags), two[TCP].seq, two[TCP].ack) == ("RA", 100, 200)


def test_a_first_syn_is_answered_to_its_sender_alone_with_the_ack_it_waits_for() -> None:
    (back,) = answers(V4 / TCP(sport=40000, dport=2380, flags="S", seq=100))
    assert (str(IP(back)[TCP].flags), IP(back)[TCP].seq, IP(back)[TCP].ack) == ("RA", 0, 101)


@pytest.mark.parametrize(
    "packet",
    [V4 / TCP(flags="PA") / Raw(b"abc"), V4 / UDP() / Raw(b"u"), V6 / TCP(flags="A"), V6 / UDP() / Raw(b"u")],
)
def test_answers_are_whole_packets_with_right_checksums(packet: object) -> None:
    for answer in (
        answers(packet)
        if PacketView(bytes(packet)).version == 4
        else refusals(  # type: ignore[call-overload]
            PacketView(bytes(packet)),
            None,  # type: ignore[call-overload]
        )
    ):
        again = PacketView(answer).scapy()
        for layer in (again, again.payload):
            for field in ("chksum", "cksum", "len", "plen"):
                if field in layer.fields:
                    delattr(layer, field)
        assert bytes(again) == answer
        assert PacketView(answer).malformed is None


def test_udp_gets_port_unreachable_that_quotes_what_was_sent() -> None:
    (answer,) = answers(V4 / UDP(sport=5, dport=6) / Raw(b"data"))
    packet = IP(answer)
    assert (packet.src, packet.dst) == ("10.78.2.2", "10.77.1.2")
    assert (packet[ICMP].type, packet[ICMP].code) == (3, 3)
    assert (packet[IPerror].dst, packet[UDPerror].dport) == ("10.78.2.2", 6)


def test_ipv6_has_its_own_unreachable() -> None:
    (answer,) = answers(V6 / ICMPv6EchoRequest())
    packet = IPv6(answer)
    assert (packet.src, packet.dst, packet[ICMPv6DestUnreach].code) == ("fd00::2", "fd00::1", 4)


@pytest.mark.parametrize(
    "packet",
    [
        V4 / TCP(flags="R"),
        V4 / ICMP(type=3),
        V4 / ICMP(type=0),
        V6 / ICMPv6DestUnreach(),
        IP(src="10.77.1.2", dst="224.0.0.1") / UDP(),
        IP(src="10.77.1.2", dst="255.255.255.255") / UDP(),
        IP(src="0.0.0.0", dst="10.0.0.1") / UDP(),
        IPv6(src="fd00::1", dst="ff02::1") / UDP(),
        IP(frag=3, proto=17) / Raw(b"12345678"),
        IP(proto=6) / Raw(b"123"),
        Raw(b"\xff"),
        Raw(b""),
    ],
)
def test_nothing_is_said_about_errors_groups_fragments_and_rubbish(packet: object) -> None:
    assert answers(packet) == []
