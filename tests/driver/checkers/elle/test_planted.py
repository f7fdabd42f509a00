"""Each anomaly planted in a long valid history is found under its name, and nothing else is."""

import random

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.elle import ListAppend, RwRegister
from raftmon.driver.histories.operation import Operation
from tests.driver.checkers.making import FAIL, INFO, found, history, op
from tests.driver.checkers.scenarios.transactions import LISTS, REGISTERS, txn

MS = 1_000_000


def valid_run(kind, transactions=600, processes=8):
    """A serial store; transactions take effect at a moment between call and return, many at one time."""
    rng = random.Random(3)
    lists, last, operations = {}, {}, []
    for number in range(transactions):
        at = 2 * MS * number  # takes effect here; calls and returns reach up to 7 ms around it
        process = 100 + number % processes
        micro = []
        for step in range(rng.randint(1, 4)):
            key = f"key{(number // 100)}.{rng.randrange(3)}"
            if rng.random() < 0.5:
                micro.append(["r", key, list(lists.get(key, [])) if kind == "append" else last.get(key)])
                continue
            value = 10 * number + step
            lists.setdefault(key, []).append(value)
            last[key] = value
            micro.append([kind, key, value])
        operations.append(op(process, "txn", micro, at - rng.randrange(7 * MS), at + rng.randrange(1, 7 * MS)))
    return operations


def planted(operations, scenario):
    """The scenario's operations in the midst of others, 500 ms later, by processes of its own."""
    for one in scenario.operations:
        back = None if one.return_ns is None else one.return_ns + 500 * MS
        operations.append(Operation(one.process, one.f, None, one.value, one.call_ns + 500 * MS, back, one.outcome))
    return history(*operations)


@pytest.mark.parametrize("scenario", LISTS, ids=lambda scenario: scenario.title)
def test_planted_among_lists(scenario):
    run = valid_run("append")
    assert ListAppend().check(history(*run)).valid is Valid.YES
    result = ListAppend().check(planted(run, scenario))
    assert result.valid is Valid.NO
    assert found(result) == scenario.names
    assert {operation.process for operation in result.counterexample.operations} <= {0, 1, 2, 3}


@pytest.mark.parametrize("scenario", REGISTERS, ids=lambda scenario: scenario.title)
def test_planted_among_registers(scenario):
    run = valid_run("w")
    assert RwRegister().check(history(*run)).valid is Valid.YES
    result = RwRegister().check(planted(run, scenario))
    assert result.valid is Valid.NO
    assert found(result) == scenario.names


def test_real_time_on_each_key_orders_blind_writes():
    stale = [txn(0, 0, 1, "w x 1"), txn(1, 2, 3, "w x 2"), txn(2, 4, 5, "r x =1")]
    assert found(RwRegister().check(history(*stale))) == set()  # inference sees nothing; the search does
    assert RwRegister().check(history(*stale)).valid is Valid.NO
    result = RwRegister(linearizable_keys=True).check(history(*stale))
    assert result.valid is Valid.NO
    assert "cyclic-versions" in found(result)
    torn = [
        txn(0, 0, 2, "w x 1"),
        txn(1, 3, 9, "w x 2; w y 2"),
        txn(2, 3, 9, "r x =1; r y =2"),
    ]
    assert found(RwRegister().check(history(*torn))) == set()
    assert found(RwRegister(linearizable_keys=True).check(history(*torn))) == {"G-single"}


def test_process_order_on_each_key_orders_blind_writes():
    torn = [
        txn(0, 0, 2, "w x 1"),
        txn(0, 3, 9, "w x 2; w y 2"),
        txn(2, 3, 9, "r x =1; r y =2"),
    ]
    assert found(RwRegister(sequential_keys=True).check(history(*torn))) == {"G-single"}


def test_a_broken_assumption_is_unknown_and_not_invalid():
    twice = [txn(0, 0, 1, "a x 1"), txn(1, 2, 3, "a x 1"), txn(2, 4, 5, "r x 9")]
    result = ListAppend().check(history(*twice))
    assert result.valid is Valid.UNKNOWN
    assert "appended to x more than once" in result.sentence
    twice = [txn(0, 0, 1, "w x 1"), txn(1, 2, 3, "w x 1")]
    assert RwRegister().check(history(*twice)).valid is Valid.YES  # an order is found all the same


def test_the_level_that_is_promised_decides():
    skew = history(txn(0, 0, 4, "r x; a y 1"), txn(1, 1, 5, "r y; a x 1"))
    assert ListAppend("serializable").check(skew).valid is Valid.NO
    result = ListAppend("snapshot-isolation").check(skew)
    assert result.valid is Valid.YES
    assert result.details["anomalies"] == {"G2-item": 1}
    assert result.details["not_ruled_out"] == ["strong-snapshot-isolation"]


def test_the_cycle_is_told_in_words():
    skew = history(txn(0, 0, 4, "r x; a y 1"), txn(1, 1, 5, "r y; a x 1"))
    sentence = ListAppend().check(skew).counterexample.sentence
    assert sentence in (
        "G2-item: T0 before T1 before T0. T0 read x as [], without T1's 1; T1 read y as [], without T0's 1",
        "G2-item: T1 before T0 before T1. T1 read y as [], without T0's 1; T0 read x as [], without T1's 1",
    )


@pytest.mark.parametrize("checker", [ListAppend(), RwRegister()], ids=["lists", "registers"])
@pytest.mark.parametrize(
    "operations",
    [
        [],
        [op(0, "txn", None, 0, 1)],
        [op(0, "txn", [["r", "x"]], 0, 1)],
        [op(0, "txn", [["r", "x", 5]], 0, 1), op(0, "txn", "text", 2, 3)],
        [op(0, "txn", [["pop", "x", 5]], 0, 1)],
        [op(0, "txn", [["append", "x", [1, 2]]], 0, 1), op(0, "txn", [["r", "x", [[1, 2]]]], 2, 3)],
        [op(0, "txn", [["w", {"a": 1}, {"b": [2]}]], 0, 1), op(0, "txn", [["r", {"a": 1}, {"b": [2]}]], 2, 3)],
        [op(0, "txn", [["append", "x", True], ["append", "x", 1]], 0, 1, outcome=INFO)],
        [op(0, "txn", [["append", "x", 1]], 5, 3), op(0, "txn", [["r", "x", None]], 0, None, outcome=FAIL)],
        [op(0, "read", 5, 0, 1)],
    ],
)
def test_odd_histories_never_crash_it(checker, operations):
    result = checker.check(history(*operations))
    assert result.sentence
    assert result.valid in (Valid.YES, Valid.UNKNOWN) or result.counterexample is not None
