from __future__ import annotations

from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.driver.results.statistics import operation_table, outages
from raftmon.driver.results.verdict import fault_windows

MS = 1_000_000


def read(call_ms: int, return_ms: int | None, outcome: Outcome = Outcome.OK) -> Operation:
    return Operation(0, "read", "k", 1, call_ms * MS, None if return_ms is None else return_ms * MS, outcome)


def test_an_outage_is_a_span_of_half_a_second_without_any_success():
    history = History([read(0, 10), read(20, 30), read(40, 600, Outcome.FAIL), read(700, 710), read(720, 730)])
    assert outages(history, 0, 800 * MS) == [{"start_s": 0.03, "ms": 680.0}]


def test_before_the_first_success_and_after_the_last_there_may_be_one_too():
    history = History([read(600, 610)])
    assert outages(history, 0, 1200 * MS) == [{"start_s": 0.0, "ms": 610.0}, {"start_s": 0.61, "ms": 590.0}]
    assert outages(history, None, None) == []


def test_operations_are_counted_by_kind_and_outcome():
    history = History([read(0, 10), read(0, 20, Outcome.FAIL), read(0, None, Outcome.INFO)])
    table = operation_table(history)
    assert {name: table["read"][name] for name in ("ok", "fail", "info")} == {"ok": 1, "fail": 1, "info": 1}
    assert table["read"]["latency_ms"]["max"] == 10.0


def test_only_faults_that_were_done_are_windows():
    row = {"name": "halves", "start_ns": 1, "stop_ns": 2, "did": "cut", "nodes": ["n1"], "links": ["n1->n2"]}
    (window,) = fault_windows([row, {**row, "start_ns": None}, {**row, "did": None}])
    assert (window.name, window.nodes, window.links) == ("halves", ("n1",), ("n1->n2",))
