"""Logs: correct runs are valid, and each planted fault is found by its name."""

import random

import pytest

from raftmon.driver.checkers.kafka import Kafka
from tests.driver.checkers.making import FAIL, history, op


def run(rng):
    """A correct log of two keys with gaps, two senders and two readers: (operations, the logs)."""
    logs, positions, operations, now, value = {"a": [], "b": []}, {}, [], 0, 0
    for _ in range(rng.randint(3, 14)):
        now += 10
        process, key = rng.randrange(4), rng.choice("ab")
        if process < 2:
            value += 1
            offset = (logs[key][-1][0] if logs[key] else -1) + rng.choice([1, 1, 2])
            logs[key].append([offset, value])
            operations.append(op(process, "send", [["send", key, [offset, value]]], now, now + 5))
        elif rng.random() < 0.15:
            positions[process] = {}
            operations.append(op(process, "assign", ["a", "b"], now, now + 5))
        else:
            places, answer = positions.setdefault(process, {}), {}
            for one in logs:
                start = places.get(one, 0)
                answer[one] = logs[one][start : start + rng.randint(0, 3)]
                places[one] = start + len(answer[one])
            operations.append(op(process, "poll", [["poll", answer]], now, now + 5))
    return operations


def verdict(*operations):
    return Kafka().check(history(*operations))


def send(process, offset, value, at, **more):
    return op(process, "send", [["send", "a", [offset, value]]], at, at + 5, **more)


def poll(process, records, at):
    return op(process, "poll", [["poll", {"a": records}]], at, at + 5)


def test_correct_runs_are_never_invalid():
    rng = random.Random(1)
    for _ in range(3_000):
        result = Kafka().check(history(*run(rng)))
        assert result.valid.value != "invalid", result.sentence


FAULTS = {
    "lost-write": [send(0, 0, 1, 0), send(0, 1, 2, 10), send(0, 2, 3, 20), poll(1, [[0, 1], [2, 3]], 30)],
    "inconsistent-offsets": [send(0, 0, 1, 0), send(1, 0, 2, 10)],
    "duplicate": [send(0, 0, 1, 0), poll(1, [[0, 1], [1, 1]], 10)],
    "poll-skip": [send(0, 0, 1, 0), send(0, 1, 2, 10), send(0, 2, 3, 20), poll(1, [[0, 1], [1, 2], [2, 3]], 30),
                  poll(2, [[0, 1]], 40), poll(2, [[2, 3]], 50)],
    "nonmonotonic-poll": [send(0, 0, 1, 0), send(0, 1, 2, 10), poll(1, [[1, 2]], 20), poll(1, [[0, 1]], 30)],
    "nonmonotonic-send": [send(0, 1, 1, 0), send(0, 0, 2, 10)],
    "aborted-read": [op(0, "send", [["send", "a", 1]], 0, 5, outcome=FAIL), poll(1, [[0, 1]], 10)],
    "garbage-read": [poll(1, [[0, 7]], 10)],
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_planted_fault_is_found(name):
    result = verdict(*FAULTS[name])
    assert result.valid.value == "invalid"
    assert set(result.details["anomalies"]) == {name}


def test_a_gap_that_nobody_knows_of_is_no_loss():
    assert verdict(send(0, 0, 1, 0), send(0, 2, 3, 20), poll(1, [[0, 1], [2, 3]], 30)).valid.value == "valid"


def test_a_record_before_the_first_poll_was_perhaps_not_asked_for():
    result = verdict(send(0, 0, 1, 0), send(0, 1, 2, 10), poll(1, [[1, 2]], 20))
    assert result.valid.value == "unknown"
    assert "never polled" in result.sentence


def test_after_a_subscription_a_process_may_be_given_anything():
    subscribed = op(1, "subscribe", ["a"], 15, 16)
    assert (
        verdict(
            send(0, 0, 1, 0), send(0, 1, 2, 10), subscribed, poll(1, [[0, 1], [1, 2]], 20), poll(1, [[0, 1]], 30)
        ).valid.value
        == "valid"
    )


def test_nothing_acknowledged_is_unknown():
    assert verdict(op(0, "crash", None, 0, 1)).valid.value == "unknown"
