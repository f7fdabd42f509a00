"""Text timelines: the place of each bar says who overlaps whom."""

import random

from raftmon.driver.histories.bars import draw_timeline, name_operation
from tests.driver.checkers.making import FAIL, INFO, op


def test_bars_overlap_exactly_where_operations_do():
    rng = random.Random(1)
    for _ in range(500):
        operations = []
        for process in range(rng.randint(1, 8)):
            call = rng.randrange(30)
            operations.append(op(process, "write", process, call, call + rng.randrange(1, 9)))
        ordered = sorted(operations, key=lambda operation: operation.call_ns)
        lines = draw_timeline(operations).splitlines()
        assert len(lines) == len(operations)
        spans = [(line.index("|"), line.rindex("|")) for line in lines]
        for a, (left, right) in zip(ordered, spans, strict=True):
            for b, (other_left, other_right) in zip(ordered, spans, strict=True):
                assert (a.return_ns < b.call_ns) == (right < other_left)
                assert (a.call_ns < b.call_ns) == (left < other_left)
                assert (a.return_ns < b.return_ns) == (right < other_right)


def test_an_operation_without_return_has_no_right_end():
    lines = draw_timeline([op(0, "write", 1, 0, None, key="x", outcome=INFO), op(1, "read", None, 1, 2, key="x")])
    assert lines.splitlines()[0].endswith("write x 1 (indefinite)")
    assert ">" in lines.splitlines()[0]
    assert lines.splitlines()[1].endswith("read x -> nil")


def test_long_lists_and_values_are_cut_short():
    many = [op(0, "write", "v" * 1000, time, time + 1) for time in range(100)]
    lines = draw_timeline(many).splitlines()
    assert lines[-1] == "… and 60 more"
    assert max(map(len, lines)) < 240
    assert name_operation(many[0]).endswith("…")


def test_nothing_is_drawn_of_nothing():
    assert draw_timeline([]) == ""


def test_a_failed_one_is_said_to_be():
    assert draw_timeline([op(0, "add", 1, 0, 1, outcome=FAIL)]).endswith("add 1 (failed)")
