"""The words of the rule language that say which packets: one entry a word."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from raftmon.monitor.packets import view as packet
from raftmon.monitor.rules import conditions as m
from raftmon.monitor.rules.conditions import Match
from raftmon.monitor.rules.conditions.messages import MESSAGE_MATCHES
from raftmon.monitor.rules.language.grammar import Parser

__all__ = ["FLAGS", "MATCHES", "PROTOCOLS"]

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


def _ports(parser: Parser, end: End = "either") -> Match:
    found: set[int] = set()
    while True:
        first = last = parser.whole("a port", 0, 65535)
        if parser.accept(".."):
            last = parser.whole("the last port", first, 65535)
        found.update(range(first, last + 1))
        if not parser.accept(","):
            return m.Port(frozenset(found), end)


def _address(parser: Parser, end: End = "either") -> Match:
    return m.Address(parser.expect("address", "an address such as 10.0.0.1 or fd00::/8").text, end)


def _end(parser: Parser, end: Literal["source", "target"]) -> Match:
    if parser.accept("port"):
        return _ports(parser, end)
    if parser.accept("address"):
        return _address(parser, end)
    hosts = parser.hosts()
    if hosts is None:
        return m.ALWAYS
    return m.Links(hosts, None) if end == "source" else m.Links(None, hosts)


def _payload(parser: Parser) -> Match:
    if parser.accept("has"):
        return m.PayloadHas(parser.literal())
    if parser.accept("~"):
        pattern = parser.expect("regex", r"a regular expression such as /vote\d+/").text
        pattern = re.sub(r"\\(.)", lambda found: "/" if found[1] == "/" else found[0], pattern)
        return m.PayloadMatches(pattern.encode("utf-8", "surrogatepass"))
    if not parser.at("<", "<=", ">", ">=", "=", "!="):
        parser.fail(f'expected has "bytes", ~ /regex/ or a comparison such as > 100, not {parser.here}')
    return m.PayloadSize(parser.comparison(), parser.byte_count())


def _dialled(parser: Parser) -> Match:
    parser.expect_text("by")
    hosts = parser.hosts()
    if hosts is None:
        parser.fail("expected the name of a host")
    return m.Dialled(hosts)


def _constant(match: Match) -> Callable[[Parser], Match]:
    return lambda parser: match


MATCHES: dict[str, Callable[[Parser], Match]] = {
    "all": _constant(m.ALWAYS),
    "source": lambda parser: _end(parser, "source"),
    "target": lambda parser: _end(parser, "target"),
    "port": _ports,
    "address": _address,
    "protocol": lambda parser: m.ProtocolIs(parser.whole("a protocol's number", 0, 255)),
    "size": lambda parser: m.Size(parser.comparison(), parser.byte_count()),
    "payload": _payload,
    "age": lambda parser: m.Age(parser.comparison(), parser.time_ms()),
    "dialled": _dialled,
    "ipv4": _constant(m.Family(4)),
    "ipv6": _constant(m.Family(6)),
    "fragment": _constant(m.Fragment()),
    "malformed": _constant(m.Malformed()),
    **{word: _constant(m.ProtocolIs(number)) for word, number in PROTOCOLS.items()},
    **{word: _constant(m.Flag(mask)) for word, mask in FLAGS.items()},
    **MESSAGE_MATCHES,
}
