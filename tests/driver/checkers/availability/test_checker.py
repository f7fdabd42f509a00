"""Availability and CAP's verdict, on made histories whose answer is known."""

import pytest

from raftmon.driver.checkers.availability.cap import Label
from raftmon.driver.checkers.availability.checker import Availability
from raftmon.driver.checkers.availability.measure import Window, answered
from raftmon.driver.checkers.base import Counterexample, Result, Valid
from tests.driver.checkers.making import FAIL, INFO, history, op

MS = 1_000_000
CUT = Window("cut n1", 1000 * MS, 2000 * MS, ("n1",), ("n1->n2", "n2->n1"))
GOOD = Result(Valid.YES, "register", "linearizable")
UNSURE = Result(Valid.UNKNOWN, "register", "the limit was met")


def wrong(at_ms):
    stale = op(1, "read", 1, at_ms * MS - 1, at_ms * MS, key="k", node="n1")
    found = Counterexample((stale,), "n1 served an old value", "k", at_ms * MS)
    return Result(Valid.NO, "register", "stale", {"anomalies": {"stale-read": 1}}, found)


def run(serves, *, reads=lambda node, ms: True):
    """Three nodes asked every 10 ms for 3 s, a write and a read; ``serves(node, ms)`` says who answers."""
    operations = []
    for node in ("n1", "n2", "n3"):
        for ms in range(0, 3000, 10):
            good = serves(node, ms)
            operations.append(
                op(
                    0,
                    "write",
                    1,
                    ms * MS,
                    (ms + 2) * MS if good else None,
                    node=node,
                    **({} if good else {"outcome": INFO}),
                )
            )
            good = serves(node, ms) and reads(node, ms)
            operations.append(
                op(
                    0,
                    "read",
                    1,
                    (ms + 5) * MS,
                    (ms + 7) * MS,
                    node=node,
                    **({} if good else {"outcome": FAIL, "error": "no leader"}),
                )
            )
    return history(*operations)


def cut_off(node, ms):
    return not (node == "n1" and 1000 <= ms < 2050)


def label(result):
    return result.details["label"]


def row(result, node, window):
    return next(one for one in result.details["served"] if (one["node"], one["window"]) == (node, window))


def test_shares_gaps_and_first_times_are_right():
    result = Availability([CUT], [GOOD]).check(run(cut_off))
    one = row(result, "n1", "cut n1")
    assert (one["operations"], one["answered"], one["share"]) == (200, 0, 0)
    assert one["longest_gap_ms"] == pytest.approx(1000, abs=50)
    assert one["first_failure_ms"] == pytest.approx(0, abs=50)
    assert one["first_success_ms"] == pytest.approx(52, abs=1)
    other = row(result, "n2", "cut n1")
    assert other["share"] == 1
    assert other["first_failure_ms"] is None
    assert other["longest_gap_ms"] <= 10
    assert row(result, "n1", "")["share"] == pytest.approx(1, abs=0.05)


def test_consistent_and_unavailable_where_cut():
    result = Availability([CUT], [GOOD]).check(run(cut_off))
    assert label(result) == Label.CP
    assert result.details["how"] == "during cut n1, n1 answered 0 of 200 requests (0%); longest gap 1.0 s of 1.0 s."
    assert result.valid is Valid.YES


def test_available_and_inconsistent_says_which_anomaly_node_and_window():
    result = Availability([CUT], [wrong(1500)]).check(run(lambda node, ms: True))
    assert label(result) == Label.AP
    assert result.details["how"] == "register: stale-read, seen at n1, during cut n1."
    assert "n1 served an old value" not in result.sentence  # the register's own result says so, once


def test_stale_reads_alone_are_an_inconsistent_answer_though_writes_fail():
    """As etcd with serializable reads: the cut-off node answers reads from its own store, and no writes."""
    listed = run(lambda node, ms: True).operations
    for operation in listed:
        if operation.f == "write" and operation.node == "n1" and 1000 * MS <= operation.call_ns < 2000 * MS:
            operation.outcome, operation.return_ns = INFO, None
    result = Availability([CUT], [wrong(1500)]).check(history(*listed))
    assert label(result) == Label.AP
    assert "its reads or its updates" in result.details["sentence"]
    assert "during cut n1, n1 answered 100 of 200 requests (50%)" in result.details["how"]


