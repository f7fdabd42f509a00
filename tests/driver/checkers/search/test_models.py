"""Faults planted in long valid histories of each model are found, and the operation at fault is named."""

import random
from dataclasses import replace

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.search.linearizable import Linearizable
from raftmon.driver.checkers.search.models import MODELS
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Outcome
from tests.driver.checkers import every_order
from tests.driver.checkers.making import FAIL, op
from tests.driver.histories.synthetic import Deed, simulate

OK = Outcome.OK


def unique_register(state, rng, process):
    held, count = state
    if rng.random() < 0.4:
        return Deed("write", count, (count, count + 1))
    return Deed("read", held, state)


def unique_cas(state, rng, process):
    held, count = state
    if held is not None and rng.random() < 0.2:
        return Deed("cas", [held, count], (count, count + 1))
    return unique_register(state, rng, process)


def growing_text(state, rng, process):
    text, count = state
    if rng.random() < 0.5:
        word = f"<{count}>"
        return Deed("append", word, (text + word, count + 1))
    return Deed("get", text, state)


def growing_set(state, rng, process):
    if rng.random() < 0.5:
        return Deed("add", len(state), state | {len(state)})
    return Deed("read", sorted(state), state)


def numbered_queue(state, rng, process):
    items, count = state
    if rng.random() < 0.5:
        return Deed("enqueue", count, ((*items, count), count + 1))
    return Deed("dequeue", items[0], (items[1:], count)) if items else Deed("dequeue", None, state)


def rising_counter(state, rng, process):
    amount = rng.randint(1, 9)
    return Deed("add", amount, state + amount) if rng.random() < 0.5 else Deed("read", state, state)


def polite_lock(state, rng, process):
    if state == process:
        return Deed("release", None, None)
    return Deed("acquire", None, process) if state is None else Deed("acquire", None, state, None, FAIL)


def several(state, rng, process):
    held, count = dict(state[0]), state[1]
    parts = [[rng.choice("rw"), key, count] for key in rng.sample("xyz", 2)]
    answer, after = every_order.many_registers(held, "txn", parts, process)
    return Deed("txn", answer, (after, count + 1))


WORLDS = {
    "register": (unique_register, (None, 1)),
    "cas-register": (unique_cas, (None, 1)),
    "key-value": (growing_text, ("", 0)),
    "set": (growing_set, frozenset()),
    "fifo-queue": (numbered_queue, ((), 1)),
    "counter": (rising_counter, 0),
    "lock": (polite_lock, None),
    "multi-register": (several, ((), 1)),
}
LOOKS = {"register": "read", "cas-register": "read", "key-value": "get", "set": "read", "fifo-queue": "dequeue",
         "counter": "read", "multi-register": "txn"}  # fmt: skip


def looks(operations, name, start):
    return [
        o
        for o in operations[start:]
        if o.f == LOOKS[name] and o.outcome is OK and o.value and not (o.f == "txn" and not reads_of(o))
    ]


def reads_of(operation):
    return [part for part in operation.value if part[0] == "r" and part[2] is not None]


def put(operation, answer):
    """Give an observation another answer; of a transaction, its first read."""
    if operation.f == "txn":
        parts = [list(part) for part in operation.value]
        parts[parts.index(reads_of(operation)[0])][2] = answer
        operation.value = parts
    else:
        operation.value = answer
    return operation


def answer_of(operation):
    return reads_of(operation)[0][2] if operation.f == "txn" else operation.value


def from_nowhere(operations, name):
    nonsense = {"key-value": "<nonsense>", "set": [10**6]}.get(name, 10**6)
    return put(looks(operations, name, 60)[0], nonsense)


def long_stale(operations, name):
    """An answer as it was right long before."""
    old, late = looks(operations, name, 0)[0], looks(operations, name, 70)
    return put(next(o for o in late if answer_of(o) != answer_of(old)), answer_of(old))


def too_early(operations, name):
    """An answer as it will be right long after."""
    new, soon = looks(operations, name, 70)[-1], looks(operations, name, 5)
    return put(next(o for o in soon if answer_of(o) != answer_of(new)), answer_of(new))


def forgotten(operations, name):
    """The thing is found as it was at first."""
    empty = {"key-value": "", "set": [], "counter": 0}.get(name)
    return put(looks(operations, name, 70)[0], empty)


def swapped(operations, name):
    """Two observers far apart tell each other's answer."""
    one = looks(operations, name, 5)[0]
    two = next(o for o in looks(operations, name, 70) if answer_of(o) != answer_of(one))
    first, second = answer_of(one), answer_of(two)
    put(one, second)
    return put(two, first)


FAULTS = (from_nowhere, long_stale, too_early, forgotten, swapped)


def sound(name, seed, size=120):
    world, start = WORLDS[name]
    made = simulate(world, start, size, 3, random.Random(seed), indefinite=0.02, latency_ns=1000).operations
    return [replace(operation) for operation in made]


def judge(name, operations):
    return Linearizable(MODELS[name]()).limited(20, None).check(History(operations))


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_long_simulated_history_is_valid(name, seed):
    assert judge(name, sound(name, seed)).valid is Valid.YES


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("name", LOOKS)
def test_a_planted_fault_is_found(name, fault, seed):
    operations = sound(name, seed)
    culprit = fault(operations, name)
    result = judge(name, operations)
    assert result.valid is Valid.NO
    found = result.counterexample
    assert judge(name, list(found.operations)).valid is Valid.NO
    if fault is not swapped:  # of two that lie, one is enough
        assert culprit in found.operations


def second_holder(operations):
    first = next(o for o in operations[40:] if o.f == "acquire" and o.outcome is OK)
    release = next(
        o for o in operations if o.f == "release" and o.process == first.process and o.call_ns > first.call_ns
    )
    return op(77, "acquire", None, first.return_ns + 1, max(first.return_ns + 1, release.call_ns - 1))


def release_of_anothers(operations):
    first = next(o for o in operations[40:] if o.f == "acquire" and o.outcome is OK)
    release = next(
        o for o in operations if o.f == "release" and o.process == first.process and o.call_ns > first.call_ns
    )
    return op(77, "release", None, first.return_ns + 1, max(first.return_ns + 1, release.call_ns - 1))


def release_of_nothing(operations):
    return op(77, "release", None, -5, -4)


def refused_though_free(operations):
    return op(77, "acquire", None, -5, -4, outcome=FAIL)


def acquired_twice(operations):
    first = next(o for o in operations[40:] if o.f == "acquire" and o.outcome is OK)
    return replace(first, call_ns=first.return_ns + 1, return_ns=first.return_ns + 1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "fault",
    [second_holder, release_of_anothers, release_of_nothing, refused_though_free, acquired_twice],
    ids=lambda fault: fault.__name__,
)
def test_a_fault_of_a_lock_is_found(fault, seed):
    operations = [o for o in sound("lock", seed) if o.outcome is not Outcome.INFO]
    if judge("lock", operations).valid is not Valid.YES:
        operations = [replace(o) for o in simulate(polite_lock, None, 120, 3, random.Random(seed)).operations]
    culprit = fault(operations)
    operations.append(culprit)
    result = judge("lock", operations)
    assert result.valid is Valid.NO
    assert culprit in result.counterexample.operations


def test_a_model_that_knows_no_function_of_the_history_has_no_opinion():
    history = History([op(0, "write", 1, 0, 1), op(0, "read", 2, 2, 3)])
    result = Linearizable(MODELS["fifo-queue"]()).check(history)
    assert result.valid is Valid.UNKNOWN
    assert "knows none of this history's functions (read, write), only dequeue, enqueue" in result.sentence
