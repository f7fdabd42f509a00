"""Checkers against brute force, 10,000 random histories each with ``make differential``, and planted faults."""

import itertools
import random

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.counter_bounds import CounterBounds
from raftmon.driver.checkers.kafka import Kafka
from raftmon.driver.checkers.queues import Queue, TotalQueue
from raftmon.driver.checkers.search.models import FifoQueue
from raftmon.driver.checkers.search.search import search
from raftmon.driver.checkers.semaphore import Semaphore
from raftmon.driver.checkers.set_full import SetFull
from raftmon.driver.checkers.unique_ids import UniqueIds
from raftmon.driver.histories.operation import Outcome
from tests.driver.checkers import every_order
from tests.driver.checkers.making import FAIL, INFO, history, op
from tests.driver.checkers.thoroughness import TIMES

SOME = 60 * TIMES


def _intervals(rng, count):
    """``count`` intervals, often concurrent, no two ends at one time."""
    times = rng.sample(range(6 * count), 2 * count)
    return [sorted(times[2 * n : 2 * n + 2]) for n in range(count)]


def _random_queue(rng):
    values, found = [], []
    for n, (call, back) in enumerate(_intervals(rng, rng.randrange(1, 8))):
        if rng.random() < 0.55:
            values.append(n)
            end, outcome = (None, INFO) if rng.random() < 0.15 else (back, Outcome.OK)
            found.append(op(n, "enqueue", n, call, end, outcome=outcome))
        else:
            found.append(op(n, "dequeue", None, call, back))
    rng.shuffle(values)
    for one in found:
        if one.f == "dequeue" and values and rng.random() < 0.75:
            one.value = values.pop()
        elif one.f == "dequeue" and rng.random() < 0.1:
            one.outcome, one.return_ns = INFO, None
    return found


def test_fifo_queues_in_polynomial_time_agree_with_the_search():
    rng = random.Random("fifo")
    verdicts = set()
    for _ in range(SOME):
        operations = _random_queue(rng)
        result = Queue("fifo").check(history(*operations))
        assert result.valid is search(operations, FifoQueue()).valid, (operations, result.sentence)
        verdicts.add(result.valid)
    assert verdicts == {Valid.YES, Valid.NO}


def test_counter_bounds_never_object_where_some_order_explains_the_reads():
    """And where every order's sum is out of bounds, they do."""
    rng = random.Random("counter")
    verdicts = set()
    for _ in range(SOME):
        operations = [
            op(n, "add" if rng.random() < 0.6 else "read", rng.randrange(-2, 4), call, back)
            for n, (call, back) in enumerate(_intervals(rng, rng.randrange(1, 6)))
        ]
        for one in operations:
            if one.f == "add" and rng.random() < 0.2:
                one.outcome, one.return_ns = INFO, None
        result = CounterBounds().check(history(*operations))
        if any(one.f == "read" for one in operations):
            assert result.valid is (Valid.YES if _each_read_is_within(operations) else Valid.NO), operations
            verdicts.add(result.valid)
    assert verdicts == {Valid.YES, Valid.NO}


def _each_read_is_within(operations):
    adds = [one for one in operations if one.f == "add"]
    for read in (one for one in operations if one.f == "read"):
        sure = [one for one in adds if one.return_ns is not None and one.return_ns < read.call_ns]
        maybe = [one for one in adds if one not in sure and one.call_ns <= read.return_ns]
        sums = [
            sum(one.value for one in (*sure, *some))
            for size in range(len(maybe) + 1)
            for some in itertools.combinations(maybe, size)
        ]
        if not min(sums) <= read.value <= max(sums):
            return False
    return True


def test_final_reads_of_a_counter_are_some_sum_of_what_may_have_been_added():
    rng = random.Random("final")
    verdicts = set()
    for _ in range(SOME):
        adds = [op(n, "add", rng.choice([-3, 2, 5]), 10 * n, 10 * n + 5) for n in range(rng.randrange(4))]
        for one in adds:
            if rng.random() < 0.4:
                one.outcome, one.return_ns = INFO, None
        read = op(9, "read", rng.randrange(-6, 11), 90, 95, **{"final?": True})
        sure = sum(one.value for one in adds if one.outcome is Outcome.OK)
        maybe = [one.value for one in adds if one.outcome is INFO]
        sums = {sure + sum(some) for size in range(4) for some in itertools.combinations(maybe, size)}
        result = CounterBounds("final").check(history(*adds, read))
        assert result.valid is (Valid.YES if read.value in sums else Valid.NO), (adds, read)
        verdicts.add(result.valid)
    assert verdicts == {Valid.YES, Valid.NO}


