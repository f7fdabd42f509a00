"""Each condition matches what it says, and links are decided before the first packet."""

from __future__ import annotations

import pytest

from raftmon.monitor.packets.connections import ConnectionTable
from raftmon.monitor.packets.view import ICMP, UDP, PacketView
from raftmon.monitor.rules.conditions import ALWAYS, NEVER, AllOf, Not, Port, both, either, negate
from raftmon.monitor.rules.language import parse_match
from raftmon.monitor.rules.replay import craft, parse_packet
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

HERE = Link("n1", "n2")
PORT = Port(frozenset({2380}))


def holds(condition: str, packet: str | bytes, link: Link = HERE, now_ns: int = 0) -> bool:
    data = packet if isinstance(packet, bytes) else parse_packet(packet).data
    match = parse_match(condition).specialise(link)
    return match.compile(ConnectionTable())(PacketView(data, link, now_ns))


@pytest.mark.parametrize(
    ("condition", "packet", "expected"),
    [
        ("port 2380", "n1->n2 tcp 40000->2380", True),
        ("port 2380", "n1->n2 tcp 2380->40000", True),
        ("port 2380", "n1->n2 tcp 40000->2379", False),
        ("port 2379..2381,9", "n1->n2 tcp 40000->2380", True),
        ("port 2379..2381,9", "n1->n2 tcp 9->1", True),
        ("source port 2380", "n1->n2 tcp 40000->2380", False),
        ("source port 1,2", "n1->n2 tcp 2->9", True),
        ("target port 2380", "n1->n2 tcp 40000->2380", True),
        ("target port 1,2", "n1->n2 tcp 2->9", False),
        ("tcp", "n1->n2 udp 1->2", False),
        ("udp", "n1->n2 udp 1->2", True),
        ("icmp", "n1->n2 icmp", True),
        ("protocol 17", "n1->n2 udp 1->2", True),
        ("ipv4", "n1->n2", True),
        ("ipv6", "n1->n2", False),
        ("syn", "n1->n2 tcp 1->2 syn", True),
        ("syn and not ack", "n1->n2 tcp 1->2 syn ack", False),
        ("fin or rst", "n1->n2 tcp 1->2 rst", True),
        ("psh urg", "n1->n2 tcp 1->2 psh", False),
        ("syn", "n1->n2 udp 1->2", False),
        ("size > 100", "n1->n2 bytes 61", True),
        ("size > 100", "n1->n2 bytes 60", False),
        ("size < 41", "n1->n2", True),
        ("size = 40", "n1->n2", True),
        ("size != 40", "n1->n2", False),
        ("size >= 40 size <= 40 tcp ipv4", "n1->n2", True),
        ("payload = 5", 'n1->n2 "hello"', True),
        ('payload has "ell"', 'n1->n2 "hello"', True),
        ('payload has "ell"', 'n1->n2 "help"', False),
        (r"payload ~ /h.l+o$/", 'n1->n2 "hello"', True),
        (r"payload ~ /a.b/", r'n1->n2 "a\nb"', True),
        ("payload ~ /^ello/", 'n1->n2 "hello"', False),
        ("address 10.77.0.0/16", "n1->n2", True),
        ("source address 10.78.2.2", "n1->n2", False),
        ("target address 10.78.2.2", "n1->n2", True),
        ("address fd00::/8", "n1->n2", False),
        ("fragment", "n1->n2", False),
        ("malformed", "n1->n2", False),
        ("not (port 1 or port 2)", "n1->n2 tcp 3->4", True),
        ("port 1 or port 2 or port 4", "n1->n2 tcp 3->4", True),
        ("source n1", "n1->n2", True),
        ("target n1", "n1->n2", False),
        ("n1<->n2", "n1->n2", True),
        ("n2<->n1", "n1->n2", True),
        ("n2->n1", "n1->n2", False),
        ("*->n2,n3", "n1->n2", True),
    ],
)
def test_condition(condition: str, packet: str, expected: bool) -> None:
    assert holds(condition, packet) is expected


def test_ipv6_addresses_and_ports_match() -> None:
    data = craft(HERE, UDP, (5, 6), payload=b"x", version=6)
    assert holds("ipv6 and udp and target port 6 and address fd00::/8 and source address fd00::1", data)
    assert not holds("target address fd00::1", data)


def test_needle_in_padding_is_not_in_the_payload() -> None:
    assert not holds('payload has "pad"', craft(HERE, payload=b"x") + b"pad")


@pytest.mark.parametrize("data", [b"", b"\x45", b"\x60" * 10, b"\xff" * 60])
def test_conditions_on_absent_fields_do_not_hold(data: bytes) -> None:
    for condition in ("port 1", "tcp", "syn", "address 0.0.0.0/0", "address ::/0", "dialled by n1", "age < 1s"):
        assert not holds(condition, data), condition
    assert holds("malformed", data)


def test_a_fragment_is_told() -> None:
    data = bytearray(craft(HERE, ICMP, payload=b"x" * 16))
    data[6] |= 0x20
    assert holds("fragment", bytes(data))


def test_what_the_link_decides_is_decided_before_any_packet() -> None:
    match = parse_match("n1->n2 and port 2380 or n3->*")
    assert match.specialise(Link("n1", "n2")) == PORT
    assert match.specialise(Link("n3", "n2")) is ALWAYS
    assert match.specialise(Link("n2", "n1")) is NEVER
    assert parse_match("not n1->n2").specialise(HERE) is NEVER
    assert parse_match("not (n1->n2 and port 2380)").specialise(HERE) == Not(PORT)


def test_combinations_come_out_in_their_shortest_form() -> None:
    assert both(PORT, ALWAYS) == PORT
    assert both(PORT, NEVER) is NEVER
    assert both() is ALWAYS
    assert either(PORT, NEVER) == PORT
    assert either(PORT, ALWAYS) is ALWAYS
    assert either() is NEVER
    assert negate(negate(PORT)) == PORT
    assert both(both(PORT, PORT), PORT) == AllOf((PORT, PORT, PORT))


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [("port 70000", "a port"), ("address 10.0.0.0/64", "neither an address nor"), ("payload ~ /(/", "no regular")],
)
def test_impossible_conditions_are_refused(condition: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        parse_match(condition)
