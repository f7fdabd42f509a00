"""How fast a rule kills a node: ``python -m tests.bench.kills [--rounds 300]``.

From the packet's arrival in the queue loop until the signal is sent, and until the process is gone. The rule, its scan
of the stream and the signal are the monitor's own; the process is a real one. The packet is made here, so the kernel's
queue is not part of it (docs/benchmarks.md has its round trips).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import time
from collections.abc import Sequence

from raftmon.monitor.control.node_signals import NodeSignals, start_ticks
from tests.monitor.message_rules.bench import Bench
from tests.monitor.raft.wire import chunk, frame, raftpb


def once() -> tuple[float, float]:
    """One kill: milliseconds until the signal, and until the process was reaped."""
    process = subprocess.Popen(["sleep", "100"], start_new_session=True)
    nodes = NodeSignals(possible=True, on_act=lambda act: None)
    try:
        nodes.know("n1", process.pid, start_ticks(process.pid))
        bench = Bench("MsgVote kill source").stream()
        bench.stage.nodes = nodes
        payload = chunk(frame(raftpb(5, term=7)))
        bench.now_ns = began_ns = time.monotonic_ns()
        bench.send(payload)
        process.wait(10)
        gone_ns = time.monotonic_ns()
        (act,) = nodes.acts
        return (act.done_ns - began_ns) / 1e6, (gone_ns - began_ns) / 1e6
    finally:
        process.kill()
        process.wait()
        nodes.close()


def quantiles(values: Sequence[float]) -> str:
    """Median, p99 and the largest, in ms."""
    cuts = statistics.quantiles(values, n=100)
    return f"p50 {statistics.median(values):.2f} ms, p99 {cuts[98]:.2f} ms, max {max(values):.2f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    arguments = parser.parse_args()
    found = [once() for _ in range(arguments.rounds)]
    print(f"{len(found)} kills by a rule, from the packet in the loop")
    print(f"  until the signal is sent:   {quantiles([sent for sent, _ in found])}")
    print(f"  until the process is gone:  {quantiles([gone for _, gone in found])}")


if __name__ == "__main__":
    main()
