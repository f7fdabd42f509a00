"""One run, phase by phase. Whatever happens, what was seen is saved and what was started is taken down.

prepare -> cluster up -> clients connected -> work and faults -> heal -> last reads -> cluster down -> verdict
"""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

from raftmon.adapters.base import Adapter
from raftmon.adapters.capabilities import Leader
from raftmon.adapters.registry import system
from raftmon.driver.checkers.base import Valid
from raftmon.driver.clients.fleet import ClientFleet, FleetConfig
from raftmon.driver.cluster.cluster import Cluster, ClusterOptions
from raftmon.driver.cluster.health import quorum_answers
from raftmon.driver.cluster.status_poller import StatusWatch
from raftmon.driver.faults.registry import make_fault
from raftmon.driver.faults.worker import FaultWorkers
from raftmon.driver.report.report import write_report
from raftmon.driver.results.verdict import judge_run
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run.final_reads import FinalReads, read_everything
from raftmon.driver.run.live import announce, withdraw
from raftmon.driver.run.plan import Plan, make_plan
from raftmon.driver.run.store_hashes import ask_stores
from raftmon.driver.run_folder import CONFIG, RESULTS, RunFolder
from raftmon.driver.workloads.registry import workload
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.eventlog import EventLog, open_event_log

__all__ = ["Progress", "run"]

LEAD_S = 0.3
"""From the order to begin until second 0: long enough for every client host to hear of it."""


class Progress(Protocol):
    """Somebody who is told how the run goes on; must not block."""

    def phase(self, text: str) -> None:
        """A new phase began."""

    def event(self, text: str) -> None:
        """Something happened (a fault, a death)."""

    def began(self, begin_ns: int) -> None:
        """The clients' first operation comes at this CLOCK_MONOTONIC time: second 0 of everything that is shown."""

    def work(self, done_s: float, whole_s: float, stats: dict[str, Any]) -> None:
        """How far the workload is; about twice a second."""


@dataclass(slots=True)
class _Progressed:
    """What a run has come to so far; saved with the results however it ends."""

    began_ns: int | None = None
    ended_ns: int | None = None
    leader_before: tuple[str, int] | None = None
    leader_after: tuple[str, int] | None = None
    health_before: bool | None = None
    health_after: bool | None = None
    client_stats: dict[str, Any] = field(default_factory=dict)
    workers: FaultWorkers | None = None
    deaths: list[str] = field(default_factory=list)
    final_reads: FinalReads = field(default_factory=lambda: FinalReads(0, 0))
    interrupted: bool = False


def run(
    config: RunConfig, store: Path, progress: Progress, interact: Callable[[Cluster], None] | None = None
) -> tuple[RunFolder, dict[str, Any]]:
    """Do the run and judge it. Returns its folder and ``results.json``'s content.

    ``interact`` takes the place of clients and faults: it is given the live cluster.

    Must be called inside the sandbox where the system has nodes. Raises InputError where the run cannot be done as
    asked, nothing of it is kept then; and RaftmonError where raftmon failed; the folder then keeps everything up to
    there, ``results.json`` with the error.
    """
    adapter = system(config.system, config.adapter_options())
    plan = make_plan(config, adapter)
    folder = RunFolder.create(store, config.run_name)
    log = open_event_log(folder.events, "driver")
    folder.save(CONFIG, {**plan.to_json(), "monotonic_ns": time.monotonic_ns(), "wall_ns": time.time_ns(), "format": 1})
    (folder.path / "plan.json").write_bytes(plan.to_bytes())
    announce(folder)
    log.info("run started", config=config.to_json())
    state = _Progressed()
    try:
        _live(plan, adapter, folder, log, progress, state, interact)
    except BaseException as error:
        withdraw(folder)
        state.interrupted |= isinstance(error, KeyboardInterrupt)
        if isinstance(error, InputError) and interact is None and state.began_ns is None:  # refused: it was no run
            folder.remove()
            folder.hand_over()  # the store: latest may be new
            raise
        log.error("run failed", error=f"{type(error).__name__}: {error}", trace=traceback.format_exc())
        folder.save(RESULTS, {"valid": Valid.UNKNOWN, "error": str(error) or type(error).__name__, **_facts(state)})
        folder.hand_over()
        if isinstance(error, RaftmonError):
            raise type(error)(f"{error}\nwhat was recorded is in {folder.path}") from error
        raise
    withdraw(folder)
    progress.phase("judging")
    results = judge_run(folder, _facts(state))
    folder.save(RESULTS, results)
    _report(folder, log)
    log.info("run ended", valid=results["valid"])
    folder.hand_over()
    return folder, results


def _report(folder: RunFolder, log: EventLog) -> None:
    """Write report.html; the verdict stands without it."""
    try:
        write_report(folder.path)
    except Exception as error:
        log.error("no report", error=f"{type(error).__name__}: {error}")


