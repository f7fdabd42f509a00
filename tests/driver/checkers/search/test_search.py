"""The search against trying every order, for each model; its limits; and what it says where it stops."""

import random
from dataclasses import replace

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.search.models import (
    ILLEGAL,
    CasRegister,
    Counter,
    FifoQueue,
    KeyValue,
    Lock,
    Model,
    MultiRegister,
    PriorityQueue,
    Register,
    SetModel,
    Stack,
)
from raftmon.driver.checkers.search.search import Limits, search
from raftmon.driver.histories.operation import Outcome
from tests.driver.checkers import every_order
from tests.driver.checkers.making import FAIL, INFO, op
from tests.driver.histories.synthetic import Deed, simulate


def register_deed(state, rng, process):
    choice, value = rng.random(), rng.randint(1, 2)
    if choice < 0.4:
        return Deed("write", value, value)
    return Deed("read", state, state)


def cas_deed(state, rng, process):
    choice = rng.random()
    if choice < 0.5:
        return register_deed(state, rng, process)
    if choice < 0.6:
        return Deed("delete", None, None)
    expected, new = rng.choice([None, 1, 2]), rng.randint(1, 2)
    if expected == state:
        return Deed("cas", [expected, new], new)
    return Deed("cas", [expected, new], state, None, FAIL, state, rng.random() < 0.3)


def key_value_deed(state, rng, process):
    f, value = rng.choice(["get", "get", "put", "append", "append", "delete"]), rng.choice("ab")
    answer, after = every_order.key_value(state, f, None if f in ("get", "delete") else value, process)
    return Deed(f, answer, after)


def set_deed(state, rng, process):
    f = rng.choice(["read", "add", "add", "remove"])
    answer, after = every_order.grow_set(state, f, rng.randint(1, 3), process)
    return Deed(f, answer, after)


def queue_deed(state, rng, process):
    f = rng.choice(["enqueue", "dequeue"])
    answer, after = every_order.queue(state, f, rng.randint(1, 2), process)
    return Deed(f, answer, after)


def stack_deed(state, rng, process):
    f = rng.choice(["push", "pop"])
    answer, after = every_order.stack(state, f, rng.randint(1, 3), process)
    return Deed(f, answer, after)


def priority_deed(state, rng, process):
    f = rng.choice(["insert", "extract-max"])
    answer, after = every_order.priority_queue(state, f, rng.randint(1, 3), process)
    return Deed(f, answer, after)


def counter_deed(state, rng, process):
    f = rng.choice(["read", "read", "add", "inc", "dec"])
    answer, after = every_order.counter(state, f, rng.choice([1, 2]) if f == "add" else None, process)
    return Deed(f, answer, after)


def lock_deed(state, rng, process):
    if state == process:
        return Deed("release", None, None)
    if state is None:
        return Deed("acquire", None, process)
    return Deed("acquire", None, state, None, FAIL)


def many_deed(state, rng, process):
    value = [[rng.choice("rw"), rng.choice("xy"), rng.randint(1, 2)] for _ in range(rng.randint(1, 2))]
    answer, after = every_order.many_registers(state, "txn", value, process)
    return Deed("txn", answer, after)


def lock_specification(state, f, value, process):
    """As every_order.lock, but an acquire that failed was refused."""
    return every_order.lock(state, f, value, process)


CASES = {
    "register": (Register(), register_deed, None, every_order.register),
    "cas-register": (CasRegister(), cas_deed, None, every_order.register),
    "key-value": (KeyValue(), key_value_deed, "", every_order.key_value),
    "set": (SetModel(), set_deed, frozenset(), every_order.grow_set),
    "fifo-queue": (FifoQueue(), queue_deed, (), every_order.queue),
    "stack": (Stack(), stack_deed, (), every_order.stack),
    "priority-queue": (PriorityQueue(), priority_deed, (), every_order.priority_queue),
    "counter": (Counter(), counter_deed, 0, every_order.counter),
    "lock": (Lock(), lock_deed, None, lock_specification),
    "multi-register": (MultiRegister(), many_deed, (), every_order.many_registers),
}


def spoil(operations, rng):
    """Exchange two answers, make two operations sequential, or leave one operation's outcome open."""
    one, two = rng.choice(operations), rng.choice(operations)
    change = rng.randrange(5)
    if change <= 1 and one.f == two.f and one.outcome is two.outcome:
        one.value, two.value = two.value, one.value
    elif change <= 3 and one.return_ns is not None and two.return_ns is not None:
        length = one.return_ns - one.call_ns
        one.call_ns = two.return_ns + 1 if rng.random() < 0.5 else two.call_ns - 1 - length
        one.return_ns = one.call_ns + length
    elif change == 4 and one.outcome is Outcome.OK:
        one.outcome, one.return_ns = INFO, None


