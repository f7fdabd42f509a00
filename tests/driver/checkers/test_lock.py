"""Locks against a search over all orders, and against faults planted in a long valid history."""

import random

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.lock import Lock
from tests.driver.checkers.making import found, history, op
from tests.driver.checkers.search.slow_search import linearizable


def small(rng):
    """Processes that acquire and release at random times: some histories can be right, others cannot."""
    operations = []
    for process in range(rng.randint(1, 3)):
        at = rng.randrange(12)
        for turn in range(rng.randint(1, 4)):
            call = at + rng.randrange(0, 6)
            at = call + rng.randrange(1, 8)
            operations.append(op(process, ("acquire", "release")[turn % 2], None, call, at, key="L"))
            at += 1
    return operations


def by_search(operations):
    def step(holder, operation):
        if operation.f == "acquire":
            return operation.process if holder == "free" else None
        return "free" if holder == operation.process else None

    return linearizable(operations, "free", step)


def test_holds_are_judged_as_a_search_over_all_orders_judges_them():
    rng = random.Random(5)
    seen = {True: 0, False: 0}
    for _ in range(10_000):
        operations = small(rng)
        truth = by_search(operations)
        result = Lock().check(history(*operations))
        assert (result.valid is Valid.YES) == truth, (operations, result.sentence)
        seen[truth] += 1
    assert min(seen.values()) > 1000


def long_history():
    """100 turns of two processes, each [acquire, guarded, release] with growing tokens and revisions."""
    operations = []
    for turn in range(100):
        at, process = 100 * turn, turn % 2
        operations += [
            op(process, "acquire", 10 * turn + 1, at, at + 10, key="L"),
            op(process, "guarded", 10 * turn + 1, at + 20, at + 30, key="L"),
            op(process, "release", 10 * turn + 5, at + 40, at + 50, key="L"),
        ]
    return operations


def move(operation, **fields):
    for name, value in fields.items():
        setattr(operation, name, value)


FAULTS = {
    "overlap": lambda o: (move(o[150], call_ns=4930, return_ns=4935, value=None), move(o[149], value=None)),
    "overlap-by-revision": lambda o: (move(o[149], value=502), move(o[147], return_ns=5001)),
    "double-acquire": lambda o: (
        o.append(op(1, "acquire", None, 4960, 4970, key="K")) or o.append(op(1, "acquire", None, 4980, 4990, key="K"))
    ),
    "release-without-hold": lambda o: (
        o.append(op(7, "release", None, 0, 1, key="K")) or o.append(op(7, "acquire", None, 2, 3, key="K"))
    ),
    "duplicate-token": lambda o: (move(o[150], value=491), move(o[149], value=None), move(o[151], value=491)),
    "token-order": lambda o: (move(o[150], value=488), move(o[151], value=None), move(o[152], value=None)),
    "stale-token-accepted": lambda o: o.append(op(5, "guarded", 3, 5060, 5070, key="L")),
}


def test_a_long_valid_history_is_valid():
    assert Lock().check(history(*long_history())).valid is Valid.YES


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name):
    operations = long_history()
    FAULTS[name](operations)
    result = Lock().check(history(*operations))
    assert result.valid is Valid.NO
    assert found(result) == {name}


def test_the_overlap_is_shown_from_when_to_when():
    result = Lock().check(
        history(
            op(0, "acquire", None, 0, 10, key="L"),
            op(1, "acquire", None, 5, 30, key="L"),
            op(0, "release", None, 70, 80, key="L"),
            op(1, "release", None, 90, 95, key="L"),
        )
    )
    example = result.details["examples"][0]
    assert (example["start_ns"], example["stop_ns"]) == (30, 70)
    assert "for 0.000 ms: from 30 ns to 70 ns" in example["sentence"]


def test_a_lock_under_a_lease_is_held_only_until_its_last_use():
    operations = [op(0, "acquire", None, 0, 10, key="L"), op(1, "acquire", None, 20, 30, key="L")]
    assert Lock().check(history(*operations)).valid is Valid.NO
    assert Lock(expires=True).check(history(*operations)).valid is Valid.YES
    operations.append(op(0, "guarded", None, 40, 50, key="L"))
    assert Lock(expires=True).check(history(*operations)).valid is Valid.NO
