"""Containers with unique values in polynomial time: as the search judges them, and planted faults.

``make differential`` tries more than 10,000 small histories of each.
"""

import random

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.checkers import checker
from raftmon.driver.checkers.search.search import search
from raftmon.driver.histories.operation import Outcome
from tests.driver.checkers.making import FAIL, INFO, history, op
from tests.driver.checkers.thoroughness import TIMES

SOME = 70 * TIMES
NAMES = {
    "linearizable-stack": ("push", "pop"),
    "linearizable-priority-queue": ("insert", "extract-max"),
    "linearizable-fifo-queue": ("enqueue", "dequeue"),
}


def _anyhow(rng, put, take):
    """Operations at any times, takes of any values: few are right."""
    count = rng.randrange(1, 10)
    equal = rng.random() < 0.3
    times = [rng.randrange(4 * count) for _ in range(2 * count)] if equal else rng.sample(range(6 * count), 2 * count)
    values, inside, found = rng.sample(range(20), count), [], []
    for n in range(count):
        call, back = sorted(times[2 * n : 2 * n + 2])
        if rng.random() < 0.55:
            inside.append(values[n])
            never = rng.random() < 0.15
            found.append(op(n, put, values[n], call, None if never else back, outcome=INFO if never else Outcome.OK))
        else:
            found.append(op(n, take, None, call, back))
    rng.shuffle(inside)
    for one in found:
        if one.f == take and inside and rng.random() < 0.8:
            one.value = inside.pop()
        elif one.f == take and rng.random() < 0.2:
            one.outcome = FAIL
    return found


def _nearly(rng, put, take):
    """One after the other as the container would have it, then each made longer: right, or by a little not."""
    held, values, found = [], list(range(20)), []
    rng.shuffle(values)
    for n in range(rng.randrange(3, 12)):
        if rng.random() < 0.5 or not held:
            held.append(values.pop())
            f, value = put, held[-1]
        elif put == "insert":
            f, value = take, max(held)
            held.remove(value)
        else:
            f, value = take, held.pop(0 if put == "enqueue" else -1)
        at = 10 * n
        found.append(op(n, f, value, at - rng.randrange(25), at + rng.randrange(25)))
    takes = [one for one in found if one.f == take]
    if len(takes) > 1 and rng.random() < 0.5:
        one, two = rng.sample(takes, 2)
        one.value, two.value = two.value, one.value
    return found


@pytest.mark.parametrize("make", [_anyhow, _nearly])
@pytest.mark.parametrize("name", NAMES)
def test_the_verdict_is_the_search_s(name, make):
    rng = random.Random(name)
    judge = checker(name)
    verdicts = set()
    for _ in range(SOME):
        operations = make(rng, *NAMES[name])
        result = judge.check(history(*operations))
        assert result.details["decided_by"] == "order"
        assert result.valid is search(operations, judge.search.model).valid, (operations, result.sentence)
        verdicts.add(result.valid)
    assert verdicts == {Valid.YES, Valid.NO}


def _nested(count):
    """Values pushed one over the other and popped again, each while the next is still being pushed or popped."""
    pushes = [op(n % 3, "push", n, 10 * n, 10 * n + 14) for n in range(count)]
    back = 10 * count + 50
    return pushes + [op(n % 3, "pop", count - 1 - n, back + 10 * n, back + 10 * n + 14) for n in range(count)]


def test_many_values_over_each_other_are_decided_and_the_one_in_the_wrong_place_found():
    rows = _nested(2_000)
    judge = checker("linearizable-stack")
    assert judge.check(history(*rows)).valid is Valid.YES
    rows[-1].value, rows[-1000].value = rows[-1000].value, rows[-1].value
    result = judge.check(history(*rows))
    assert result.valid is Valid.NO
    assert result.counterexample.operations


def test_values_that_are_not_unique_are_searched():
    rows = [op(0, "push", 1, 0, 5), op(0, "push", 1, 10, 15), op(0, "pop", 1, 20, 25), op(0, "pop", 1, 30, 35)]
    result = checker("linearizable-stack").check(history(*rows))
    assert (result.valid, result.details["decided_by"]) == (Valid.YES, "search")


def _put(value, at, **more):
    return op(0, "put", value, at, at + 5, **more)


def _take(value, at, process=1):
    return op(process, "take", value, at, at + 5)


COMMON = {
    "twice": [_put(1, 0), _take(1, 10), _take(1, 20, 2)],
    "never-put": [_take(1, 0)],
    "too-early": [_take(1, 0), _put(1, 10)],
    "empty-though-full": [_put(1, 0), _take(None, 10), _take(1, 20)],
    "failed-put": [_put(1, 0, outcome=FAIL), _take(1, 10)],
}
FAULTS = {
    "linearizable-stack": {
        **COMMON,
        "fifo-order": [_put(1, 0), _put(2, 10), _take(1, 20), _take(2, 30)],
        "under-one-left": [_put(1, 0), _put(2, 10), _take(1, 20)],
        "crossed": [_put(1, 0), _put(2, 10), _put(3, 20), _take(2, 30), _take(3, 40), _take(1, 50)],
        "one-cannot-be-under-two": [
            *(op(0, "put", 1, 0, 20), op(1, "put", 2, 5, 6), op(2, "put", 3, 7, 8)),
            *(op(3, "take", 2, 25, 30), op(4, "take", 3, 35, 40), op(5, "take", 1, 45, 50)),
        ],
    },
    "linearizable-priority-queue": {
        **COMMON,
        "smaller-first": [_put(1, 0), _put(2, 10), _take(1, 20), _take(2, 30)],
        "smaller-while-a-larger-stays": [_put(1, 0), _put(2, 10), _take(1, 20)],
        "larger-went-in-before": [_put(1, 0), _put(9, 10), _put(5, 20), _take(5, 30), _take(9, 40)],
        "pushed-behind-two": [
            *(_put(7, 0), _put(8, 0, index=50), _put(1, 0, index=51)),
            *(op(1, "take", 1, 10, 40), op(2, "take", 7, 42, 50), op(3, "take", 8, 52, 60)),
        ],
    },
    "linearizable-fifo-queue": {
        **COMMON,
        "lifo-order": [_put(1, 0), _put(2, 10), _take(2, 20), _take(1, 30)],
        "overtaken-and-left": [_put(1, 0), _put(2, 10), _take(2, 20)],
    },
}


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, faults in FAULTS.items() for fault in faults])
def test_a_planted_fault_is_found(name, fault):
    names = dict(zip(("put", "take"), NAMES[name], strict=True))
    rows = [op(o.process, names[o.f], o.value, o.call_ns, o.return_ns, outcome=o.outcome) for o in FAULTS[name][fault]]
    assert search(rows, checker(name).search.model).valid is Valid.NO
    result = checker(name).check(history(*rows))
    assert result.valid is Valid.NO
    assert result.details["decided_by"] == "order"
    assert result.counterexample is not None
    assert {one.f for one in result.counterexample.operations} <= set(NAMES[name])
