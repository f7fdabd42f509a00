"""The polynomial check against trying every order."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.driver.checkers.zones.observations import observe
from raftmon.driver.checkers.zones.zones import Conflict, find_violations
from raftmon.driver.histories.model import Columns, History
from raftmon.driver.histories.operation import Operation, Outcome
from tests.driver.checkers.every_order import explainable, register
from tests.driver.checkers.making import FAIL, INFO, op
from tests.driver.checkers.zones.small_registers import small_history


def violations(operations):
    return find_violations(observe(History(operations).columns))


def conflicts(*operations):
    return [violation.conflict for violation in violations(list(operations))]


@pytest.mark.parametrize("seed", range(8))
def test_zones_agree_with_every_order_on_random_histories(seed):
    rng = random.Random(seed)
    verdicts = [0, 0]
    for _ in range(2000):
        operations = small_history(rng)
        right = explainable(operations, register, None)
        verdicts[right] += 1
        assert (not violations(operations)) == right, operations
    assert min(verdicts) > 200, "both verdicts must occur often"


times = st.integers(0, 12)


@st.composite
def histories(draw):
    operations = []
    values = st.sampled_from([None, 1, 2, 3, 4])
    for number in range(draw(st.integers(1, 6))):
        start, end = sorted((draw(times), draw(times)))
        f = draw(st.sampled_from(["read", "write", "cas"]))
        outcome = draw(st.sampled_from([Outcome.OK, Outcome.OK, Outcome.OK, Outcome.INFO, Outcome.FAIL]))
        own = number + 1
        value = draw(values) if f == "read" else own if f == "write" else [draw(values), own]
        if f == "cas" and value[0] == own:
            value[0] = None
        back = None if outcome is Outcome.INFO else end
        made = Operation(number, f, "k", value, start, back, outcome, number, error="refused")
        if f == "cas" and outcome is Outcome.FAIL and draw(st.booleans()):
            made.seen, made.has_seen, made.error = draw(values), True, None
        operations.append(made)
    return operations


@settings(max_examples=1500, deadline=None)
@given(histories())
def test_zones_agree_with_every_order_on_whatever_hypothesis_finds(operations):
    assert (not violations(operations)) == explainable(operations, register, None)


def test_a_value_from_nowhere_is_named():
    assert conflicts(op(0, "read", 7, 0, 1)) == [Conflict.NEVER_WRITTEN]


def test_the_value_of_a_write_that_failed_is_from_nowhere():
    assert conflicts(op(0, "write", 7, 0, 1, outcome=FAIL, error="x"), op(1, "read", 7, 2, 3)) == [
        Conflict.NEVER_WRITTEN
    ]


def test_a_read_that_ended_before_its_write_began_is_named():
    assert Conflict.FUTURE_READ in conflicts(op(0, "read", 7, 0, 1), op(1, "write", 7, 2, 3))


def test_two_cas_that_replaced_one_value_are_named():
    found = conflicts(op(0, "write", 1, 0, 1), op(1, "cas", [1, 2], 2, 5), op(2, "cas", [1, 3], 2, 5))
    assert found == [Conflict.DOUBLE_CAS]


def test_cas_that_feed_each_other_are_named():
    assert conflicts(op(1, "cas", [2, 3], 0, 5), op(2, "cas", [3, 2], 0, 5)) == [Conflict.CAS_CYCLE]


def test_a_later_value_of_a_chain_that_ends_before_an_earlier_one_begins_is_named():
    found = conflicts(op(0, "write", 1, 0, 1), op(1, "cas", [1, 2], 2, 3), op(2, "read", 1, 4, 5))
    assert found[0] is Conflict.CHAIN_ORDER


def test_two_values_each_before_the_other_are_named():
    found = conflicts(op(0, "write", 1, 0, 1), op(0, "write", 2, 2, 3), op(1, "read", 1, 4, 5))
    assert found == [Conflict.ZONES]


def test_the_initial_value_after_a_write_is_named():
    assert conflicts(op(0, "write", 1, 0, 1), op(1, "read", None, 2, 3)) == [Conflict.INITIAL]


def test_intervals_are_closed_so_that_touching_operations_are_concurrent():
    assert conflicts(op(0, "write", 1, 0, 5), op(1, "read", None, 5, 6)) == []
    assert conflicts(op(0, "read", 1, 0, 5), op(1, "write", 1, 5, 6)) == []


def test_an_indefinite_write_counts_only_where_somebody_saw_it():
    unseen = op(0, "write", 1, 0, None, outcome=INFO)
    assert conflicts(unseen, op(1, "read", None, 5, 6)) == []
    assert conflicts(unseen, op(1, "read", 1, 5, 6), op(1, "read", None, 7, 8)) == [Conflict.INITIAL]


def test_an_indefinite_cas_counts_where_a_chain_from_it_was_seen():
    operations = [
        op(0, "cas", [None, 1], 0, None, outcome=INFO),
        op(1, "cas", [1, 2], 1, None, outcome=INFO),
        op(2, "read", 2, 5, 6),
    ]
    assert conflicts(*operations) == []
    assert conflicts(*operations, op(2, "read", 1, 7, 8)) == [Conflict.CHAIN_ORDER]


def test_keys_are_judged_apart():
    operations = [op(0, "write", 1, 0, 1, key="a"), op(1, "read", None, 2, 3, key="b")]
    assert conflicts(*operations) == []


def test_values_of_equal_looks_but_other_types_differ():
    assert conflicts(op(0, "write", 1, 0, 1), op(1, "read", True, 2, 3)) == [Conflict.NEVER_WRITTEN]
    assert conflicts(op(0, "write", [1, {"a": 2}], 0, 1), op(1, "read", [1, {"a": 2}], 2, 3)) == []


def test_a_hundred_thousand_cas_in_one_chain_are_one_block():
    count = 100_000
    columns = Columns.of([op(0, "cas", [None if n == 0 else n, n + 1], 2 * n, 2 * n + 1) for n in range(count)])
    assert find_violations(observe(columns)) == []
    columns.value[count // 2] = [columns.value[count // 2][0], -1]
    assert find_violations(observe(columns))[0].conflict is Conflict.NEVER_WRITTEN


def test_no_operations_are_no_violation():
    assert find_violations(observe(Columns.of([])), np.empty(0, np.int64)) == []
