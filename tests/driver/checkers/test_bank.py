"""Banks: faults planted in a long valid history, and 10,000 random ones against the sum itself."""

import random

import pytest

from raftmon.driver.checkers.bank import Bank
from raftmon.driver.checkers.base import Valid
from tests.driver.checkers.making import found, history, op


def run(rng, transfers):
    """Reads of a right bank of five accounts with 10 each, after each transfer."""
    balances = dict.fromkeys("abcde", 10)
    operations = []
    for number in range(transfers):
        source, target = rng.sample("abcde", 2)
        amount = rng.randint(0, balances[source])
        balances[source] -= amount
        balances[target] += amount
        value = {"from": source, "to": target, "amount": amount}
        operations.append(op(0, "transfer", value, 10 * number, 10 * number + 3))
        operations.append(op(1, "read", dict(balances), 10 * number + 5, 10 * number + 8))
    return operations


FAULTS = {
    "wrong-total": lambda value: value.update(a=value["a"] + 1),
    "negative-balance": lambda value: value.update(a=-1, b=value["b"] + value["a"] + 1),
    "nil-balance": lambda value: value.update(a=None),
    "missing-account": lambda value: value.pop("a"),
    "unexpected-account": lambda value: value.update(z=0),
    "unreadable": lambda value: value.update(a="ten"),
}


@pytest.mark.parametrize("bank", [Bank(50, "abcde"), Bank()], ids=["told", "untold"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name, bank):
    operations = run(random.Random(1), 100)
    assert bank.check(history(*operations)).valid is Valid.YES
    FAULTS[name](operations[101].value)
    result = bank.check(history(*operations))
    assert result.valid is Valid.NO
    assert found(result) == {name}
    assert [example["operations"] for example in result.details["examples"]] == [[operations[101].index]]


def test_random_histories_are_judged_by_their_sums():
    rng = random.Random(2)
    seen = {True: 0, False: 0}
    for _ in range(10_000):
        operations = run(rng, 3)
        for operation in operations[1::2]:
            if rng.random() < 0.2:
                operation.value[rng.choice("abcde")] += rng.choice([-12, 0, 1])
        reads = [operation.value for operation in operations[1::2]]
        truth = all(sum(value.values()) == 50 and min(value.values()) >= 0 for value in reads)
        assert (Bank(50, "abcde").check(history(*operations)).valid is Valid.YES) == truth
        seen[truth] += 1
    assert min(seen.values()) > 1000


def test_overdrawing_may_be_allowed():
    read = op(0, "read", {"a": -5, "b": 15}, 0, 1)
    assert Bank(10).check(history(read)).valid is Valid.NO
    assert Bank(10, negative_allowed=True).check(history(read)).valid is Valid.YES


def test_without_a_read_nothing_is_known():
    assert Bank(10).check(history()).valid is Valid.UNKNOWN