def test_a_drained_queue_agrees_with_counting():
    rng = random.Random("drain")
    verdicts = set()
    for _ in range(SOME):
        count = rng.randrange(1, 6)
        puts = [op(0, "enqueue", n, 10 * n, 10 * n + 5) for n in range(count)]
        for one in puts:
            if rng.random() < 0.3:
                one.outcome, one.return_ns = rng.choice([(INFO, None), (FAIL, one.return_ns)])
        taken = [n for n in range(count) if rng.random() < 0.8]
        if rng.random() < 0.1:
            taken.append(rng.randrange(count + 1))
        result = TotalQueue().check(history(*puts, op(1, "drain", taken, 100, 110)))
        may = {one.value for one in puts if one.outcome is not FAIL}
        must = {one.value for one in puts if one.outcome is Outcome.OK}
        right = must <= set(taken) <= may and len(set(taken)) == len(taken)
        assert result.valid is (Valid.YES if right else Valid.NO), (puts, taken, result.sentence)
        verdicts.add(result.valid)
    assert verdicts == {Valid.YES, Valid.NO}


def test_semaphores_agree_with_trying_every_order():
    rng = random.Random("semaphore")
    verdicts = set()
    for _ in range(SOME):
        operations = [
            op(n % 3, "acquire" if rng.random() < 0.65 else "release", None, call, back)
            for n, (call, back) in enumerate(_intervals(rng, rng.randrange(2, 8)))
        ]
        for one in operations:
            if rng.random() < 0.15:
                one.outcome, one.return_ns = INFO, None
        result = Semaphore(2).check(history(*operations))
        if any(one.f == "acquire" and one.outcome is Outcome.OK for one in operations):
            right = every_order.explainable(operations, every_order.two_permits, 0)
            assert result.valid is (Valid.YES if right else Valid.NO), (operations, result.sentence)
            verdicts.add(result.valid)
    assert verdicts == {Valid.YES, Valid.NO}


def test_unique_ids_agree_with_comparing_every_pair():
    rng = random.Random("ids")
    for _ in range(SOME):
        made = [op(n, "generate", rng.randrange(30), 10 * n, 10 * n + 5) for n in range(rng.randrange(1, 9))]
        for one in made:
            if rng.random() < 0.2:
                one.outcome, one.return_ns = INFO, None
        given = [one.value for one in made if one.outcome is Outcome.OK]
        twice = any(a == b for a, b in itertools.combinations(given, 2))
        expected = Valid.NO if twice else Valid.YES if given else Valid.UNKNOWN
        assert UniqueIds().check(history(*made)).valid is expected, made


def _random_log(rng):
    """One key's log, one reader that polls it in order."""
    records = [[n, 100 + n] for n in range(rng.randrange(2, 6))]
    sends = [op(0, "send", [["send", "a", record]], 10 * n, 10 * n + 5) for n, record in enumerate(records)]
    first = rng.randrange(1, len(records) + 1)
    polls = [part for part in (records[:first], records[first:]) if part]
    return sends, polls


def test_logs_with_one_planted_change_are_found_and_those_without_are_not():
    rng = random.Random("kafka")
    for _ in range(SOME):
        sends, polls = _random_log(rng)
        plain = [op(1, "poll", [["poll", {"a": part}]], 100 + 10 * n, 105 + 10 * n) for n, part in enumerate(polls)]
        assert Kafka().check(history(*sends, *plain)).valid is Valid.YES
        changed = [[list(record) for record in part] for part in polls]
        part = rng.choice(changed)
        record = rng.choice(part)
        if rng.random() < 0.5:
            record[1] = 999  # a value nobody sent
        else:
            changed.append([list(changed[0][0])])  # read again, backwards
        wrong = [op(1, "poll", [["poll", {"a": part}]], 100 + 10 * n, 105 + 10 * n) for n, part in enumerate(changed)]
        assert Kafka().check(history(*sends, *wrong)).valid is Valid.NO, changed


def _put(value, at, **more):
    return op(0, "enqueue", value, at, at + 5, **more)


