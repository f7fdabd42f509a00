"""The words of the rule language that say which packets: one row a word."""

from __future__ import annotations

import re
from typing import Literal

from raftmon.monitor.packets import view as packet
from raftmon.monitor.rules import conditions as m
from raftmon.monitor.rules.conditions import Match
from raftmon.monitor.rules.language.cursor import Cursor
from raftmon.monitor.rules.language.spelling import hosts, literal, number, regex
from raftmon.monitor.rules.language.word import Word

__all__ = ["FLAGS", "PACKET_CONDITIONS", "PROTOCOLS"]

End = Literal["either", "source", "target"]

FLAGS = {
    "syn": packet.SYN,
    "ack": packet.ACK,
    "fin": packet.FIN,
    "rst": packet.RST,
    "psh": packet.PSH,
    "urg": packet.URG,
}
PROTOCOLS = {"tcp": packet.TCP, "udp": packet.UDP, "icmp": packet.ICMP, "icmp6": packet.ICMPV6}


def _ports(cursor: Cursor, end: End = "either") -> Match:
    found: set[int] = set()
    while True:
        first = last = cursor.whole("a port", 0, 65535)
        if cursor.accept(".."):
            last = cursor.whole("the last port", first, 65535)
        found.update(range(first, last + 1))
        if not cursor.accept(","):
            return m.Port(frozenset(found), end)


def _address(cursor: Cursor, end: End = "either") -> Match:
    return m.Address(cursor.expect("address", "an address such as 10.0.0.1 or fd00::/8").text, end)


def _end(cursor: Cursor, end: Literal["source", "target"]) -> Match:
    if cursor.accept("port"):
        return _ports(cursor, end)
    if cursor.accept("address"):
        return _address(cursor, end)
    names = cursor.hosts()
    if names is None:
        return m.ALWAYS
    return m.Links(names, None) if end == "source" else m.Links(None, names)


def _payload(cursor: Cursor, _word: str) -> Match:
    if cursor.accept("has"):
        return m.PayloadHas(cursor.literal())
    if cursor.accept("~"):
        pattern = cursor.expect("regex", r"a regular expression such as /vote\d+/").text
        pattern = re.sub(r"\\(.)", lambda found: "/" if found[1] == "/" else found[0], pattern)
        return m.PayloadMatches(pattern.encode("utf-8", "surrogatepass"))
    if not cursor.at("<", "<=", ">", ">=", "=", "!="):
        cursor.fail(f'expected has "bytes", ~ /regex/ or a comparison such as > 100, not {cursor.here}')
    return m.PayloadSize(cursor.comparison(), cursor.byte_count())


def _dialled(cursor: Cursor, _word: str) -> Match:
    cursor.expect_text("by")
    names = cursor.hosts()
    if names is None:
        cursor.fail("expected the name of a host")
    return m.Dialled(names)


def _write_end(end: str) -> str:
    return "" if end == "either" else f"{end} "


def _write_port(port: m.Port) -> str:
    ranges: list[list[int]] = []
    for one in sorted(port.ports):
        if ranges and ranges[-1][1] == one - 1:
            ranges[-1][1] = one
        else:
            ranges.append([one, one])
    return f"{_write_end(port.end)}port " + ",".join(str(a) if a == b else f"{a}..{b}" for a, b in ranges)


def _write_protocol(protocol: m.ProtocolIs) -> str:
    words = {code: word for word, code in PROTOCOLS.items()}
    return words.get(protocol.number) or f"protocol {protocol.number}"


def _ends(cursor: Cursor, word: str) -> Match:
    return _end(cursor, "source" if word == "source" else "target")


def _transport(cursor: Cursor, word: str) -> Match:
    known = PROTOCOLS.get(word)
    return m.ProtocolIs(cursor.whole("a protocol's number", 0, 255) if known is None else known)


PACKET_CONDITIONS: tuple[Word[Match], ...] = (
    Word(
        ("source", "target"),
        "source n1, target n1,n2",
        "packets from or to these hosts; also source port 2380",
        _ends,
        {},  # written as links, ports and addresses
    ),
    Word(
        ("dialled",),
        "dialled by n1",
        "both directions of connections opened by n1",
        _dialled,
        {m.Dialled: lambda x: f"dialled by {hosts(x.hosts)}"},
    ),
    Word(
        ("age",),
        "age > 2s",
        "connections first seen longer ago than this",
        lambda cursor, _word: m.Age(cursor.comparison(), cursor.time_ms()),
        {m.Age: lambda x: f"age {x.operator} {number(x.age_ms)}ms"},
    ),
    Word(
        ("port",),
        "port 2380, port 2379,2380, port 1..1023",
        "TCP or UDP packets with this port at either end",
        lambda cursor, _word: _ports(cursor),
        {m.Port: _write_port},
    ),
    Word(
        ("address",),
        "address 10.0.0.0/8",
        "packets from or to this address or network",
        lambda cursor, _word: _address(cursor),
        {m.Address: lambda x: f"{_write_end(x.end)}address {x.network}"},
    ),
    Word(
        (*PROTOCOLS, "protocol"),
        f"{', '.join(PROTOCOLS)}, protocol 132",
        "packets of this transport protocol",
        _transport,
        {m.ProtocolIs: _write_protocol},
    ),
    Word(
        ("ipv4", "ipv6"),
        "ipv4, ipv6",
        "packets of this IP version",
        lambda _cursor, word: m.Family(4 if word == "ipv4" else 6),
        {m.Family: lambda x: f"ipv{x.version}"},
    ),
    Word(
        tuple(FLAGS),
        ", ".join(FLAGS),
        "TCP segments with this flag",
        lambda _cursor, word: m.Flag(FLAGS[word]),
        {m.Flag: lambda x: " and ".join(word for word, mask in FLAGS.items() if x.mask & mask)},
    ),
    Word(
        ("size",),
        "size > 1000",
        "by the size of the IP packet in bytes",
        lambda cursor, _word: m.Size(cursor.comparison(), cursor.byte_count()),
        {m.Size: lambda x: f"size {x.operator} {x.size}"},
    ),
    Word(
        ("payload",),
        'payload > 0 | payload has "vote" | payload ~ /vote\\d+/',
        "by the transport payload: its size, bytes, a regular expression",
        _payload,
        {
            m.PayloadSize: lambda x: f"payload {x.operator} {x.size}",
            m.PayloadHas: lambda x: f"payload has {literal(x.needle)}",
            m.PayloadMatches: lambda x: f"payload ~ {regex(x.pattern)}",
        },
    ),
    Word(
        ("fragment",),
        "fragment",
        "IP fragments",
        lambda _cursor, _word: m.Fragment(),
        {m.Fragment: lambda _condition: "fragment"},
    ),
    Word(
        ("malformed",),
        "malformed",
        "packets with invalid headers",
        lambda _cursor, _word: m.Malformed(),
        {m.Malformed: lambda _condition: "malformed"},
    ),
    Word(
        ("all",),
        "all, *",
        "every packet",
        lambda _cursor, _word: m.ALWAYS,
        {m.Always: lambda _condition: "*"},
    ),
)
