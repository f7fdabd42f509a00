"""Counterexamples are wrong by themselves, no larger than they must be, and drawn."""

import random
from dataclasses import replace

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.search.explain import explain, shrink
from raftmon.driver.checkers.search.models import CasRegister, KeyValue, SetModel
from raftmon.driver.checkers.search.search import search
from raftmon.driver.checkers.words import Scale, timeline
from raftmon.driver.histories.operation import Outcome
from tests.driver.checkers.making import FAIL, INFO, op
from tests.driver.checkers.search.test_search import CASES, spoil
from tests.driver.histories.synthetic import simulate


@pytest.mark.parametrize("name", CASES)
def test_what_remains_is_wrong_part_of_the_history_and_minimal(name):
    model, deed, initial, _ = CASES[name]
    rng = random.Random(name)
    shrunk = smaller = 0
    while shrunk < 60:
        made = simulate(deed, initial, rng.randint(4, 25), 3, rng, latency_ns=50).operations
        operations = [replace(operation) for operation in made]
        for _ in range(3):
            spoil(operations, rng)
        if search(operations, model).valid is Valid.YES:
            continue
        shrunk += 1
        small, minimal = shrink(operations, model, timeout_s=30)
        assert minimal
        assert search(small, model).valid is Valid.NO
        assert all(any(kept is operation for operation in operations) for kept in small)
        smaller += len(small) < len(operations)
        for place, operation in enumerate(small):
            if operation.outcome is Outcome.OK and model.observes(model.prepare(operation)):
                rest = small[:place] + small[place + 1 :]
                assert search(rest, model).valid is Valid.YES, "an observation that was not needed was kept"
    assert smaller > 30


def test_a_value_written_again_before_anybody_looked_is_left_out():
    operations = [
        op(0, "write", 2, 0, 1),
        op(0, "write", 2, 2, 3),
        op(0, "write", 1, 4, 5),
        op(1, "read", 1, 6, 7),
        op(1, "read", 2, 8, 9),
    ]
    small, minimal = shrink(operations, CasRegister())
    assert small == [operations[1], operations[2], operations[4]]
    assert minimal


def test_appends_that_nobody_saw_are_left_out():
    operations = [
        op(0, "append", "a", 0, 1),
        op(1, "append", "b", 0, 9),
        op(0, "get", "a", 2, 3),
        op(0, "append", "c", 4, 5),
        op(0, "get", "a", 6, 7),
    ]
    small, _ = shrink(operations, KeyValue())
    assert small == [operations[0], operations[3], operations[4]]


def test_a_lost_element_of_a_set_is_told_with_two_operations():
    operations = [op(n, "add", n, 2 * n, 2 * n + 1) for n in range(9)] + [
        op(9, "read", [0, 1, 2, 3, 4, 5, 6, 7], 50, 51)
    ]
    found = explain(operations, SetModel(), Scale())
    assert operations[8] in found.operations
    assert "fits into no order" in found.sentence


def test_without_time_what_there_is_comes_back_unproved():
    operations = [op(0, "write", 1, 0, 1), op(0, "read", 2, 2, 3)]
    assert shrink(operations, CasRegister(), timeout_s=0.0) in ((operations, False), ([operations[1]], True))


def test_the_timeline_keeps_the_order_of_calls_and_returns():
    operations = [
        op(0, "write", 1, 1_000_000, 3_000_000),
        op(12, "cas", [1, 2], 2_000_000, None, outcome=INFO),
        replace(op(3, "cas", [9, 4], 4_000_000, 5_000_000, outcome=FAIL), seen=2, has_seen=True),
    ]
    lines = timeline(operations, Scale(1_000_000)).splitlines()
    assert [line.split("|")[0].rstrip() for line in lines] == [
        "process 0   write 1",
        "process 12  cas 1 -> 2",
        "process 3   failed cas 9 -> 4, saw 2",
    ]
    starts = [line.index("|") for line in lines]
    assert starts == sorted(starts)
    assert lines[0].rindex("|") < starts[2]
    assert lines[0].rindex("|") > starts[1]
    assert lines[1].endswith("1.000 ms on")
    assert lines[2].endswith("3.000 to 4.000 ms")
