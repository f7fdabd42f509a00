"""Try rules on packets without a network: ``replay(rules, packets)``, for tests of one's own rules.

A packet is a line of text, or a ``Sample`` with bytes of one's own::

    5ms n1->n2 tcp 40000->2380 psh ack "hello"        at 5 ms, from n1 to n2, with that payload
    n2->n1 udp 5000->6000 bytes 100                   at the same time as the line before, 100 bytes of payload
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raftmon.monitor.packets.checksums import repaired
from raftmon.monitor.packets.view import ACK, ICMP, PSH, TCP, UDP
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.language.condition_words import FLAGS
from raftmon.monitor.rules.language.cursor import Cursor
from raftmon.monitor.rules.rule import RuleSet
from raftmon.monitor.rules.scripts import Scripts
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.monitor.rules.verdict import ACCEPT, Verdict
from raftmon.setup.topology import Link

__all__ = ["ReplayResult", "Sample", "craft", "parse_packet", "replay"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One packet to be judged: on which link, when (nanoseconds from the start), its bytes from the IP header on."""

    link: Link
    time_ns: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What became of one packet. ``delays_ms`` has an entry for each copy that leaves: none means dropped."""

    sample: Sample
    verdict: Verdict

    @property
    def dropped(self) -> bool:
        """Whether nothing of it leaves."""
        return not self.verdict.copies

    @property
    def delays_ms(self) -> tuple[float, ...]:
        """How long each copy is held."""
        return tuple((copy.due_ns - self.sample.time_ns) / 1e6 if copy.due_ns else 0.0 for copy in self.verdict.copies)

    @property
    def data(self) -> tuple[bytes, ...]:
        """The bytes of each copy."""
        return tuple(self.sample.data if copy.data is None else copy.data for copy in self.verdict.copies)

    def __str__(self) -> str:
        """One line: ``5.000ms n1->n2 90 B: drop (r1)``."""
        what = self.verdict.comment or ("drop" if self.dropped else "accept")
        rule = f" ({self.verdict.rule})" if self.verdict.rule else ""
        return f"{self.sample.time_ns / 1e6:.3f}ms {self.sample.link} {len(self.sample.data)} B: {what}{rule}"


def craft(
    link: Link,
    protocol: int = TCP,
    ports: tuple[int, int] = (40000, 2380),
    flags: int = PSH | ACK,
    payload: bytes = b"",
    *,
    seq: int = 1000,
    ack: int = 2000,
    version: int = 4,
) -> bytes:
    """A whole packet with right lengths and checksums; a host's address follows from the digits in its name."""
    ends = b"".join(port.to_bytes(2, "big") for port in ports)
    if protocol == TCP:
        head = ends + seq.to_bytes(4, "big") + ack.to_bytes(4, "big") + bytes((0x50, flags)) + b"\xff\xff\0\0\0\0"
    elif protocol == UDP:
        head = ends + (8 + len(payload)).to_bytes(2, "big") + b"\0\1"
    elif protocol == ICMP:
        head = b"\x08\0\0\0\0\0\0\0"
    else:
        head = b""
    body = head + payload
    source, target = (
        int("".join(filter(str.isdigit, name)) or "0") % 250 or 250 for name in (link.source, link.target)
    )
    if version == 6:
        addresses = b"\xfd" + b"\0" * 14 + bytes((source,)) + b"\xfd" + b"\0" * 14 + bytes((target,))
        return repaired(b"\x60\0\0\0" + len(body).to_bytes(2, "big") + bytes((protocol, 64)) + addresses + body)
    addresses = bytes((10, 77, source, 2, 10, 78, target, 2))
    total = (20 + len(body)).to_bytes(2, "big")
    return repaired(b"\x45\0" + total + b"\0\0\x40\0" + bytes((64, protocol, 0, 0)) + addresses + body)


def parse_packet(line: str, time_ns: int = 0) -> Sample:
    """A packet from a line; ``time_ns`` is its time where the line gives none. Raises InputError with the column."""
    cursor = Cursor(line)
    if cursor.here.kind == "number":
        time_ns = round(cursor.time_ms() * 1e6)
    source = cursor.hosts()
    cursor.expect_text("->")
    target = cursor.hosts()
    if source is None or target is None or len(source) != 1 or len(target) != 1:
        cursor.fail("expected one host -> one host, such as n1->n2", cursor.tokens[0])
    link = Link(*source, *target)
    options: dict[str, Any] = {}
    if cursor.at("tcp", "udp", "icmp"):
        options["protocol"] = {"tcp": TCP, "udp": UDP, "icmp": ICMP}[cursor.take().text]
    if cursor.at_number(""):
        first = cursor.whole("a port", 0, 65535)
        cursor.expect_text("->")
        options["ports"] = (first, cursor.whole("a port", 0, 65535))
    while cursor.at(*FLAGS):
        options["flags"] = options.get("flags", 0) | FLAGS[cursor.take().text]
    if cursor.here.kind == "string":
        options["payload"] = cursor.literal()
    elif cursor.accept("bytes"):
        options["payload"] = b"x" * cursor.whole("a number of bytes", 0, 65000)
    if cursor.here.kind != "end":
        cursor.fail(f'expected ports, TCP flags, "payload" or bytes N, not {cursor.here}')
    return Sample(link, time_ns, craft(link, **options))


def replay(
    rules: RuleSet | Scripts | str | Path | Sequence[dict[str, Any] | str],
    packets: Iterable[str | Sample],
    *,
    seed: str = "replay",
    strict: bool = True,
) -> list[ReplayResult]:
    """Judge ``packets`` in their order by ``rules``: lines or objects, a rules file (a Path or Scripts), or a RuleSet.

    Exceptions in user code come out as UserCodeError unless ``strict`` is false. Raises InputError for bad rules.
    """
    samples: list[Sample] = []
    for packet in packets:
        samples.append(
            packet if isinstance(packet, Sample) else parse_packet(packet, samples[-1].time_ns if samples else 0)
        )
    links = list(dict.fromkeys(sample.link for sample in samples))
    names = list(dict.fromkeys(name for link in links for name in (link.source, link.target)))
    engine = Engine(links, seed, 0, strict=strict)
    scripts = None
    if isinstance(rules, RuleSet):
        ruleset = rules
    elif isinstance(rules, Scripts | Path):
        scripts = rules if isinstance(rules, Scripts) else Scripts([rules], names=names, links=links, seed=seed)
        ruleset = scripts.apply(RuleSet((), tuple(names)))
    else:
        ruleset = ruleset_from_items([rules] if isinstance(rules, str) else rules, ())
    engine.load(ruleset, 0)
    if scripts is not None:
        scripts.started()
    results = []
    for sample in samples:
        chain = engine.chain(links.index(sample.link))
        results.append(ReplayResult(sample, ACCEPT if chain is None else chain(sample.data, sample.time_ns)))
    if scripts is not None:
        scripts.done()
    return results