@pytest.mark.parametrize("name", CASES)
def test_the_search_agrees_with_every_order(name):
    model, deed, initial, specification = CASES[name]
    rng = random.Random(name)
    verdicts = [0, 0]
    for _ in range(10_000):
        made = simulate(
            deed, initial, rng.randint(3, 7), rng.randint(1, 3), rng, indefinite=rng.choice([0, 0, 0.3]), latency_ns=6
        ).operations
        operations = [replace(operation) for operation in made]
        for _ in range(rng.choice([0, 1, 2, 4])):
            spoil(operations, rng)
        right = every_order.explainable(operations, specification, initial)
        verdicts[right] += 1
        found = search(operations, model)
        assert (found.valid is Valid.YES) == right, operations
        assert found.valid is not Valid.UNKNOWN
    assert min(verdicts) > 300, "both verdicts must occur often"


@pytest.mark.parametrize("name", CASES)
def test_the_order_found_is_a_linearization(name):
    model, deed, initial, _ = CASES[name]
    rng = random.Random(1)
    operations = simulate(deed, initial, 60, 4, rng, indefinite=0.1, latency_ns=1000).operations
    found = search(operations, model)
    assert found.valid is Valid.YES
    state, latest_call = model.initial(), -1
    for operation in found.order:
        state = model.step(state, model.prepare(operation))
        assert state is not ILLEGAL
        assert operation.return_ns is None or operation.return_ns >= latest_call
        latest_call = max(latest_call, operation.call_ns)


def hard(count):
    """Concurrent writes and reads of few values with an impossible one at the end: nothing but search can tell."""
    rng = random.Random(5)
    writes = [op(n, "add", 3**n, 0, 1000) for n in range(count)]
    return [*writes, op(count, "read", rng.randint(1, 3) * 2 + 3**count, 2000, 2001)]


def test_the_search_ends_when_its_time_is_up_and_gives_the_longest_beginning():
    now = iter(range(10**9))
    found = search(hard(30), Counter(), Limits(timeout_s=50, clock=lambda: float(next(now))))
    assert found.valid is Valid.UNKNOWN
    assert "50 s" in found.reason
    assert len(found.order) == 30
    assert [operation.f for operation in found.stuck] == ["read"]


def test_the_search_ends_when_its_memory_is_used_up():
    used = iter(range(0, 10**12, 1_000_000))
    found = search(hard(30), Counter(), Limits(memory_mb=20, resident_bytes=lambda: next(used)))
    assert found.valid is Valid.UNKNOWN
    assert "20 MB" in found.reason


def test_the_longest_beginning_of_a_wrong_history_ends_where_it_goes_wrong():
    operations = [op(0, "write", 1, 0, 1), op(0, "read", 1, 2, 3), op(0, "read", 2, 4, 5), op(0, "read", 1, 6, 7)]
    found = search(operations, CasRegister())
    assert found.valid is Valid.NO
    assert found.order == operations[:2]
    assert found.stuck == [operations[2]]


class Toggle(Model):
    """The example of the documentation."""

    name = "toggle"

    def initial(self):
        return False

    def step(self, state, operation):
        if operation.f == "flip":
            return not state
        return state if operation.value == state else ILLEGAL


def test_a_users_model_is_one_small_class():
    assert search([op(0, "flip", None, 0, 1), op(0, "look", True, 2, 3)], Toggle()).valid is Valid.YES
    assert search([op(0, "flip", None, 0, 1), op(0, "look", False, 2, 3)], Toggle()).valid is Valid.NO


def test_a_write_of_the_value_that_is_there_may_be_kept_for_later():
    operations = [
        op(0, "write", 1, 0, 1),
        op(1, "write", 1, 2, 20),
        op(2, "write", 2, 3, 19),
        op(3, "read", 2, 4, 5),
        op(3, "read", 1, 6, 7),
    ]
    assert search(operations, CasRegister()).valid is Valid.YES


def test_very_many_operations_need_no_deep_recursion_and_little_memory():
    operations = [op(n % 3, *(("write", n % 5) if n % 2 else ("read", None)), 2 * n, 2 * n + 1) for n in range(20_000)]
    last = None
    for operation in operations:
        if operation.f == "write":
            last = operation.value
        else:
            operation.value = last
    found = search(operations, CasRegister())
    assert found.valid is Valid.YES
    assert len(found.order) == 20_000
