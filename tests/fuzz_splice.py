"""Hostile packets through the splicer: ``python -m tests.fuzz_splice --count 1000000 --seed 1``.

Nothing may raise, every packet that leaves must be whole with the right checksums, and memory stays within its bounds.
"""

from __future__ import annotations

import argparse
import random
import resource
import time

from raftmon.monitor.packets.checksums import transport_sum_is_valid
from raftmon.monitor.packets.view import ACK, FIN, PSH, RST, SYN, PacketView
from raftmon.monitor.splice.segment import MASK, Segment, build, parse
from raftmon.monitor.splice.splicer import MAX_EDITS, MAX_OWNED, Splicer
from tests.fuzz_packets import mutated
from tests.monitor.splice.model import RandomEdits, template

_PER_CONNECTION = 400


class _Forgetful(RandomEdits):
    """Random edits without a record of the streams."""

    def feed(self, data):
        self.seen = self.edited = b""
        return super().feed(data)


def _options(rng: random.Random, near: int) -> bytes:
    kind = rng.randrange(6)
    if kind == 0:
        return b"\1\1" + bytes((8, 10)) + rng.randbytes(8)
    if kind == 1:
        edges = [(near + rng.randrange(-500, 500)) & MASK for _ in range(4)]
        return b"\1\1" + bytes((5, 18)) + b"".join(edge.to_bytes(4, "big") for edge in edges)
    return rng.randbytes(4 * rng.randrange(11)) if kind == 2 else b""


def fuzz(count: int, seed: int) -> dict[str, int]:
    """Packets near the truth, many of them mutated, in both directions of one connection after the other."""
    rng = random.Random(seed)
    heads = template("10.0.0.2", "10.0.0.1", 2, 1), template("10.0.0.1", "10.0.0.2", 1, 2)
    totals = {"packets": 0, "malformed": 0, "sent": 0, "edited": 0, "early_kb": 0, "peak_kb": 0}
    splicer, places = Splicer(_Forgetful(rng), _Forgetful(rng)), [0, 0]
    for number in range(count):
        if not number % _PER_CONNECTION:
            totals["edited"] += splicer.edited
            splicer, places = Splicer(_Forgetful(rng), _Forgetful(rng)), [rng.getrandbits(32), rng.getrandbits(32)]
        forth = rng.random() < 0.5
        size = rng.choice((0, 0, 1, 40, 300))
        flags = rng.choices((ACK, ACK | PSH, SYN, FIN | ACK, RST, rng.randrange(256)), (50, 50, 1, 0.3, 0.2, 1))[0]
        seq, ack = places[forth] + rng.choice((0, 0, 0, -40, 40)), places[not forth] + rng.choice((0, 0, -60, 60))
        window = rng.choice((0, 10, 500, 65535))
        packet = build(
            heads[forth], Segment(seq, ack, flags, window, rng.randbytes(size), _options(rng, places[not forth]))
        )  # fmt: skip
        places[forth] = (places[forth] + size) & MASK
        data = mutated(rng, packet) if rng.random() < 0.3 else packet
        try:
            outcome = splicer.packet(forth, data, number * 1_000_000)
            sent = [*outcome.extra, *splicer.tick(number * 1_000_000)]
            if outcome.packet is not None and outcome.packet is not data:
                sent.append(outcome.packet)
            for out in sent:
                assert PacketView(out).malformed is None
                assert transport_sum_is_valid(out)
            assert splicer.owned <= 2 * MAX_OWNED
            assert all(len(way.map.edits) <= MAX_EDITS for way in splicer._ways)
        except BaseException as error:
            raise AssertionError(f"seed {seed}, packet {number}: {data.hex()}") from error
        totals["packets"] += 1
        totals["malformed"] += parse(data) is None
        totals["sent"] += len(sent)
        if number == count // 10:
            totals["early_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    totals["peak_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return totals


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="hostile packets through the splicer")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    print(fuzz(arguments.count, arguments.seed), f"{time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
