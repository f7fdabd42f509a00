"""One run, phase by phase. Whatever happens, what was seen is saved and what was started is taken down.

prepare -> cluster up -> clients connected -> work and faults -> heal -> last reads -> cluster down -> verdict
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from raftmon.adapters.systems import system
from raftmon.driver.checkers.base import Valid
from raftmon.driver.clients.fleet import ClientFleet, FleetConfig
from raftmon.driver.cluster.cluster import Cluster, ClusterOptions
from raftmon.driver.cluster.health import quorum_answers
from raftmon.driver.cluster.status_poller import StatusPoller
from raftmon.driver.faults.worker import FaultWorkers
from raftmon.driver.report.report import write_report
from raftmon.driver.results.facts import RunFacts
from raftmon.driver.results.results import Results
from raftmon.driver.results.verdict import judge_run
from raftmon.driver.run.await_leader import await_leader
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run.final_reads import MOST_S, FinalReader
from raftmon.driver.run.interruption import END_S, Interruption
from raftmon.driver.run.live import announce, withdraw
from raftmon.driver.run.node_data import tidy
from raftmon.driver.run.plan import make_plan
from raftmon.driver.run.progress import Progress
from raftmon.driver.run.room import is_full, said_of
from raftmon.driver.run.store_hashes import ask_stores
from raftmon.driver.run_folder import CONFIG, RESULTS, RunFolder
from raftmon.driver.workloads.workloads import workload
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.eventlog import open_event_log

__all__ = ["Run", "run"]

LEAD_S = 0.1
"""From the order to begin until second 0: long enough for every client host to hear of it."""
LEADER_S = 20.0
"""How long a cluster may take to have a leader, before the work and after the heal."""
HURRY_S = 2.0
"""How long each step after the work may take in a run that was interrupted; together they stay below END_S."""


def run(
    config: RunConfig, store: Path, progress: Progress, interact: Callable[[Cluster], None] | None = None
) -> tuple[RunFolder, Results]:
    """Do the run and judge it. Returns its folder and its results; see ``Run``."""
    return Run(config, store, progress, interact).run()


class Run:
    """One run: its methods are the phases, ``run`` does them in their order.

    ``interact`` takes the place of clients and faults: it is given the live cluster. Raises InputError if the run
    cannot be done as asked.
    """

    def __init__(
        self,
        config: RunConfig,
        store: Path,
        progress: Progress,
        interact: Callable[[Cluster], None] | None = None,
    ) -> None:
        self._adapter = system(config.system, config.adapter_options())
        self._plan = make_plan(config, self._adapter)
        self._config = self._plan.config
        self._progress = progress
        self._interact = interact
        self._facts = RunFacts()
        self._workers: FaultWorkers | None = None
        self._folder = RunFolder.create(store, config.run_name)
        self._log = open_event_log(self._folder.events, "driver")

    def run(self) -> tuple[RunFolder, Results]:
        """Every phase, then the verdict. Returns the folder and the results.

        Must be called inside the sandbox where the system has nodes. Raises InputError if the run cannot be done as
        asked, nothing of it is kept then; and RaftmonError if raftmon failed; the folder then keeps everything up to
        there, ``results.json`` with the error.
        """
        # At a prompt Ctrl-C is for the line that is being typed.
        with Interruption(self._leave_at_once) if self._interact is None else contextlib.nullcontext():
            try:
                self._prepare()
                with self._cluster_up() as cluster:
                    if self._interact is not None:
                        self._interact(cluster)
                    else:
                        with self._clients_connected(cluster) as fleet:
                            self._work_and_heal(cluster, fleet)
                        self._final_reads(cluster)
                self._log.info("cluster down")
            except BaseException as error:
                self._give_up(error)
                raise
            return self._folder, self._verdict()

    # -- prepare ---------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Save what is planned, before anything happens."""
        self._folder.reserve()
        started = {"monotonic_ns": time.monotonic_ns(), "wall_ns": time.time_ns(), "format": 1}
        self._folder.save(CONFIG, {**self._plan.to_json(), **started})
        (self._folder.path / "plan.json").write_bytes(self._plan.to_bytes())
        announce(self._folder)
        self._log.info("run started", config=self._config.to_json())

    # -- cluster up, cluster down ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _cluster_up(self) -> Iterator[Cluster]:
        """The running cluster for the length of the block."""
        plan, config = self._plan, self._config
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
            servers=config.servers,
            system=config.system,
            system_options=config.adapter_options(),
        )
        self._progress.phase("starting the cluster")
        with Cluster(plan.topology, self._adapter, self._folder, options, self._progress.event) as cluster:
            yield cluster
            if self._interact is None:
                self._progress.phase("taking the cluster down")

    # -- clients connected -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _clients_connected(self, cluster: Cluster) -> Iterator[ClientFleet]:
        """The client hosts for the length of the block, each client with an answer from its node."""
        self._facts.leader_before = await_leader(cluster, LEADER_S)
        self._facts.health_before = self._quorum_answers(self._config.op_timeout_s)
        self._progress.phase("connecting clients")
        config = FleetConfig(self._plan.topology, self._folder.path, self._folder.history, self._config.client_plan())
        fleet = ClientFleet(config, cluster.launch)
        try:
            fleet.start()
            fleet.wait_connected(check=cluster.check_alive)
            with StatusPoller(cluster.statuses, self._log):
                yield fleet
        finally:
            fleet.close()

    # -- work and faults, heal -------------------------------------------------------------------------------------

    def _work_and_heal(self, cluster: Cluster, fleet: ClientFleet) -> None:
        """Clients work, faults come and go; returns when the clients have ended and the faults are healed."""
        config, facts = self._config, self._facts
        workers = self._workers = FaultWorkers.on_cluster(cluster, self._plan.faults, config.seed, self._progress.event)
        facts.began_ns = begin_ns = time.monotonic_ns() + round(LEAD_S * 1e9)
        self._progress.began(begin_ns)
        self._progress.phase("working")
        fleet.begin(begin_ns, config.duration_s)
        self._log.info("workload began", begin_ns=begin_ns)
        workers.begin(begin_ns)
        try:
            self._watch(cluster, fleet, begin_ns)
        except RaftmonError:
            fleet.stop()  # or the clients would go on until the workload's end
            raise
        except KeyboardInterrupt:
            facts.interrupted = True
            self._log.info("interrupted")
            self._progress.event(f"interrupted: the run ends within {END_S:g} s; once more, and it is given up at once")
            fleet.stop()
        finally:
            self._progress.phase("healing")
            workers.end(HURRY_S if facts.interrupted else 60.0, hurry=facts.interrupted)
            stats = fleet.end_within(HURRY_S) if facts.interrupted else fleet.join()
            facts.clients = dataclasses.asdict(stats)
            facts.ended_ns = time.monotonic_ns()
            cluster.revive()
            self._log.info("workload ended", end_ns=facts.ended_ns)

    def _watch(self, cluster: Cluster, fleet: ClientFleet, begin_ns: int) -> None:
        """Until the work's time is over, look twice a second at how it goes. Raises RaftmonError if raftmon failed."""
        duration_s = self._config.duration_s
        end_ns = begin_ns + round(duration_s * 1e9)
        while time.monotonic_ns() < end_ns:
            cluster.check_alive()
            for act in cluster.acts():
                self._progress.event(act)
            for death in cluster.deaths():
                self._progress.event(death)
                self._facts.deaths.append(death)
            self._facts.clients = dataclasses.asdict(fleet.stats())
            self._progress.work((time.monotonic_ns() - begin_ns) / 1e9, duration_s, self._facts.clients)
            time.sleep(min(0.5, max(0.0, (end_ns - time.monotonic_ns()) / 1e9)))

    # -- last reads ------------------------------------------------------------------------------------------------

    def _final_reads(self, cluster: Cluster) -> None:
        """Once everything is healed: who leads, what every node holds; of an interrupted run a quick look."""
        plan, config, hurry = self._plan, self._config, self._facts.interrupted
        op_timeout_s = min(config.op_timeout_s, HURRY_S / 2) if hurry else config.op_timeout_s
        if plan.topology.nodes:
            self._progress.phase("last reads")
            self._facts.leader_after = await_leader(cluster, HURRY_S / 2 if hurry else LEADER_S)
            self._facts.health_after = self._quorum_answers(op_timeout_s)
        reader = FinalReader(
            self._adapter,
            plan.topology,
            workload(config.workload, config.workload_parameters()),
            op_timeout_s,
            random=Random(f"{config.seed} last reads"),
            say=self._progress.event,
            check=cluster.check_alive,
            most_s=HURRY_S if hurry else MOST_S,
        )
        self._facts.final_reads = reader.read_into(self._folder.history)
        if not hurry:
            ask_stores(self._adapter, plan.topology, self._folder, op_timeout_s)

    def _quorum_answers(self, op_timeout_s: float) -> bool | None:
        return quorum_answers(self._adapter, self._plan.topology, op_timeout_s)

    # -- verdict ---------------------------------------------------------------------------------------------------

    def _verdict(self) -> Results:
        """Judge what was recorded, save it and draw the report."""
        withdraw(self._folder)
        self._progress.phase("judging")
        try:
            results = judge_run(self._folder, self._known())
        except KeyboardInterrupt as error:
            self._give_up(error)
            raise
        self._folder.save(RESULTS, results.to_json())
        self._report()
        tidy(
            self._folder,
            valid=results.valid is Valid.YES,
            keep=self._config.keep_data,
            hurry=self._facts.interrupted,
        )
        self._log.info("run ended", valid=results.valid.value)
        self._folder.hand_over()
        return results

    def _report(self) -> None:
        """Write report.html; the verdict stands without it."""
        try:
            write_report(self._folder.path)
        except Exception as error:
            self._log.error("no report", error=f"{type(error).__name__}: {error}")

    def _give_up(self, error: BaseException) -> None:
        """Keep what there is of a run that failed, or nothing of one that was refused: that was no run.

        Raises what is to be raised in the place of ``error``, if anything.
        """
        withdraw(self._folder)
        self._facts.interrupted |= isinstance(error, KeyboardInterrupt)
        if isinstance(error, InputError) and self._interact is None and self._facts.began_ns is None:
            self._folder.remove()
            self._folder.hand_over()  # the store: latest may be new
            return
        self._log.error("run failed", error=f"{type(error).__name__}: {error}", trace=traceback.format_exc())
        said = said_of(error, self._folder)
        results = Results(Valid.UNKNOWN, self._known(), error=said)
        with contextlib.suppress(OSError):  # a disk that was full before the run began
            self._folder.save(RESULTS, results.to_json())
        self._folder.hand_over()
        if isinstance(error, RaftmonError) or is_full(error):
            kind = type(error) if isinstance(error, RaftmonError) else RaftmonError
            raise kind(f"{said}\nwhat was recorded is in {self._folder.path}") from error

    def _leave_at_once(self, why: str) -> None:
        """Keep what there is, with the process about to end. From a signal handler: nothing here takes a lock."""
        said = f"interrupted, and given up at once ({why}); what was recorded is in {self._folder.path}"
        os.write(2, f"\nraftmon: {said}\n".encode())
        self._facts.interrupted = True
        if not (self._folder.path / RESULTS).exists():
            self._folder.save(RESULTS, Results(Valid.UNKNOWN, self._known(), error=said).to_json())
        withdraw(self._folder)
        self._folder.hand_over()

    def _known(self) -> RunFacts:
        """What the run itself knows by now."""
        self._facts.faults = [record.to_json() for record in self._workers.records] if self._workers else []
        return self._facts
