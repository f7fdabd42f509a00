from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import Any

import orjson

from raftmon.driver.faults.base import Effect
from raftmon.driver.faults.faults import make_fault
from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.faults.worker import FaultWorkers
from raftmon.setup.eventlog import open_event_log
from tests.driver.faults.fake_target import FakeTarget

NODES = ("n1", "n2", "n3")


def workers(tmp_path: Path, target: FakeTarget, planned: list[PlannedFault], **changes: Any) -> FaultWorkers:
    settings: dict[str, Any] = {
        "target": target,
        "planned": planned,
        "make": lambda fault: make_fault(fault.name, fault.options, NODES),
        "healthy": lambda: True,
        "seed": "7",
        "log": open_event_log(tmp_path / "events.jsonl", "test"),
        "on_change": lambda _text: None,
    }
    return FaultWorkers(**(settings | changes))


def join(crew: FaultWorkers) -> None:
    for thread in crew._threads:
        thread.join(30)


def test_a_fault_is_started_and_healed_at_its_times(tmp_path: Path):
    target = FakeTarget()
    crew = workers(tmp_path, target, [PlannedFault("kill-n2", 0.0, 0.05)])
    begin = time.monotonic_ns()
    crew.begin(begin)
    join(crew)
    (record,) = crew.records
    assert target.log == ["kill n2", "start n2"]
    assert begin <= record.start_ns <= record.stop_ns
    assert record.stop_ns - begin >= 50_000_000
    assert record.health_before is record.health_after is True
    assert record.to_json()["did"] == "killed n2 (n2)"


def test_the_end_of_the_run_heals_what_is_still_going_on(tmp_path: Path):
    target = FakeTarget()
    crew = workers(tmp_path, target, [PlannedFault("pause-n1", 0.0, 3600.0), PlannedFault("halves", 3000.0, 3600.0)])
    crew.begin(time.monotonic_ns())
    while "pause n1" not in target.log:
        time.sleep(0.001)
    crew.end(30)
    assert target.log == ["pause n1", "resume n1"]
    assert crew.records[1].unavailable == "the run ended before its time came"


class Breaks:
    name = "breaks"
    stopped = False

    def available(self, _target: object) -> None:
        return None

    def start(self, _target: object, _random: Random) -> Effect:
        raise OSError("no such wire")

    def stop(self, _target: object) -> None:
        self.stopped = True


def test_a_fault_that_fails_is_healed_and_reported_and_ends_nothing(tmp_path: Path):
    fault = Breaks()
    crew = workers(tmp_path, FakeTarget(), [PlannedFault("breaks", 0.0, 0.0)], make=lambda _planned: fault)
    crew.begin(time.monotonic_ns())
    join(crew)
    assert crew.records[0].error == "OSError: no such wire"
    assert fault.stopped


def test_what_cannot_be_done_is_an_event_with_its_reason(tmp_path: Path):
    said: list[str] = []
    crew = workers(tmp_path, FakeTarget(3), [PlannedFault("majority-ring", 0.0, 1.0)], on_change=said.append)
    crew.begin(time.monotonic_ns())
    join(crew)
    assert "at least 4 nodes" in (crew.records[0].unavailable or "")
    assert said == ["majority-ring cannot be done: majority-ring needs at least 4 nodes; this cluster has 3"]
    assert b"fault unavailable" in (tmp_path / "events.jsonl").read_bytes()


def test_recovery_after_the_heal_is_waited_for_and_timed(tmp_path: Path):
    answers = iter([True, False, False, True])
    crew = workers(tmp_path, FakeTarget(), [PlannedFault("kill-n1", 0.0, 0.0)], healthy=lambda: next(answers))
    crew.begin(time.monotonic_ns())
    join(crew)
    assert crew.records[0].health_after is True
    assert crew.records[0].recovered_ms is not None


def waiting(**changes: Any) -> dict[str, Any]:
    return {"state": "waiting", "fired_ns": None, "message": "", **changes}


def test_a_triggered_fault_starts_when_its_trigger_fires_and_its_reaction_is_measured(tmp_path: Path):
    target = FakeTarget()
    packet_ns = time.monotonic_ns()
    fired = waiting(state="fired", fired_ns=packet_ns, message="MsgSnap n1->n3 term 2 index 0")
    target.fires = [waiting(), waiting(), fired]
    crew = workers(tmp_path, target, [PlannedFault("kill-leader", 0.0, 0.05, when="MsgSnap -> n3")])
    crew.begin(packet_ns)
    join(crew)
    (record,) = crew.records
    assert target.log == ["arm MsgSnap -> n3", "kill n1", "start n1"]
    assert record.stop_ns - record.start_ns >= 50_000_000
    found = record.to_json()
    assert (found["when"], found["triggered_ns"]) == ("MsgSnap -> n3", packet_ns)
    assert found["trigger_message"] == "MsgSnap n1->n3 term 2 index 0"
    assert found["reaction_ms"] >= (record.start_ns - packet_ns) / 1e6
    assert found["leader_witness"] == "wire"
    events = [orjson.loads(line) for line in (tmp_path / "events.jsonl").read_bytes().splitlines()]
    (started,) = [event for event in events if event["event"] == "fault started"]
    assert (started["leader_witness"], started["reaction_ms"]) == ("wire", found["reaction_ms"])
    assert [event["event"] for event in events[:2]] == ["fault waits", "fault triggered"]


def test_a_trigger_that_never_fires_ends_with_the_run(tmp_path: Path):
    target = FakeTarget()
    target.fires = [waiting()]
    crew = workers(tmp_path, target, [PlannedFault("kill-leader", 0.0, 3.0, when="term > 99")])
    crew.begin(time.monotonic_ns())
    while not target.log:
        time.sleep(0.001)
    crew.end(30)
    assert target.log == ["arm term > 99"]
    assert crew.records[0].unavailable == "its moment never came: the run ended before: when term > 99"
    assert crew.records[0].start_ns is None


def test_a_trigger_whose_time_is_over_is_no_failure(tmp_path: Path):
    target = FakeTarget()
    target.fires = [waiting(state="expired")]
    crew = workers(tmp_path, target, [PlannedFault("kill-leader", 0.0, 3.0, when="term > 9 within 1s")])
    crew.begin(time.monotonic_ns())
    join(crew)
    (record,) = crew.records
    assert record.unavailable == "its moment never came in the time it was given: when term > 9 within 1s"
    assert record.error is None


def test_a_fault_that_asks_nobody_for_the_leader_names_no_witness(tmp_path: Path):
    crew = workers(tmp_path, FakeTarget(), [PlannedFault("kill-n2", 0.0, 0.0)])
    crew.begin(time.monotonic_ns())
    join(crew)
    assert crew.records[0].to_json()["leader_witness"] is None
