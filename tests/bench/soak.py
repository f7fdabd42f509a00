"""``python -m tests.bench.soak [--seconds 600]``: full speed through raftmon; what is lost, and how memory goes.

Prints one line an interval: packets so far, resident memory of monitor and recorder in MB, the backlog's peak, the
recorder's lag. Ends with 1 where anything was lost or either process grew by more than 10% after the first tenth.
The record grows with the traffic and is cut to nothing at every interval.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

import psutil

from raftmon.monitor.control.client import MonitorClient
from raftmon.setup import sandbox
from raftmon.setup.namespaces import Network
from tests.bench import measure
from tests.bench.__main__ import build
from tests.bench.variants import PRESENTED, VARIANTS, between

_LOST = ("queue_id_gaps", "truncated", "recorder_lost_packets", "own_errors")
_GROWTH = 1.1


def _sizes() -> dict[str, float]:
    """Resident memory in MB of the monitor's two processes."""
    found = {}
    for process in psutil.process_iter():
        words = process.cmdline()
        for module in ("raftmon.monitor", "raftmon.monitor.recorder"):
            if words[1:3] == ["-m", module]:
                found[module] = process.memory_info().rss / 1e6
    return found


def main() -> int:
    """Send for as long as asked, in intervals."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--interval-s", type=int, default=10)
    options = parser.parse_args()
    sandbox.enter()
    raftmon = next(one for one in VARIANTS if one.key == "c_raftmon")
    target = raftmon.topology.host("n2")
    seen: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="raftmon-soak-", dir="/dev/shm") as name, Network(PRESENTED) as network:
        folder = Path(name)
        build(folder)
        with between(raftmon, folder, folder) as program, measure.server(network, folder, target):
            traffic = [str(folder / "traffic"), "bulk", target.presented, str(measure.PORT)]
            for _ in range(max(1, options.seconds // options.interval_s)):
                process = network.popen("n1", [*traffic, str(options.interval_s * 1000)], stdout=subprocess.PIPE)
                process.communicate()
                with MonitorClient(folder / "monitor.sock", "soak") as client:
                    stats = client.stats()
                seen.append(_sizes())
                os.truncate(folder / "packets.pcapng", 0)  # a sparse file from here on: tmpfs holds only what is new
                print(
                    f"{stats['packets']:>12} packets, monitor {seen[-1]['raftmon.monitor']:.1f} MB, "
                    f"recorder {seen[-1]['raftmon.monitor.recorder']:.1f} MB, "
                    f"backlog at most {stats['recorder_backlog_most_bytes'] / 1e6:.1f} MB, "
                    f"lag max {stats['recorder'].get('lag_ms', {}).get('max', 0):.0f} ms, "
                    f"lost {sum(stats[key] for key in _LOST)}",
                    flush=True,
                )
    settled = seen[len(seen) // 10]
    grew = any(seen[-1][module] > size * _GROWTH for module, size in settled.items())
    counters = program["counters"]
    lost = sum(counters[key] for key in _LOST)
    print(f"{counters['packets']} packets, lost {lost}, {'memory grew' if grew else 'memory flat'}")
    return 1 if lost or grew else 0


if __name__ == "__main__":
    raise SystemExit(main())
