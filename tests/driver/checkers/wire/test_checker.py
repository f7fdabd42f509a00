"""The wire against the clients: a search over all places, and faults planted in a long valid history."""

import itertools
import random

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.wire.checker import Committed, Wire
from tests.driver.checkers.making import FAIL, INFO, found, history, op

ORDER = {"stale-read", "future-read", "order-contradicted"}


def small(rng):
    """A log of up to four writes to two keys, and up to seven operations around it."""
    size = rng.randint(1, 4)
    log = [Committed(1, index, rng.choice("ab"), index, 10**6) for index in range(1, size + 1)]
    operations = []
    for entry in log:
        around = 5 * entry.index + rng.randrange(-4, 5)
        outcome = rng.choice(["ok", "ok", INFO])
        back = None if outcome is INFO else around + rng.randrange(1, 8)
        operations.append(
            op(entry.index, "write", entry.value, around, back, key=entry.key, outcome=INFO if back is None else "ok")
        )
    for process in range(10, 10 + rng.randint(1, 3)):
        key = rng.choice("ab")
        value = rng.choice([None, *(entry.value for entry in log if entry.key == key)])
        call = rng.randrange(24)
        operations.append(op(process, "read", value, call, call + rng.randrange(1, 8), key=key))
    for operation in operations:
        if operation.outcome == "ok":
            operation.outcome = type(INFO).OK
    return log, operations


def by_search(log, operations):
    """Is there a place in the log for each read, so that real time is kept?"""
    holds = {"a": [None], "b": [None]}
    for entry in log:
        for key in holds:
            holds[key].append(entry.value if entry.key == key else holds[key][-1])
    reads = [o for o in operations if o.f == "read"]
    fixed = {id(o): o.value for o in operations if o.f == "write"}
    spots = [[place for place, value in enumerate(holds[read.key]) if value == read.value] for read in reads]
    for chosen in itertools.product(*spots):
        place = {**fixed, **{id(read): spot for read, spot in zip(reads, chosen, strict=True)}}
        if all(
            place[id(a)] < place[id(b)] if b.f == "write" else place[id(a)] <= place[id(b)]
            for a, b in itertools.permutations(operations, 2)
            if a.return_ns is not None and a.return_ns < b.call_ns
        ):
            return True
    return False


def test_orders_are_judged_as_a_search_over_all_places_judges_them():
    rng = random.Random(6)
    seen = {True: 0, False: 0}
    for _ in range(10_000):
        log, operations = small(rng)
        truth = by_search(log, operations)
        result = Wire(log).check(history(*operations))
        assert found(result) <= ORDER
        assert (result.valid is Valid.YES) == truth, (log, operations, result.sentence)
        seen[truth] += 1
    assert min(seen.values()) > 1000


def long_run():
    """200 writes and cas of two keys, each read back; values on the wire are bytes."""
    log, operations, last = [], [], {"a": None, "b": None}
    for index in range(1, 201):
        key, at = "ab"[index % 2], 100 * index
        cas = index % 5 == 0
        value = [last[key], index] if cas else index
        operations.append(op(0, "cas" if cas else "write", value, at, at + 20, key=key))
        log.append(Committed(1, index, key.encode(), str(index).encode(), at + 10))
        operations.append(op(1, "read", index, at + 30, at + 40, key=key))
        last[key] = index
    return log, operations


def change(items, place, **fields):
    for name, value in fields.items():
        object.__setattr__(items[place], name, value)


FAULTS = {
    "acked-not-committed": lambda log, o: o.append(op(7, "write", 999, 5000, 5001, key="c")),
    "failed-but-committed": lambda log, o: change(o, 100, outcome=FAIL),
    "read-never-committed": lambda log, o: o.append(op(7, "read", 999, 5000, 5001, key="a")),
    "committed-before-call": lambda log, o: change(log, 50, time_ns=5000),
    "phantom-commit": lambda log, o: log.append(Committed(2, 500, b"a", b"888", 99999)),
    "index-contradicted": lambda log, o: log.append(Committed(2, 50, b"a", b"50", 99999)),
    "cas-contradicted": lambda log, o: change(o, 98, value=[1, 50]),
    "stale-read": lambda log, o: change(o, 101, value=45),
    "future-read": lambda log, o: change(o, 101, value=53),
    "order-contradicted": lambda log, o: (change(o, 2, call_ns=50, return_ns=60), change(o, 3, f="none")),
}


def test_a_long_valid_history_is_valid():
    log, operations = long_run()
    assert Wire(log).check(history(*operations)).valid is Valid.YES


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name):
    log, operations = long_run()
    FAULTS[name](log, operations)
    result = Wire(log).check(history(*operations))
    assert result.valid is Valid.NO
    assert found(result) == {name}


def test_what_rests_on_absence_is_unknown_where_the_wire_was_not_seen_completely():
    log, operations = long_run()
    assert Wire(log[:-1], complete=False).check(history(*operations)).valid is Valid.UNKNOWN
    assert Wire(log, complete=False).check(history(*operations)).valid is Valid.UNKNOWN
    FAULTS["index-contradicted"](log, operations)
    assert Wire(log, complete=False).check(history(*operations)).valid is Valid.NO


def test_nothing_on_the_wire_is_unknown():
    assert Wire([]).check(history(*long_run()[1])).valid is Valid.UNKNOWN
