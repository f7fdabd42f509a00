"""How fast a capture is decoded: ``python -m tests.bench.decode [CAPTURE] [--profile]``."""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import time
from pathlib import Path

from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.recorder.message_sink import decode_capture
from tests.shared import SHARED

_GOLDEN = SHARED / "captures" / "etcd-3.4.23.pcap.gz"
_SMALL = Path(__file__).parents[1] / "monitor" / "raft" / "data" / "etcd-3.4.23-head.pcap.gz"


def decode(path: Path, *, operations: bool) -> tuple[int, int]:
    """Read a capture to its messages, and to every entry's operations if asked; how many messages and puts."""
    decoder = Decoder()
    messages = puts = 0
    for number, time_ns, data, _, _ in read_capture(path):
        for message in decoder.packet(number, time_ns, data):
            messages += 1
            if operations:
                for entry in message.entries:
                    puts += sum(operation.name == "put" for operation in entry.operations)
    messages += len(decoder.finish())
    return messages, puts


def best(path: Path, *, operations: bool, rounds: int = 5) -> float:
    """Messages a second, the best of some rounds."""
    rates = []
    for _ in range(rounds):
        begin = time.perf_counter()
        messages, _ = decode(path, operations=operations)
        rates.append(messages / (time.perf_counter() - begin))
    return max(rates)


def main() -> None:
    """Measure and print; with ``--profile`` where the time goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture", nargs="?", type=Path, default=_GOLDEN if _GOLDEN.exists() else _SMALL)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    gc.disable()  # as raftmon decode does: nothing here makes cycles
    if arguments.profile:
        profile = cProfile.Profile()
        profile.runcall(decode, arguments.capture, operations=True)
        pstats.Stats(profile).sort_stats("tottime").print_stats(15)
        return
    print(f"decode to messages:   {best(arguments.capture, operations=False):>10,.0f} messages/s")
    print(f"  and to operations:  {best(arguments.capture, operations=True):>10,.0f} messages/s")
    target = Path("/tmp") / f"raftmon-bench-{time.monotonic_ns()}.sqlite"
    try:
        begin = time.perf_counter()
        found = decode_capture(arguments.capture, target)
        seconds = time.perf_counter() - begin
        print(f"  and into sqlite:    {found['messages'] / seconds:>10,.0f} messages/s")
    finally:
        target.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
