from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import Any

from driver.faults.base import Effect
from driver.faults.registry import make_fault
from driver.faults.schedule import PlannedFault
from driver.faults.worker import FaultWorkers
from setup.eventlog import open_event_log
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