def test_an_anomaly_after_healing_is_told_as_such():
    result = Availability([CUT], [wrong(2500)]).check(run(lambda node, ms: True))
    assert "after cut n1 had healed" in result.details["how"]


def test_neither():
    assert label(Availability([CUT], [wrong(1500)]).check(run(cut_off))) == Label.NEITHER
    assert label(Availability([], [wrong(1500)]).check(run(lambda node, ms: True))) == Label.NEITHER
    assert label(Availability([], [GOOD]).check(run(lambda node, ms: ms % 30 == 0))) == Label.NEITHER


def test_both_only_without_faults():
    assert label(Availability([], [GOOD]).check(run(lambda node, ms: True))) == Label.BOTH


def test_a_cut_that_nobody_felt_is_not_called_a_choice():
    assert label(Availability([CUT], [GOOD]).check(run(lambda node, ms: True))) == Label.UNHURT


def test_a_killed_node_need_not_answer():
    kill = Window("kill n1", 1000 * MS, 2000 * MS, ("n1",), ())
    result = Availability([kill], [GOOD]).check(run(cut_off))
    assert label(result) == Label.UNHURT
    assert row(result, "n1", "kill n1")["failed_itself"]


def test_unknown_consistency_is_an_unknown_verdict():
    result = Availability([CUT], [UNSURE]).check(run(cut_off))
    assert label(result) == Label.UNKNOWN
    assert "the limit was met" in result.details["sentence"]
    assert Availability([CUT], [GOOD]).check(history()).valid is Valid.UNKNOWN


def test_a_fault_that_never_heals_lasts_to_the_end():
    forever = Window("cut n1", 1000 * MS, None, ("n1",), ("n1->n2",))
    result = Availability([forever], [GOOD]).check(run(lambda node, ms: node != "n1" or ms < 1000))
    assert row(result, "n1", "cut n1")["first_success_ms"] is None
    assert row(result, "n1", "cut n1")["longest_gap_ms"] == pytest.approx(1997, abs=50)


@pytest.mark.parametrize(
    ("operation", "truth"),
    [
        (op(0, "read", 1, 0, 1), True),
        (op(0, "cas", [1, 2], 0, 1, outcome=FAIL), True),
        (op(0, "cas", [1, 2], 0, 1, outcome=FAIL, error="the value was not 1"), True),
        (op(0, "write", 1, 0, 1, outcome=FAIL, error="Connection refused"), False),
        (op(0, "write", 1, 0, 1, outcome=FAIL, error="etcdserver: no leader"), False),
        (op(0, "write", 1, 0, None, outcome=INFO), False),
    ],
)
def test_a_refusal_that_says_something_of_the_data_is_an_answer(operation, truth):
    assert answered(operation) is truth


def test_a_client_that_waits_makes_a_silence_count_by_its_length():
    """One client, answered five times, then hanging for nearly the whole cut: by share alone it would look served."""
    operations = [op(0, "read", 1, ms * MS, (ms + 5) * MS, node="n1") for ms in range(0, 1050, 10)]
    operations.append(op(0, "read", None, 1050 * MS, None, node="n1", outcome=INFO))
    operations += [op(1, "read", 1, ms * MS, (ms + 5) * MS, node="n1") for ms in range(2050, 3000, 10)]
    result = Availability([CUT], [GOOD]).check(history(*operations))
    assert row(result, "n1", "cut n1")["share"] > 0.8
    assert label(result) == Label.CP


def test_two_faults_of_one_name_are_told_apart():
    again = Window("cut n1", 2500 * MS, 2600 * MS, ("n1",), ("n1->n2",))
    result = Availability([CUT, again], [GOOD]).check(run(cut_off))
    assert row(result, "n1", "cut n1")["operations"] == 200
    assert row(result, "n1", "cut n1 #2")["operations"] == 20
