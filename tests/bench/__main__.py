"""``python -m tests.bench [--rounds 5] [--only a,b,c] [--no-etcd] [--out bench.json]``: what the monitor costs.

Everything is measured in one go, the variants interleaved round by round, inside a sandbox.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from raftmon.monitor.compiled import COMPILED
from raftmon.setup import sandbox
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.namespaces import Network
from tests.bench import cost, measure, summary
from tests.bench.variants import PRESENTED, VARIANTS, Variant, between

_SOURCES = {"accept_loop": ["-lnetfilter_queue"], "traffic": ["-D_GNU_SOURCE", "-lpthread"]}
_LOST = ("queue_id_gaps", "queue_kernel_dropped", "recorder_lost_packets", "truncated")


def build(folder: Path) -> None:
    """Compile the C programs; raises RaftmonError with what the compiler said."""
    for name, flags in _SOURCES.items():
        source = Path(__file__).with_name(f"{name}.c")
        done = subprocess.run(["cc", "-O2", source, "-o", folder / name, *flags], capture_output=True, text=True)
        if done.returncode:
            raise RaftmonError(f"cannot build {source} (apt install gcc libnetfilter-queue-dev): {done.stderr}")


def one_variant(variant: Variant, network: Network, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One round of one variant."""
    target = variant.topology.host("n2")
    found: dict[str, Any] = {}
    with between(variant, folder, folder) as program, measure.server(network, folder, target) as other_end:
        pids = cost.processes(program["pid"]) if "pid" in program else {}

        def take(key: str, figures: Callable[[], dict[str, Any]]) -> None:
            spent: dict[str, Any] = {}
            with cost.per_packet(pids, spent):
                found[key] = figures()
            found[key].update(spent)

        def puts(place: Path, own_disks: bool = False) -> dict[str, Any]:
            return measure.etcd_puts(network, folder, variant.topology, options.etcd_ms, place, own_disks)

        if "rtt" in variant.measured:
            for size in (100, 1400):
                trips = functools.partial(measure.round_trips, network, folder, target, size, options.count)
                take(f"rtt_{size}_us", trips)
                with measure.one_processor([other_end, *([program["pid"]] if "pid" in program else [])]):
                    take(f"rtt_{size}_one_processor_us", trips)
        if "bulk" in variant.measured:
            take("bulk", lambda: measure.bulk(network, folder, target, options.bulk_ms))
        if options.etcd and "etcd" in variant.measured:
            take("etcd", lambda: puts(Path("/dev/shm")))
        if options.etcd and "disk" in variant.measured:
            take("etcd_disk", lambda: puts(options.disk))
        if options.etcd and "fuse" in variant.measured:
            take("etcd_fuse", lambda: puts(options.disk, own_disks=True))
    counters = program.get("counters")
    if counters:
        own = counters["own_time_us"]
        found["monitor"] = {
            "own_time_p50_us": own["p50"],
            "own_time_p99_us": own["p99"],
            "lost": sum(int(counters[key] or 0) for key in _LOST),
        }
    return found


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="letters of the variants, as in a,b,c")
    parser.add_argument("--count", type=int, default=5000, help="round trips of each size in each round")
    parser.add_argument("--bulk-ms", type=int, default=1000)
    parser.add_argument("--etcd-ms", type=int, default=2000, help="for each number of clients")
    parser.add_argument("--disk", type=Path, default=Path(), help="where the data of etcd on the disk lie meanwhile")
    parser.add_argument("--no-etcd", dest="etcd", action="store_false")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    sandbox.enter()
    load = os.getloadavg()[0]
    disk = measure.sync_ms(options.disk)
    wanted = [letter for letter in options.only.split(",") if letter]
    variants = [one for one in VARIANTS if not wanted or one.key[0] in wanted]
    rounds: dict[str, list[dict]] = {variant.key: [] for variant in variants}
    with tempfile.TemporaryDirectory(prefix="raftmon-bench-", dir="/dev/shm") as name, Network(PRESENTED) as network:
        build(Path(name))
        for number in range(options.rounds):
            for variant in variants:
                print(f"round {number + 1} of {options.rounds}: {variant.words}", flush=True)
                rounds[variant.key].append(one_variant(variant, network, Path(name), options))
    result = {
        "machine": {
            "kernel": platform.release(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "load_average_before": round(load, 2),
            "disk_sync_ms": disk,
            "compiled": COMPILED,
        },
        "rounds": options.rounds,
        "variants": {key: summary.medians(found) for key, found in rounds.items()},
        "ratios": summary.ratios(rounds),
        "ratios_spread": summary.ratios_spread(rounds),
        "each_round": rounds,
    }
    options.out.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    sandbox.own_to_caller(options.out)
    summary.show(result, {variant.key: variant.words for variant in variants})
    print(f"written to {options.out}")
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (InputError, RaftmonError) as error:
        raise SystemExit(f"bench: {error}") from error
