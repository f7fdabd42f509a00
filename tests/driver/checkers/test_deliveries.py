"""Queues of a broker: valid histories, planted mistakes, and what nobody can know."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.driver.checkers.base import Result, Valid
from raftmon.driver.checkers.deliveries import Deliveries, DeliveryOrder
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome


class Story:
    """A history told one operation after the other; ``at`` sets its interval."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def add(self, f: str, value: Any, outcome: str = "ok", at: tuple[int, int] | None = None, **extra: Any) -> "Story":
        count = len(self.operations)
        call, end = at or (count * 10, count * 10 + 5)
        ends = None if outcome == "info" else end
        self.operations.append(
            Operation(count, f, "q0", value, call, ends, Outcome(outcome), index=count, extra=extra or None)
        )
        return self

    def put(self, value: Any, outcome: str = "ok", at: tuple[int, int] | None = None) -> "Story":
        return self.add("enqueue", value, outcome, at)

    def take(self, value: Any, at: tuple[int, int] | None = None, **extra: Any) -> "Story":
        return self.add("dequeue", value, "ok", at, **extra)

    def drain(self, *values: Any, outcome: str = "ok", **extra: Any) -> "Story":
        return self.add("drain", list(values), outcome, **extra)

    def total(self) -> Result:
        return Deliveries().check(History(self.operations))

    def order(self) -> Result:
        return DeliveryOrder().check(History(self.operations))


def anomalies(result: Result) -> set[str]:
    return set(result.details["anomalies"])


def test_a_queue_that_keeps_its_word_is_valid() -> None:
    story = Story().put(1).put(2).put(3).take(1).take(None).take(2).drain(3).drain()
    assert story.total().valid is Valid.YES
    assert story.order().valid is Valid.YES
    assert story.total().details["enqueued"] == 3


def test_planted_a_lost_value_is_named() -> None:
    result = Story().put(1).put(2).take(1).drain().total()
    assert result.valid is Valid.NO
    assert "2 was acknowledged and never delivered" in result.sentence
    assert result.details["lost"] == 1


def test_planted_a_value_nobody_enqueued() -> None:
    result = Story().put(1).take(1).take(7).drain().total()
    assert (result.valid, anomalies(result)) == (Valid.NO, {"unexpected"})


def test_planted_a_failed_enqueue_that_was_delivered() -> None:
    result = Story().put(1, "fail").drain(1).total()
    assert (result.valid, anomalies(result)) == (Valid.NO, {"unexpected"})


def test_planted_a_delivery_before_its_enqueue() -> None:
    result = Story().take(1, at=(0, 5)).put(1, at=(10, 15)).drain().total()
    assert anomalies(result) == {"too-early"}


def test_planted_a_duplicate_where_at_most_once_was_promised() -> None:
    result = Story().put(1).take(1, at_most_once=True).take(1, redelivered=True, at_most_once=True).drain().total()
    assert (result.valid, anomalies(result)) == (Valid.NO, {"duplicate"})


def test_planted_a_duplicate_that_is_not_marked() -> None:
    assert anomalies(Story().put(1).take(1).take(1).drain().total()) == {"duplicate"}


def test_planted_values_out_of_order_and_in_a_drain() -> None:
    assert anomalies(Story().put(1).put(2).take(2).take(1).order()) == {"order"}
    assert anomalies(Story().put(1).put(2).drain(2, 1).order()) == {"order"}


def test_redelivered_values_are_allowed_and_may_come_late() -> None:
    story = Story().put(1).put(2).take(1).take(2).take(1, redelivered=True).drain()
    assert story.total().valid is Valid.YES
    assert story.order().valid is Valid.YES
    late = Story().put(1).put(2).take(2).take(1, redelivered=True)
    assert late.order().valid is Valid.YES


def test_enqueues_at_the_same_time_have_no_order() -> None:
    story = Story().put(1, at=(0, 20)).put(2, at=(10, 30)).take(2, at=(40, 45)).take(1, at=(50, 55))
    assert story.order().valid is Valid.YES


def test_an_enqueue_of_unknown_outcome_may_be_delivered_or_not() -> None:
    assert Story().put(1, "info").drain(1).total().valid is Valid.YES
    assert Story().put(1, "info").drain().total().valid is Valid.YES


@pytest.mark.parametrize("drain", [None, {"outcome": "info"}, {"whole": False}])
def test_without_a_whole_drain_nobody_knows_what_was_lost(drain: dict[str, Any] | None) -> None:
    story = Story().put(1)
    if drain is not None:
        story.drain(**drain)
    result = story.total()
    assert result.valid is Valid.UNKNOWN
    assert "no whole drain" in result.sentence


def test_a_dequeue_that_may_have_taken_it_at_most_once_excuses_one_value_only() -> None:
    story = Story().put(1).add("dequeue", None, "info").drain(at_most_once=True)
    assert story.total().valid is Valid.YES
    story = Story().put(1).put(2).add("dequeue", None, "info").drain(at_most_once=True)
    assert story.total().details["lost"] == 1


def test_keys_are_queues_of_their_own() -> None:
    story = Story().put(1).drain(1)
    story.operations[0].key = "q1"
    assert anomalies(story.total()) == {"unexpected"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(1, 30)), max_size=25))
def test_the_order_is_that_of_a_search_over_all_pairs(rows: list[tuple[bool, int, int]]) -> None:
    story, put, clock = Story(), 0, 0
    waiting: list[int] = []
    for enqueue, which, length in rows:
        clock += 7
        if enqueue or not waiting:
            story.put(put, at=(clock, clock + length))
            waiting.append(put)
            put += 1
        else:
            story.take(waiting.pop(which % len(waiting)), at=(clock, clock + length))
    puts = {one.value: one for one in story.operations if one.f == "enqueue"}
    takes = {one.value: one for one in story.operations if one.f == "dequeue"}
    wrong = any(
        puts[a].return_ns < puts[b].call_ns and takes[b].return_ns < takes[a].call_ns  # type: ignore[operator]
        for a in takes
        for b in takes
    )
    assert (story.order().valid is Valid.NO) == wrong
