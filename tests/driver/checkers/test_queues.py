"""Queues against a brute force that tries every order, and planted faults."""

import itertools
import random

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.queues import Queue
from raftmon.driver.checkers.unique_ids import UniqueIds
from raftmon.driver.histories.model import NEVER, History
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.setup.errors import InputError


def _op(f, value, call, end, outcome=Outcome.OK, error=None):
    made = Operation(call, f, None, value, call, end if outcome is not Outcome.INFO else None, outcome, call)
    made.error = error
    return made


def _steps(operation):
    """What an operation may do to a bag: (wanted, added)."""
    if operation.f == "enqueue":
        return "add", operation.value
    return ("take", operation.value) if operation.value is not None else ("empty", None)


def _linearizable(operations):
    """Whether some order of the operations (indefinite ones may be left out) is one of a bag."""
    sure = [one for one in operations if one.outcome is not Outcome.INFO]
    maybe = [one for one in operations if one.outcome is Outcome.INFO]
    for size in range(len(maybe) + 1):
        for more in itertools.combinations(maybe, size):
            if _orders([*sure, *more], frozenset()):
                return True
    return False


def _orders(left, bag):
    if not left:
        return True
    first_end = min(NEVER if one.return_ns is None else one.return_ns for one in left)
    for one in left:
        if one.call_ns > first_end:
            continue
        what, value = _steps(one)
        if what == "add":
            after = bag | {value}
        elif what == "take" and value in bag:
            after = bag - {value}
        elif what == "empty" and not bag:
            after = bag
        else:
            continue
        if _orders([other for other in left if other is not one], after):
            return True
    return False


def _random_history(rng):
    """Up to seven operations with random intervals; values enqueued at most once, answers at random."""
    operations, values = [], []
    for number in range(rng.randrange(1, 8)):
        call = rng.randrange(20)
        end = call + 1 + rng.randrange(8)
        call, end = call * 2, end * 2 + 1
        if rng.random() < 0.5:
            values.append(number)
            outcome = Outcome.INFO if rng.random() < 0.2 else Outcome.OK
            operations.append(_op("enqueue", number, call, end, outcome))
        else:
            value = rng.choice(values) if values and rng.random() < 0.7 else None
            operations.append(_op("dequeue", value, call, end))
    return sorted(operations, key=lambda one: one.call_ns)


def test_the_intervals_agree_with_every_order_tried():
    rng = random.Random(5)
    verdicts = set()
    for _ in range(4000):
        operations = _random_history(rng)
        result = Queue("any").check(History(operations))
        assert (result.valid is Valid.YES) == _linearizable(operations), (operations, result.sentence)
        verdicts.add(result.valid)
    assert verdicts == {Valid.YES, Valid.NO}


@pytest.mark.parametrize(
    ("operations", "name"),
    [
        ([_op("dequeue", 1, 0, 1)], "unexpected"),
        ([_op("enqueue", 1, 0, 1), _op("dequeue", 1, 2, 3), _op("dequeue", 1, 4, 5)], "duplicate"),
        ([_op("dequeue", 1, 0, 1), _op("enqueue", 1, 2, 3)], "too-early"),
        ([_op("enqueue", 1, 0, 1), _op("dequeue", None, 2, 3), _op("dequeue", 1, 4, 5)], "empty"),
        ([_op("enqueue", 1, 0, 1), _op("dequeue", None, 2, 3, Outcome.FAIL, "empty")], "empty"),
        ([_op("enqueue", 1, 0, 1), _op("drain", [1, 1], 2, 3)], "duplicate"),
    ],
)
def test_a_planted_fault_of_an_unordered_queue_is_found_by_its_name(operations, name):
    result = Queue("any").check(History(operations))
    assert result.valid is Valid.NO
    assert list(result.details["anomalies"]) == [name]


@pytest.mark.parametrize("order", ["fifo", "any"])
def test_a_drain_takes_what_is_there_and_an_empty_queue_is_right_behind_it(order):
    operations = [
        _op("enqueue", 1, 0, 1), _op("enqueue", 2, 2, 3), _op("drain", [1, 2], 4, 5), _op("dequeue", None, 6, 7),
    ]  # fmt: skip
    assert Queue(order).check(History(operations)).valid is Valid.YES
    operations[2].value = [1]
    assert Queue(order).check(History(operations)).valid is Valid.NO


def test_a_drain_that_never_ended_may_have_taken_anything():
    operations = [_op("enqueue", 1, 0, 1), _op("drain", None, 2, 3, Outcome.INFO), _op("dequeue", None, 6, 7)]
    assert Queue("any").check(History(operations)).valid is Valid.UNKNOWN


def test_values_enqueued_twice_leave_an_empty_answer_open():
    operations = [_op("enqueue", 1, 0, 1), _op("enqueue", 1, 2, 3), _op("dequeue", None, 6, 7)]
    assert Queue("any").check(History(operations)).valid is Valid.UNKNOWN


def test_only_the_fifo_order_forbids_the_second_first():
    operations = [_op("enqueue", 1, 0, 1), _op("enqueue", 2, 2, 3), _op("dequeue", 2, 4, 5), _op("dequeue", 1, 6, 7)]
    assert Queue("any").check(History(operations)).valid is Valid.YES
    assert "FIFO" in Queue("fifo").check(History(operations)).sentence


def test_an_order_that_no_queue_has_is_bad_input():
    with pytest.raises(InputError, match="no order 'lifo'"):
        Queue("lifo")


def test_an_identifier_given_twice_is_found_and_one_never_answered_is_not():
    given = [_op("generate", 1, 0, 1), _op("generate", 2, 2, 3)]
    assert UniqueIds().check(History(given)).valid is Valid.YES
    assert UniqueIds().check(History([*given, _op("generate", 1, 4, 5, Outcome.INFO)])).valid is Valid.YES
    assert UniqueIds().check(History([*given, _op("generate", 1, 4, 5)])).valid is Valid.NO
    assert UniqueIds().check(History([])).valid is Valid.UNKNOWN
