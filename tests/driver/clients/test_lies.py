"""Clients, the lies of ``memory`` and the register's checker together: every lie is found, and the liar is named."""

import json
import subprocess
import time

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.register import RegisterChecker
from raftmon.driver.clients.fleet import ClientFleet, FleetConfig
from raftmon.driver.clients.plan import ClientPlan
from raftmon.driver.histories.formats import read_history
from raftmon.setup.topology import Topology


def judged(tmp_path, lie, probability):
    config = FleetConfig(
        topology=Topology.star(1),
        folder=tmp_path,
        history=tmp_path / "history.jsonl",
        plan=ClientPlan(
            "memory", slots=5, seed="3", options={"lie": lie, "lie_probability": probability, "latency_ms": 0.5}
        ),
    )
    fleet = ClientFleet(config, lambda _host, argv, **options: subprocess.Popen(argv, **options))
    try:
        fleet.start()
        fleet.wait_connected()
        fleet.begin(time.monotonic_ns(), 0.7)
        assert fleet.join().ok > 100
    finally:
        fleet.close()
    told = [json.loads(line) for line in (tmp_path / "lies.jsonl").read_text().splitlines()]
    return RegisterChecker().check(read_history(config.history)), told


@pytest.mark.parametrize("lie", ["stale-read", "lost-write", "dirty-cas", "phantom-read", "false-fail"])
def test_a_lie_is_found_and_an_operation_it_was_about_is_named(tmp_path, lie):
    result, told = judged(tmp_path, lie, 0.02)
    assert told
    assert result.valid is Valid.NO
    named = {
        (operation.key, str(value))
        for operation in result.counterexample.operations
        for value in [operation.value, *(operation.value if operation.f == "cas" else ()), operation.seen]
    }
    about = {
        (entry["key"], str(value))
        for entry in told
        for value in ([entry["found"], *entry["value"]] if lie == "dirty-cas" else [entry["value"]])
    }
    assert named & about, (result.sentence, told[:3])


@pytest.mark.parametrize("outcome", ["timeout-applied", "timeout-lost", "timeout-applied,timeout-lost"])
def test_unknown_outcomes_alone_leave_a_history_right(tmp_path, outcome):
    result, told = judged(tmp_path, outcome, 0.2)
    assert told == []
    assert result.valid is Valid.YES, result.sentence
