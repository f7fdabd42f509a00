"""A node is asked until it says yes or its time is over."""

from __future__ import annotations

from raftmon.adapters.asking import ask_until


def test_it_is_asked_again_until_it_says_yes_with_the_time_that_is_left() -> None:
    left: list[float] = []

    def ask(left_s: float) -> bool:
        left.append(left_s)
        return len(left) == 3

    assert ask_until(ask, 60.0, 0.001)
    assert len(left) == 3
    assert 60.0 >= left[0] > left[1] > left[2] > 0


def test_who_never_says_yes_is_given_up() -> None:
    assert not ask_until(lambda left_s: False, 0.02, 0.005)


def test_without_time_nobody_is_asked() -> None:
    asked: list[float] = []
    assert not ask_until(lambda left_s: asked.append(left_s) is None, 0.0, 0.005)
    assert asked == []
