"""set-full against a search over all orders, and against faults planted in a long valid history."""

import random

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.set_full import SetFull
from raftmon.driver.histories.operation import Outcome
from tests.driver.checkers.making import FAIL, INFO, found, history, op
from tests.driver.checkers.search.slow_search import linearizable


def small(rng):
    """Two to six operations on a set of one element that is sometimes read wrongly."""
    operations = []
    outcome = rng.choices([Outcome.OK, INFO, FAIL], [6, 2, 1])[0]
    call = rng.randrange(8)
    back = call + rng.randrange(1, 8)
    operations.append(op(0, "add", 1, call, None if outcome is INFO else back, outcome=outcome))
    at = rng.randrange(call, back)
    for process in range(1, rng.randint(2, 6)):
        start = rng.randrange(16)
        stop = start + rng.randrange(1, 6)
        inside = rng.randrange(start, stop) >= at and outcome is not FAIL
        if rng.random() < 0.15:
            inside = not inside
        operations.append(op(process, "read", [1] if inside else [], start, stop))
    return operations


def by_search(operations):
    def step(state, operation):
        if operation.f == "add":
            return 1
        return state if len(operation.value) == state else None

    return linearizable(operations, 0, step)


def test_one_element_is_judged_as_a_search_over_all_orders_judges_it():
    rng = random.Random(4)
    seen = {True: 0, False: 0}
    for _ in range(10_000):
        operations = small(rng)
        truth = by_search(operations)
        result = SetFull().check(history(*operations))
        assert (result.valid is not Valid.NO) == truth, (operations, result.sentence)
        seen[truth] += 1
    assert min(seen.values()) > 1000


def long_history():
    """100 adds, a read of all after each."""
    operations = []
    for number in range(100):
        operations.append(op(0, "add", number, 10 * number, 10 * number + 3, index=2 * number))
        inside = list(range(number + 1))
        operations.append(op(1, "read", inside, 10 * number + 5, 10 * number + 8, index=2 * number + 1))
    return operations


def without(operations, element, first, last):
    for number in range(first, last):
        operations[2 * number + 1].value.remove(element)


FAULTS = {
    "lost": lambda o: without(o, 20, 50, 100),
    "stale": lambda o: without(o, 20, 50, 60),
    "duplicated": lambda o: o[101].value.append(7),
    "unexpected": lambda o: o[101].value.append(999),
    "resurrected": lambda o: setattr(o[100], "outcome", FAIL),
    "premature": lambda o: o[21].value.append(11),
}


def test_a_long_valid_history_is_valid():
    result = SetFull().check(history(*long_history()))
    assert result.valid is Valid.YES
    assert result.details["stable"] == 100


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name):
    operations = long_history()
    FAULTS[name](operations)
    result = SetFull().check(history(*operations))
    assert result.valid is Valid.NO
    # an element read before its add is, by that very read, known too early: the add's own time is not asked again
    assert name in found(result)
    assert found(result) <= {name, "stale"} if name == "premature" else found(result) == {name}


def test_times_say_how_long_a_known_element_was_away():
    operations = long_history()
    FAULTS["stale"](operations)
    result = SetFull(linearizable=False).check(history(*operations))
    assert result.valid is Valid.YES
    # known at 203 ns, last missed by the read called at 595 ns
    assert result.details["examples"][0]["late_ms"] == pytest.approx((595 - 203) / 1e6)


def test_sets_under_different_keys_do_not_mix():
    result = SetFull().check(
        history(op(0, "add", 1, 0, 1, key="a"), op(1, "read", [], 2, 3, key="b"), op(1, "read", [1], 4, 5, key="a"))
    )
    assert result.valid is Valid.YES


def test_nothing_read_is_unknown():
    assert SetFull().check(history(op(0, "add", 1, 0, 1))).valid is Valid.UNKNOWN
    assert SetFull().check(history()).valid is Valid.UNKNOWN