def _take(value, at, process=1):
    return op(process, "dequeue", value, at, at + 5)


FIFO_FAULTS = {
    "order": [_put(1, 0), _put(2, 10), _take(2, 20), _take(1, 30)],
    "overtaken-and-left": [_put(1, 0), _put(2, 10), _take(2, 20)],
    "twice": [_put(1, 0), _take(1, 10), _take(1, 20, 2)],
    "never-put": [_take(1, 0)],
    "too-early": [_take(1, 0), _put(1, 10)],
    "empty-though-full": [_put(1, 0), _take(None, 10), _take(1, 20)],
    "failed-put": [_put(1, 0, outcome=FAIL), _take(1, 10)],
}


@pytest.mark.parametrize("name", FIFO_FAULTS)
def test_a_planted_fault_of_a_fifo_queue_is_found(name):
    result = Queue("fifo").check(history(*FIFO_FAULTS[name]))
    assert result.valid is Valid.NO
    assert result.counterexample is not None


BAG_FAULTS = {name: rows for name, rows in FIFO_FAULTS.items() if name not in ("order", "overtaken-and-left")}


@pytest.mark.parametrize("name", BAG_FAULTS)
def test_a_planted_fault_of_an_unordered_queue_is_found(name):
    assert Queue("any").check(history(*BAG_FAULTS[name])).valid is Valid.NO


def test_order_does_not_matter_to_an_unordered_queue():
    for name in ("order", "overtaken-and-left"):
        assert Queue("any").check(history(*FIFO_FAULTS[name])).valid is Valid.YES


COUNTER_FAULTS = {
    "too-much": [op(0, "add", 1, 0, 5), op(1, "read", 2, 10, 15)],
    "too-little": [op(0, "add", 1, 0, 5), op(1, "read", 0, 10, 15)],
    "failed-add": [op(0, "add", 1, 0, 5, outcome=FAIL), op(1, "read", 1, 10, 15)],
    "future-add": [op(1, "read", 1, 0, 5), op(0, "add", 1, 10, 15)],
    "no-number": [op(0, "add", 1, 0, 5), op(1, "read", "one", 10, 15)],
    "below": [op(0, "dec", 1, 0, None, outcome=INFO), op(1, "read", -2, 10, 15)],
}


@pytest.mark.parametrize("name", COUNTER_FAULTS)
def test_a_planted_fault_of_a_counter_is_found(name):
    assert CounterBounds().check(history(*COUNTER_FAULTS[name])).valid is Valid.NO


def test_a_drain_that_never_ended_or_came_too_early_loses_nothing_for_certain():
    early = [op(1, "drain", [], 0, 5), _put(1, 10)]
    endless = [_put(1, 0), op(1, "drain", None, 10, None, outcome=INFO)]
    for rows in (early, endless):
        result = TotalQueue().check(history(*rows))
        assert result.valid is Valid.UNKNOWN
        assert "inside or lost" in result.sentence


def test_a_failed_dequeue_says_nothing_to_a_total_queue():
    rows = [_put(1, 0), op(1, "dequeue", None, 10, 15, outcome=FAIL), _take(1, 20)]
    assert TotalQueue().check(history(*rows)).valid is Valid.YES
    assert Queue("any").check(history(*rows)).valid is Valid.NO


SET_FAULTS = {
    "lost": [op(0, "add", 1, 0, 5), op(1, "read", [1], 10, 15), op(1, "read", [], 20, 25)],
    "unexpected": [op(0, "add", 1, 0, 5), op(1, "read", [1, 2], 10, 15)],
    "resurrected": [op(0, "add", 1, 0, 5), op(0, "add", 2, 6, 8, outcome=FAIL), op(1, "read", [1, 2], 10, 15)],
    "premature": [op(1, "read", [1], 0, 5), op(0, "add", 1, 10, 15), op(1, "read", [1], 20, 25)],
    "duplicated": [op(0, "add", 1, 0, 5), op(1, "read", [1, 1], 10, 15)],
}


@pytest.mark.parametrize("name", SET_FAULTS)
def test_a_planted_fault_of_a_grow_only_set_is_found(name):
    result = SetFull(linearizable=False, name="g-set").check(history(*SET_FAULTS[name]))
    assert result.valid is Valid.NO
    assert name in result.details["anomalies"]
