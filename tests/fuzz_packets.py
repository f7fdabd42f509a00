"""Hostile packets through the whole pure core: ``python -m tests.fuzz_packets --count 1000000 --seed 1``.

Nothing may raise, and every verdict must be one the queue loop can carry out. A failure prints the seed and the packet.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from collections.abc import Iterator

from raftmon.monitor.packets.view import ICMP, ICMPV6, TCP, UDP, PacketView
from raftmon.monitor.rules.actions.kinds import Call
from raftmon.monitor.rules.api import corrupt, rewrite
from raftmon.monitor.rules.conditions import ALWAYS
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.link_state import Chain
from raftmon.monitor.rules.replay import craft
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.monitor.rules.serialization import with_items
from raftmon.monitor.rules.verdict import Verdict
from raftmon.setup.topology import Link

LINK = Link("n1", "n2")

# Every condition and every action, on every packet: what is not terminal comes first.
RULES = (
    "malformed mirror",
    "fragment unrecorded",
    "port 2380,1..1000 or not (syn or ack) and size > 30 delay 1ms ±1ms 50%",
    'payload has "ab" or payload ~ /x.*y/ delay 1ms ±1ms pareto 10%',
    "address 10.0.0.0/8 or source address fd00::/8 or target address 10.78.0.0/16 reorder 1ms 10%",
    "dialled by n1 or age > 1ms delay 1ms normal 10%",
    "payload > 3 and ipv4 or ipv6 and protocol 17 duplicate 2 gap 1ms 20%",
    "corrupt 3 bits 20%",
    "corrupt repaired 20%",
    'rewrite "x" to "longer" 30%',
    'rewrite "\\x00\\x00" to "" 10%',
    "rate 10Mbit 30%",
    "loss bursts enter 1% leave 50% good 1%",
    "icmp or icmp6 or udp reject 50%",
    "tcp reject 20%",
    "loss 1%",
    "source port 7 or target port 7 drop",
    "rst or fin or psh or urg accept 50%",
)


def _touch(view: PacketView) -> object:
    """A user's rule that asks for everything there is."""
    assert view.payload_size == len(view.payload)
    fields = (view.connection, view.flow, view.source_address, view.target_address, view.flags, view.ttl, repr(view))
    if hash(fields) % 7 == 0:
        return [rewrite(view.payload[::-1]), corrupt(2)]
    return None


def build() -> Chain:
    """The chain of a link on which every rule stands."""
    engine = Engine([LINK], "fuzz", 0, strict=True)
    engine.load(with_items(RuleSet((), ("n1", "n2")), [*RULES, Rule("user", ALWAYS, Call(_touch))]), 0)
    chain = engine.chain(0)
    assert chain is not None
    return chain


def _extended(rng: random.Random, data: bytes) -> bytes:
    """An IPv6 packet with a random chain of extension headers put in."""
    chain = b""
    following = data[6]
    for _ in range(rng.randrange(1, 20)):
        kind = rng.choice((0, 43, 44, 51, 60, 135, 139, 140, 59))
        length = rng.choice((0, 0, 0, 1, 2, 255))
        chain = bytes((following, length)) + rng.randbytes(6 + 8 * min(length, 3)) + chain
        following = kind
    body = chain + data[40:]
    return data[:4] + len(body).to_bytes(2, "big") + bytes((following,)) + data[7:40] + body


def mutated(rng: random.Random, data: bytes) -> bytes:
    """The packet with a few bits, bytes or its length changed."""
    out = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 8))):
        way = rng.randrange(6)
        at = rng.randrange(len(out)) if out else 0
        if way == 0 and out:
            out[at] ^= 1 << rng.randrange(8)
        elif way == 1 and out:  # headers are where the trouble is
            out[rng.randrange(min(len(out), 60))] = rng.choice((0, 1, 4, 0x0F, 0x40, 0x4F, 0x60, 0x7F, 0x80, 0xFF))
        elif way == 2:
            del out[at:]
        elif way == 3:
            out[at:at] = rng.randbytes(rng.randrange(40))
        elif way == 4:
            del out[at : at + rng.randrange(1, 20)]
        else:
            out += b"\0" * rng.randrange(20)
    return bytes(out)


def hostile_packets(rng: random.Random, count: int) -> Iterator[bytes]:
    """Random bytes, packets mutated, cut and lengthened, with options, fragments and extension headers."""
    base = [
        craft(LINK, protocol, (rng.choice((7, 2380, 40000)), 2380), rng.randrange(256), rng.randbytes(size), version=v)
        for protocol in (TCP, UDP, ICMP, ICMPV6, 132)
        for v in (4, 6)
        for size in (0, 1, 8, 100, 1400)
    ]
    for _ in range(count):
        kind = rng.randrange(10)
        data = rng.choice(base)
        if kind == 0:
            data = rng.randbytes(rng.randrange(100))
        elif kind == 1:
            data = bytes((rng.choice((0x45, 0x46, 0x4F, 0x60)),)) + rng.randbytes(rng.randrange(120))
        elif kind == 2 and data[0] >> 4 == 6:
            data = _extended(rng, data)
        elif kind == 3 and data[0] >> 4 == 4:
            data = data[:6] + rng.randrange(65536).to_bytes(2, "big") + data[8:]  # fragments of every kind
        yield mutated(rng, data)


def check(data: bytes, verdict: Verdict) -> None:
    """Raise AssertionError unless the loop can carry the verdict out."""
    for copy in verdict.copies:
        assert copy.due_ns >= 0
        assert copy.data is None or (isinstance(copy.data, bytes) and len(copy.data) <= max(65575, len(data)))
    for packet in verdict.inject:
        assert PacketView(packet).malformed is None
    assert isinstance(verdict.comment, str)


def fuzz(count: int, seed: int) -> dict[str, int]:
    """Judge ``count`` packets; returns how many were malformed, dropped and answered."""
    chain, rng = build(), random.Random(seed)
    totals = {"packets": 0, "malformed": 0, "dropped": 0, "answered": 0, "early_kb": 0, "peak_kb": 0}
    for number, data in enumerate(hostile_packets(rng, count)):
        try:
            verdict = chain(data, number * 1000 + 1)
            check(data, verdict)
        except BaseException as error:
            raise AssertionError(f"seed {seed}, packet {number}: {data.hex()}") from error
        totals["packets"] += 1
        totals["malformed"] += PacketView(data).malformed is not None
        totals["dropped"] += not verdict.copies
        totals["answered"] += bool(verdict.inject)
        if number == count // 10:
            totals["early_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    totals["peak_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return totals


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="hostile packets through raftmon's pure core")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    totals = fuzz(arguments.count, arguments.seed)
    print(totals, f"{time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
