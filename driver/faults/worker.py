"""Worker threads that start and heal the planned faults while clients work.

One thread a fault. Whatever happens, a fault that was started is healed when its time is over or the run ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

from raftmon.driver.cluster.cluster import Cluster
from raftmon.driver.cluster.health import quorum_answers
from raftmon.driver.cluster.leadership import LeaderSeen
from raftmon.driver.faults.base import Effect, Fault, Target, Unavailable
from raftmon.driver.faults.faults import make_fault
from raftmon.driver.faults.receipts import Receipt, receipt_of
from raftmon.driver.faults.schedule import PlannedFault
from raftmon.setup.eventlog import EventLog

__all__ = ["HEALTH_LEAD_NS", "RECOVERY_LIMIT_S", "FaultRecord", "FaultWorkers"]

HEALTH_LEAD_NS = 700_000_000
"""How long before a fault the cluster's health is looked at."""
RECOVERY_LIMIT_S = 15.0
"""How long after the heal a quorum may take to answer before the cluster counts as not recovered."""

_QUORUM_S = 0.5

TRIGGER_POLL_S = 0.005
"""How often the monitor is asked whether a trigger has fired: half of it is added to the reaction, on average."""


@dataclass(slots=True)
class FaultRecord:
    """What became of one planned fault; times CLOCK_MONOTONIC, None if it did not come to that.

    ``start_ns`` is when it was begun, ``in_force_ns`` when that was done: in between, a leader may have been sought.
    ``leader_witness`` is whose word it was who leads (``wire`` or ``status``), where the fault asked. ``triggered_ns``
    is when the packet that it waited for reached the monitor, ``reaction_ms`` how long after that it was done.
    """

    planned: PlannedFault
    start_ns: int | None = None
    in_force_ns: int | None = None
    stop_ns: int | None = None
    effect: Effect | None = None
    unavailable: str | None = None
    error: str | None = None
    health_before: bool | None = None
    health_after: bool | None = None
    recovered_ms: float | None = None
    leader_witness: str | None = None
    triggered_ns: int | None = None
    trigger_message: str | None = None
    reaction_ms: float | None = None
    receipt: Receipt | None = None

    def to_json(self) -> dict[str, Any]:
        """For results.json."""
        return {
            "name": self.planned.name,
            "options": dict(self.planned.options),
            "planned_s": [self.planned.start_s, self.planned.stop_s],
            "start_ns": self.start_ns,
            "in_force_ns": self.in_force_ns,
            "stop_ns": self.stop_ns,
            "did": self.effect.sentence if self.effect else None,
            "nodes": list(self.effect.nodes) if self.effect else [],
            "links": sorted(map(str, self.effect.links)) if self.effect else [],
            "unavailable": self.unavailable,
            "error": self.error,
            "health_before": self.health_before,
            "health_after": self.health_after,
            "recovered_ms": self.recovered_ms,
            "leader_witness": self.leader_witness,
            "when": self.planned.when,
            "triggered_ns": self.triggered_ns,
            "trigger_message": self.trigger_message,
            "reaction_ms": self.reaction_ms,
            "receipt": self.receipt.to_json() if self.receipt else None,
        }


