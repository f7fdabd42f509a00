"""``python -m tests.bench.clients``: what the driver's clients cost.

Two figures. Against the system that does nothing, operations a second of two client hosts: the driver's own limit. On
three etcd members without a queue, the driver's clients (plan, history, counts) over as many bare threads that call the
same adapter with the same operations and keep nothing; both on one client host, one after the other on the same
members, in an order that changes from round to round. Writes ``clients.json``: ``nothing_per_s``, and for each number
of clients ``{"driver", "bare": operations/s of each round, "ratios", "median"}``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import orjson

from raftmon.adapters.base import Definite
from raftmon.adapters.systems import system
from raftmon.driver.clients.fleet import ClientFleet, FleetConfig
from raftmon.driver.clients.plan import ClientPlan
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import slot_random
from raftmon.driver.workloads.register import RegisterWorkload
from raftmon.setup import sandbox
from raftmon.setup.namespaces import Network
from raftmon.setup.topology import Topology
from tests.bench import measure

CLIENTS = (5, 10, 20)
NOTHING_CLIENTS = 8
AT_LEAST_RATIO, AT_LEAST_PER_S = 0.85, 20_000
_TIMEOUT_S = 2.0


def bare(slots: int, seconds: float) -> float:
    """Operations a second of so many threads that call the adapter and nothing else; inside the client host."""
    nodes = Topology.star(3, 1, transparent=True).nodes
    adapter, work = system("etcd", {}), RegisterWorkload()
    done, ready = [0] * slots, threading.Barrier(slots)

    def one(slot: int) -> None:
        connection = adapter.connect(nodes[slot % 3], _TIMEOUT_S)
        connection.read("warm")
        plan = work.slot(slot, slots, slot_random("bare", slot))
        ready.wait()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            call = plan.next()
            try:
                plan.observe(call, Outcome.OK, work.perform(connection, call))
            except Definite as error:
                plan.observe(call, Outcome.FAIL, error.seen)
            done[slot] += 1

    threads = [threading.Thread(target=one, args=(slot,)) for slot in range(slots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds


def driven(network: Network, topology: Topology, name: str, slots: int, seconds: float, seed: int) -> float:
    """The same by the driver's client hosts, its history written."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as text:
        folder = Path(text)
        config = FleetConfig(topology, folder, folder / "history.jsonl", ClientPlan(name, slots, str(seed)))
        fleet = ClientFleet(config, network.popen)
        try:
            fleet.start()
            fleet.wait_connected()
            fleet.begin(time.monotonic_ns(), seconds)
            stats = fleet.join()
        finally:
            fleet.close()
    return (stats.ok + stats.fail + stats.info) / seconds


def _nothing(rounds: int, seconds: float) -> list[float]:
    topology = Topology.star(1, 2, transparent=True)
    with Network(topology) as network:
        return [driven(network, topology, "nothing", NOTHING_CLIENTS, seconds, number) for number in range(rounds)]


def _on_etcd(rounds: int, seconds: float, place: Path) -> dict[str, dict[str, object]]:
    topology = Topology.star(3, 1, transparent=True)
    rates: dict[int, dict[str, list[float]]] = {slots: {"driver": [], "bare": []} for slots in CLIENTS}
    with Network(topology) as network, measure.etcd_members(network, topology, place) as (_, cluster):
        for number in range(rounds):
            for slots in CLIENTS:
                for who in ("driver", "bare") if number % 2 else ("bare", "driver"):
                    if who == "driver":
                        rate = driven(network, cluster, "etcd", slots, seconds, number)
                    else:
                        command = [sys.executable, "-m", "tests.bench.clients", "--bare", str(slots)]
                        rate = float(measure.run(network, "c1", *command, "--seconds", str(seconds)))
                    rates[slots][who].append(round(rate, 1))
                    print(f"round {number + 1}: {slots} clients, {who}: {rate:,.0f} operations/s", flush=True)
    found: dict[str, dict[str, object]] = {}
    for slots, both in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(both["driver"], both["bare"], strict=True)]
        found[f"clients_{slots}"] = {**both, "ratios": ratios, "median": statistics.median(ratios)}
    return found


def main() -> int:
    """Measure both; 1 where one is below what is asked of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.clients", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--disk", type=Path, default=Path(), help="where the members' data lie meanwhile")
    parser.add_argument("--out", type=Path, default=Path("clients.json"))
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        print(bare(options.bare, options.seconds))
        return 0
    sandbox.enter()
    nothing = _nothing(3, options.seconds)
    result = {
        "nothing_per_s": round(statistics.median(nothing)),
        **_on_etcd(options.rounds, options.seconds, options.disk),
    }
    options.out.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    sandbox.own_to_caller(options.out)
    print(f"\nsystem that does nothing, 2 hosts: {result['nothing_per_s']:,} operations/s")
    enough = result["nothing_per_s"] >= AT_LEAST_PER_S
    for key, found in result.items():
        if isinstance(found, dict):
            ratios = found["ratios"]
            print(
                f"etcd, {key}: driver over bare threads {found['median']:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            )
            enough = enough and found["median"] >= AT_LEAST_RATIO
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