def _live(
    plan: Plan,
    adapter: Adapter,
    folder: RunFolder,
    log: EventLog,
    progress: Progress,
    state: _Progressed,
    interact: Callable[[Cluster], None] | None,
) -> None:
    config = plan.config
    options = ClusterOptions(
        seed=config.seed,
        monitored=config.monitored,
        client_traffic=plan.client_traffic,
        rules=(*plan.placement.rules, *config.rules),
        scripts=config.scripts,
        codecs=config.codecs,
        strict=config.strict,
        record=config.record,
        disks=plan.disks,
    )
    progress.phase("starting the cluster")
    with Cluster(plan.topology, adapter, folder, options, progress.event) as cluster:
        cluster.system_options = config.adapter_options()
        if interact is not None:
            interact(cluster)
            return
        state.leader_before = _await_leader(cluster)
        state.health_before = quorum_answers(adapter, plan.topology, config.op_timeout_s)
        progress.phase("connecting clients")
        fleet = ClientFleet(_fleet_config(plan, folder), cluster.launch)
        try:
            fleet.start()
            fleet.wait_connected(check=cluster.check_alive)
            with StatusWatch(cluster.statuses, log):
                _work(plan, cluster, fleet, log, progress, state)
        finally:
            fleet.close()
        if plan.topology.nodes:
            progress.phase("last reads")
            state.leader_after = _await_leader(cluster)
            state.health_after = quorum_answers(adapter, plan.topology, config.op_timeout_s)
        state.final_reads = read_everything(
            adapter,
            plan.topology,
            workload(config.workload, config.workload_parameters()),
            folder.history,
            config.op_timeout_s,
            len(plan.topology.clients),
            Random(f"{config.seed} last reads"),
            progress.event,
            check=cluster.check_alive,
        )
        ask_stores(adapter, plan.topology, folder, config.op_timeout_s)
        progress.phase("taking the cluster down")
    log.info("cluster down")


def _await_leader(cluster: Cluster, timeout_s: float = 20.0) -> tuple[str, int] | None:
    """The leader and its term, asked for until there is one; None where the system cannot say."""
    deadline = time.monotonic() + timeout_s
    if cluster.capability(Leader) is None:
        return None
    view = cluster.leader_view()
    while view is None and cluster.topology.nodes and time.monotonic() < deadline:
        time.sleep(0.05)
        view = cluster.leader_view()
    return view


def _fleet_config(plan: Plan, folder: RunFolder) -> FleetConfig:
    config = plan.config
    return FleetConfig(
        topology=plan.topology,
        folder=folder.path,
        history=folder.history,
        system=config.system,
        slots=config.clients,
        seed=config.seed,
        options=config.adapter_options(),
        workload=config.workload,
        parameters=config.workload_parameters(),
        rate=config.rate,
        arrival=config.arrival,
        op_timeout_s=config.op_timeout_s,
        pin=config.pin,
    )


def _work(
    plan: Plan, cluster: Cluster, fleet: ClientFleet, log: EventLog, progress: Progress, state: _Progressed
) -> None:
    """Clients work, faults come and go; returns when both have ended."""
    config = plan.config
    names = plan.topology.node_names()
    workers = FaultWorkers(
        target=cluster,
        planned=plan.faults,
        make=lambda planned: make_fault(planned.name, planned.options, names),
        healthy=lambda: quorum_answers(cluster.adapter, plan.topology, 0.5),
        seed=config.seed,
        log=log,
        on_change=progress.event,
    )
    state.workers = workers
    begin_ns = time.monotonic_ns() + round(LEAD_S * 1e9)
    state.began_ns = begin_ns
    progress.began(begin_ns)
    progress.phase("working")
    fleet.begin(begin_ns, config.duration_s)
    log.info("workload began", begin_ns=begin_ns)
    workers.begin(begin_ns)
    try:
        end_ns = begin_ns + round(config.duration_s * 1e9)
        while time.monotonic_ns() < end_ns:
            cluster.check_alive()
            for death in cluster.deaths():
                progress.event(death)
                state.deaths.append(death)
            state.client_stats = dataclasses.asdict(fleet.stats())
            progress.work((time.monotonic_ns() - begin_ns) / 1e9, config.duration_s, state.client_stats)
            time.sleep(min(0.5, max(0.0, (end_ns - time.monotonic_ns()) / 1e9)))
    except RaftmonError:
        fleet.stop()  # or the clients would go on until the workload's end
        raise
    except KeyboardInterrupt:
        progress.event("interrupted: the work ends early; once more, and the run is given up")
        log.info("interrupted")
        state.interrupted = True
        fleet.stop()
    finally:
        workers.end()
        state.client_stats = dataclasses.asdict(fleet.join())
        state.ended_ns = time.monotonic_ns()
        log.info("workload ended", end_ns=state.ended_ns)


def _facts(state: _Progressed) -> dict[str, Any]:
    """What the run itself knows, for results.json."""

    def view(value: tuple[str, int] | None) -> dict[str, Any] | None:
        return None if value is None else {"leader": value[0], "term": value[1]}

    return {
        "began_ns": state.began_ns,
        "ended_ns": state.ended_ns,
        "leader_before": view(state.leader_before),
        "leader_after": view(state.leader_after),
        "health_before": state.health_before,
        "health_after": state.health_after,
        "clients": state.client_stats,
        "deaths": state.deaths,
        "final_reads": state.final_reads.to_json(),
        "interrupted": state.interrupted,
        "faults": [record.to_json() for record in state.workers.records] if state.workers else [],
    }
