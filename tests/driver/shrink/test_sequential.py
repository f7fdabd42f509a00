"""The sequential test tells often from seldom, with few trials where the answer is clear."""

from random import Random

import pytest

from raftmon.driver.shrink.sequential import Sequential


def answer(chance: float, random: Random) -> Sequential:
    test = Sequential()
    while test.answer is None:
        test.add(random.random() < chance)
    return test


@pytest.mark.parametrize(
    ("chance", "expected", "least"), [(0.95, True, 0.95), (0.8, True, 0.8), (0.05, False, 0.95), (0.3, False, 0.8)]
)
def test_it_is_right_as_often_as_it_promises(chance: float, expected: bool, least: float) -> None:
    random = Random(1)
    answers = [answer(chance, random) for _ in range(2000)]
    assert sum(one.answer is expected for one in answers) / 2000 >= least
    assert max(one.trials for one in answers) <= 9


def test_three_failures_or_two_passes_in_a_row_are_enough() -> None:
    always, never = Sequential(), Sequential()
    assert [always.add(True) for _ in range(3)] == [None, None, True]
    assert [never.add(False) for _ in range(2)] == [None, False]
