"""A warm cluster that plays schedule after schedule: ``python -m raftmon.driver.explore.arena CONFIG.json FOLDER``.

The cluster stays up; between trials everything is healed, and each trial works on keys of its own (the workload's
``prefix``). Orders come as JSON lines on standard input, each is answered by one on standard output. Whatever is odd (a
node that died by itself, no quorum after the heal, a fault that could not be healed, a disturbed monitor) is said: the
other side then starts a fresh one.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from raftmon.adapters.systems import system
from raftmon.driver.checkers.asked_for import checkers_for
from raftmon.driver.checkers.base import Result, Valid
from raftmon.driver.checkers.safe import check_safely
from raftmon.driver.clients.fleet import ClientFleet, FleetConfig
from raftmon.driver.cluster.cluster import Cluster, ClusterOptions
from raftmon.driver.cluster.health import nodes_answering
from raftmon.driver.explore.coverage import Mark, Window, mark, states_since
from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.faults.worker import FaultWorkers
from raftmon.driver.histories.formats import read_history
from raftmon.driver.results.verdict import stores_result
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run.final_reads import FinalReader
from raftmon.driver.run.plan import RunPlan, make_plan
from raftmon.driver.run.store_hashes import ask_stores
from raftmon.driver.run_folder import RunFolder
from raftmon.driver.workloads.workloads import workload, workload_kind
from raftmon.monitor.raft.database.store import open_store
from raftmon.monitor.recorder.leader_board import caught_up
from raftmon.setup import sandbox
from raftmon.setup.errors import EXIT_INTERNAL, RaftmonError

__all__ = ["Arena", "keeps_warm", "main"]

_LEAD_S = 0.15
_RECOVER_S = 10.0


class Arena:
    """One cluster; ``trial`` plays a schedule on it. ``plan`` holds a fault of every kind that may be asked for."""

    def __init__(self, cluster: Cluster, plan: RunPlan, folder: Path) -> None:
        self._cluster = cluster
        self._plan = plan
        self._folder = folder

    def trial(self, number: int, faults: list[PlannedFault]) -> dict[str, Any]:
        """Work, faults, heal, last reads, verdict, states. The answer to an order."""
        cluster, config = self._cluster, self._plan.config
        folder = RunFolder(self._folder / "trials" / f"{number:05}")
        folder.path.mkdir(parents=True)
        prefixed = _prefixed(config, number)
        with contextlib.closing(open_store(cluster.folder.path / "messages.sqlite")) as record:
            since = mark(record)
            began_ns, rows = self._work(folder, prefixed, faults, number)
            odd = self._odd(rows)
            parameters = prefixed.workload_parameters()
            work = workload(config.workload, parameters)
            reader = FinalReader(cluster.adapter, cluster.topology, work, config.op_timeout_s, most_s=3.0)
            reader.read_into(folder.history)
            ask_stores(cluster.adapter, cluster.topology, folder, 1.0)
            caught_up(cluster.folder.path)
            windows = [
                Window(row["name"], row["start_ns"], row["stop_ns"] or time.monotonic_ns())
                for row in rows
                if row["start_ns"] is not None and row["did"]
            ]
            states = states_since(record, since, windows)
            results = self._results(folder, config.workload)
            broken = _violations(record, since)
        failing = {one.checker: one.sentence for one in results if one.valid is Valid.NO} | broken
        return {
            "failing": failing,
            "states": sorted(states),
            "odd": odd,
            "faults": rows,
            "began_ns": began_ns,
            "folder": str(folder.path),
        }

    def _work(
        self, folder: RunFolder, config: RunConfig, faults: list[PlannedFault], number: int
    ) -> tuple[int, list[dict[str, Any]]]:
        cluster = self._cluster
        where = FleetConfig(cluster.topology, folder.path, folder.history, config.client_plan())
        fleet = ClientFleet(where, cluster.launch)
        workers = FaultWorkers.on_cluster(cluster, faults, f"{config.seed}/{number}")
        try:
            fleet.start()
            fleet.wait_connected(check=cluster.check_alive)
            began_ns = time.monotonic_ns() + round(_LEAD_S * 1e9)
            fleet.begin(began_ns, config.duration_s)
            workers.begin(began_ns)
            end_ns = began_ns + round(config.duration_s * 1e9)
            while time.monotonic_ns() < end_ns:
                cluster.check_alive()
                time.sleep(min(0.2, max(0.0, (end_ns - time.monotonic_ns()) / 1e9)))
            workers.end(20.0)
            fleet.join()
        finally:
            fleet.close()
        return began_ns, [record.to_json() for record in workers.records]

    def _odd(self, rows: list[dict[str, Any]]) -> str | None:
        """Why this cluster is not to be gone on with, None if it is as good as new."""
        if deaths := self._cluster.deaths():
            return deaths[0]
        if errors := [row["error"] for row in rows if row["error"]]:
            return str(errors[0])
        deadline = time.monotonic() + _RECOVER_S
        nodes = self._cluster.topology.node_names()
        while set(nodes_answering(self._cluster.adapter, self._cluster.topology, 0.5)) != set(nodes):
            if time.monotonic() > deadline:
                return f"not every node serves {_RECOVER_S:g} s after the heal"
            self._cluster.check_alive()
        return None

    def _results(self, folder: RunFolder, name: str) -> list[Result]:
        history = read_history(folder.path)
        results = [check_safely(checker, history) for checker in checkers_for(name, history)]
        return results + stores_result(folder, self._cluster.topology.node_names())


def keeps_warm(name: str) -> bool:
    """Whether trials of a workload can share a cluster: it can be given keys of its own."""
    return "prefix" in workload_kind(name).parameters()


def _prefixed(config: RunConfig, number: int) -> RunConfig:
    options = (f"prefix=t{number}-",) if keeps_warm(config.workload) else ()
    return replace(config, seed=f"{config.seed}/{number}", workload_options=(*config.workload_options, *options))


def _violations(record: Any, since: Mark) -> dict[str, str]:
    row = record.execute(
        "SELECT invariant, sentence FROM violations WHERE rowid > ? ORDER BY id LIMIT 1", (since.violations,)
    ).fetchone()
    return {} if row is None else {"invariants": f"invalid: Raft invariant {row[0]} violated: {row[1]}"}


def _serve(config: RunConfig, path: Path) -> None:
    adapter = system(config.system, config.adapter_options())
    plan = make_plan(config, adapter)
    options = ClusterOptions(
        seed=config.seed,
        client_traffic=plan.client_traffic,
        disks=plan.disks,
        system=config.system,
        system_options=config.adapter_options(),
    )
    with Cluster(plan.topology, adapter, RunFolder(path), options) as cluster:
        arena = Arena(cluster, plan, path)
        _say({"event": "ready"})
        for line in sys.stdin.buffer:
            order = orjson.loads(line)
            faults = [PlannedFault(**fault) for fault in order["faults"]]
            _say({"event": "trial", **arena.trial(order["number"], faults)})


def _say(value: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(value, default=str) + b"\n")
    sys.stdout.buffer.flush()


def main(argv: list[str]) -> int:
    """Enter the sandbox, start the cluster, serve until standard input ends."""
    try:
        config = RunConfig.from_json(orjson.loads(Path(argv[0]).read_bytes()))
        sandbox.enter()
        _serve(config, Path(argv[1]))
    except RaftmonError as error:
        _say({"event": "error", "error": str(error)})
        return error.exit_status
    except Exception as error:
        _say({"event": "error", "error": f"{type(error).__name__}: {error}"})
        return EXIT_INTERNAL
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