class _LeaderNoted:
    """The cluster as one fault sees it; ``witness`` is whose word it last took for who leads, None if it did not."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.witness: str | None = None

    def leader(self) -> str | None:
        seen = self.find_leader()
        return seen.node if seen else None

    def find_leader(self) -> LeaderSeen | None:
        seen = self._target.find_leader()
        self.witness = seen.witness if seen else None
        return seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)


@dataclass(slots=True)
class FaultWorkers:
    """All worker threads of a run.

    ``make`` turns a planned fault into a fresh Fault; ``healthy`` asks whether a quorum answers.
    """

    target: Target
    planned: Sequence[PlannedFault]
    make: Callable[[PlannedFault], Fault]
    healthy: Callable[[], bool]
    seed: str
    log: EventLog
    on_change: Callable[[str], None] = print
    records: list[FaultRecord] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _hurried: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def on_cluster(
        cls,
        cluster: Cluster,
        planned: Sequence[PlannedFault],
        seed: str,
        on_change: Callable[[str], None] = lambda _text: None,
    ) -> FaultWorkers:
        """Workers for faults of the catalogue on a live cluster, logging to its log."""
        names = cluster.topology.node_names()
        return cls(
            target=cluster,
            planned=planned,
            make=lambda fault: make_fault(fault.name, fault.options, names),
            healthy=lambda: quorum_answers(cluster.adapter, cluster.topology, _QUORUM_S),
            seed=seed,
            log=cluster.log,
            on_change=on_change,
        )

    def begin(self, at_ns: int) -> None:
        """Start the threads; second 0 of the plan is ``at_ns``."""
        for number, planned in enumerate(self.planned):
            record = FaultRecord(planned)
            self.records.append(record)
            thread = threading.Thread(
                target=self._work, args=(number, record, at_ns), name=f"fault-{number}-{planned.name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def end(self, timeout_s: float = 60.0, *, hurry: bool = False) -> None:
        """Heal what is still going on and wait for every thread; in a ``hurry`` not for the cluster to recover."""
        if hurry:
            self._hurried.set()
        self._over.set()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for record, thread in zip(self.records, self._threads, strict=True):
            if thread.is_alive():
                record.error = f"it was not healed within {timeout_s:g} s"

    def _wait_until(self, at_ns: int) -> bool:
        """True at that moment, False if the run ended before."""
        return not self._over.wait(max(0.0, (at_ns - time.monotonic_ns()) / 1e9))

    def _work(self, number: int, record: FaultRecord, at_ns: int) -> None:
        planned = record.planned
        random = Random(f"{self.seed}/fault/{number}/{planned.name}")
        fault = self.make(planned)
        reason = fault.available(self.target)
        if reason:
            record.unavailable = reason
            self._say("fault unavailable", planned, f"{planned.name} cannot be done: {reason}")
            return
        start_ns = at_ns + round(planned.start_s * 1e9)
        # The look at the cluster's health takes time of its own: it comes before the fault's moment, not after it.
        looked = self._wait_until(start_ns - HEALTH_LEAD_NS)
        record.health_before = self.healthy() if looked else None
        if not self._wait_until(start_ns):
            record.unavailable = "the run ended before its time came"
            return
        try:
            if planned.when is not None:
                self._await_trigger(planned.when, record)
            self._start(fault, random, record)
            # A fault that had to wait (for an election, say) lasts as long as it was planned to, if the run does.
            self._wait_until(time.monotonic_ns() + round((planned.stop_s - planned.start_s) * 1e9))
        except Unavailable as why:
            record.unavailable = str(why)
            self._say("fault unavailable", planned, f"{planned.name} could not be done: {why}")
        except Exception as error:  # whatever a fault does wrong, the run goes on and says so
            record.error = f"{type(error).__name__}: {error}"
            self._say("fault failed", planned, f"{planned.name} failed: {record.error}")
        self._heal(fault, record)

    def _start(self, fault: Fault, random: Random, record: FaultRecord) -> None:
        planned = record.planned
        record.start_ns = time.monotonic_ns()
        seen = _LeaderNoted(self.target)
        record.effect = fault.start(cast(Target, seen), random)
        record.in_force_ns = time.monotonic_ns()
        fields: dict[str, Any] = {"effect": record.effect.sentence}
        record.leader_witness = seen.witness
        if record.leader_witness is not None:
            fields["leader_witness"] = record.leader_witness
        if record.triggered_ns is not None:
            record.reaction_ms = fields["reaction_ms"] = (time.monotonic_ns() - record.triggered_ns) / 1e6
        self._say("fault started", planned, record.effect.sentence, **fields)

    def _await_trigger(self, trigger: str, record: FaultRecord) -> None:
        """Return when the trigger has fired. Raises Unavailable if the run or the wait ends before."""
        name = self.target.arm(trigger)
        self.log.info("fault waits", fault=record.planned.name, sentence=f"when {trigger}", trigger=name)
        while (found := self.target.armed(name))["state"] == "waiting":
            if self._over.wait(TRIGGER_POLL_S):
                raise Unavailable(f"its moment never came: the run ended before: when {trigger}")
        if found["state"] != "fired":
            raise Unavailable(f"its moment never came in the time it was given: when {trigger}")
        record.triggered_ns, record.trigger_message = found["fired_ns"], found["message"]
        sentence = f"when {trigger}: {found['message']}"
        self._say("fault triggered", record.planned, sentence, packet_ns=record.triggered_ns)

    def _heal(self, fault: Fault, record: FaultRecord) -> None:
        planned = record.planned
        if record.effect is not None:
            record.receipt = receipt_of(fault, self.target)
        try:
            fault.stop(self.target)
        except Exception as error:
            record.error = f"it could not be healed: {type(error).__name__}: {error}"
            self._say("fault not healed", planned, f"{planned.name}: {record.error}")
            return
        if record.effect is None:
            return
        record.stop_ns = time.monotonic_ns()
        told = {"receipt": record.receipt.verdict, "shown_by": record.receipt.sentence} if record.receipt else {}
        self._say("fault healed", planned, f"{planned.name} healed", **told)
        give_up_ns = record.stop_ns + round(RECOVERY_LIMIT_S * 1e9)
        while not record.health_after and time.monotonic_ns() < give_up_ns and not self._hurried.is_set():
            record.health_after = self.healthy()
        if record.health_after:
            record.recovered_ms = (time.monotonic_ns() - record.stop_ns) / 1e6
        self.log.info("health after fault", fault=planned.name, healthy=record.health_after)

    def _say(self, event: str, planned: PlannedFault, sentence: str, **fields: Any) -> None:
        self.log.info(event, fault=planned.name, sentence=sentence, **fields)
        self.on_change(sentence)
