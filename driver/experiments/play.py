"""One run of an experiment.

``python -m raftmon.driver.experiments.play EXPERIMENT SYSTEM SERVER SEED STORE CUT AFTER``: SERVER is a specification
or ``-``; CUT and AFTER are seconds. Prints one JSON object on the last line: what ``Measured`` has, ``verdict``,
``broken`` (the first sentence that says *invalid*), ``run``.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from raftmon.adapters.hooks import hooks
from raftmon.adapters.systems import system, with_server
from raftmon.driver.checkers.base import Valid, combine
from raftmon.driver.cluster.cluster import Cluster, ClusterOptions
from raftmon.driver.experiments.measure import Window, measure, successes
from raftmon.driver.experiments.published import Experiment, experiment, fault_text
from raftmon.driver.faults.faults import fault_kind, random_faults
from raftmon.driver.faults.schedule import plan_faults
from raftmon.driver.faults.worker import FaultRecord, FaultWorkers
from raftmon.driver.histories.formats import read_history
from raftmon.driver.results.verdict import check_history
from raftmon.driver.run_folder import CONFIG, RESULTS, RunFolder
from raftmon.driver.testing.clients_fixture import TestClients
from raftmon.driver.testing.cluster_fixture import TestCluster
from raftmon.monitor.raft.database.store import open_store
from raftmon.setup import sandbox
from raftmon.setup.errors import EXIT_INTERNAL, RaftmonError
from raftmon.setup.topology import Topology

__all__ = ["main", "play"]

LEAD_S = 2.0
"""How long clients work before the cut."""
CLIENTS_PER_NODE = 2
RATE = 25.0
"""Operations a second per node: enough to see outages of 100 ms, and little for a machine with two processors."""
OP_TIMEOUT_S = 1.0


def play(row: Experiment, system_name: str, server: str | None, seed: str, store: Path, cut_s: float,
         after_s: float) -> dict[str, Any]:  # fmt: skip
    """Run an experiment once. Must be called inside the sandbox. Raises RaftmonError if it could not be set up."""
    options = with_server(system_name, server, {})
    adapter = system(system_name, options)
    folder = RunFolder.create(store, f"compare-{row.name}-{system_name}")
    config = {"workload": "register", "system": system_name, "nodes": row.nodes, "seed": seed}
    folder.save(CONFIG, {"config": config, "experiment": row.name, "server": server or ""})
    topology = Topology.star(row.nodes, transparent=hooks(adapter).transparent)
    cluster_options = ClusterOptions(seed=seed, system=system_name, system_options=options)
    with Cluster(topology, adapter, folder, cluster_options) as cluster:
        records, end_ns = _work(cluster, row, seed, cut_s, after_s)
    window = _window(records, end_ns)
    history = read_history(folder.path)
    with contextlib.closing(open_store(folder.path / "messages.sqlite")) as wire:
        measured = measure(successes(history), window, wire)
    results = check_history(folder, "register")
    verdict = combine(results)
    broken = next((one.sentence for one in results if one.valid is Valid.NO), None)
    found = {**measured.to_json(), "verdict": verdict.value, "broken": broken, "run": str(folder.path)}
    folder.save(RESULTS, {"valid": verdict.value, "experiment": found})
    folder.hand_over()
    return found


def _work(cluster: Cluster, row: Experiment, seed: str, cut_s: float, after_s: float) -> tuple[list[FaultRecord], int]:
    """Let clients work before, during and after the faults; what was done, and when the work ended (ns)."""
    fixture = TestCluster(cluster)
    with contextlib.ExitStack() as stack:
        stack.callback(fixture.close)
        clients = TestClients(fixture, seed)
        rate = RATE * row.nodes
        working = clients.working(
            "register", clients=CLIENTS_PER_NODE * row.nodes, rate=rate, op_timeout_s=OP_TIMEOUT_S, at_least=20
        )
        stack.enter_context(working)
        leader = fixture.leader()
        text = fault_text(row, leader, fixture.nodes, LEAD_S, LEAD_S + cut_s)
        plan = functools.partial(fault_kind, nodes=fixture.nodes)
        planned = plan_faults(text, plan, LEAD_S + cut_s + after_s, seed=seed, random_from=random_faults())
        workers = FaultWorkers.on_cluster(cluster, planned, seed)
        workers.begin(time.monotonic_ns())
        try:
            time.sleep(LEAD_S + cut_s + after_s)  # the length of the work is what is asked for
        finally:
            workers.end(hurry=True)
        end_ns = time.monotonic_ns()
    return workers.records, end_ns


def _window(records: list[FaultRecord], end_ns: int) -> Window:
    """From the first fault's start to the last one's heal. Raises RaftmonError if one was not done."""
    for record in records:
        if record.start_ns is None or record.stop_ns is None:
            why = record.unavailable or record.error or "it was not healed"
            raise RaftmonError(f"the fault {record.planned.name} was not done: {why}")
    starts = [record.start_ns for record in records if record.start_ns is not None]
    heals = [record.stop_ns for record in records if record.stop_ns is not None]
    return Window(min(starts), max(heals), end_ns)


def main(argv: list[str]) -> int:
    """Enter the sandbox, play, print."""
    name, system_name, server, seed, store, cut_s, after_s = argv
    try:
        given = None if server == "-" else server
        with_server(system_name, given, {})  # found or fetched before the sandbox: inside is no network
        sandbox.enter()
        found = play(experiment(name), system_name, given, seed, Path(store), float(cut_s), float(after_s))
    except (RaftmonError, AssertionError) as error:  # AssertionError: what the fixtures' waits raise
        print(f"raftmon compare: {error}", file=sys.stderr)
        return error.exit_status if isinstance(error, RaftmonError) else EXIT_INTERNAL
    except Exception as error:
        print(f"raftmon compare: {type(error).__name__}: {error}", file=sys.stderr)
        return EXIT_INTERNAL
    print(orjson.dumps(found).decode(), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
