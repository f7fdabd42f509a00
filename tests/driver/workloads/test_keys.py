from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from raftmon.driver.workloads.keys import KeyChooser
from raftmon.setup.errors import InputError

NAMES = [f"k{number}" for number in range(10)]


def drawn(chooser: KeyChooser, count: int = 20_000) -> Counter[str]:
    random = Random(1)
    return Counter(chooser.choose(random.random()) for _ in range(count))


def test_uniform_keys_are_asked_for_alike():
    assert all(1800 < count < 2200 for count in drawn(KeyChooser(NAMES)).values())


def test_zipfs_second_key_is_asked_for_about_half_as_often_as_the_first():
    counts = drawn(KeyChooser(NAMES, "zipf", 1.0))
    assert counts["k0"] / counts["k1"] == pytest.approx(2, rel=0.1)
    assert counts["k0"] / counts["k9"] == pytest.approx(10, rel=0.2)


def test_a_hot_key_gets_its_share():
    assert drawn(KeyChooser(NAMES, "hot", 0.8))["k0"] == pytest.approx(16_000, rel=0.05)


@pytest.mark.parametrize("choice", ["uniform", "zipf", "hot"])
def test_every_draw_gives_a_key_even_at_the_ends(choice: str):
    chooser = KeyChooser(NAMES, choice, 0.5)
    assert chooser.choose(0.0) == "k0"
    assert chooser.choose(1 - 2**-53) == "k9"


@pytest.mark.parametrize(
    ("names", "choice", "skew", "words"),
    [
        ([], "uniform", 0.9, "1 to 1000000 keys, not 0"),
        (NAMES, "random", 0.9, "unknown choice of keys 'random'"),
        (NAMES, "hot", 1.0, "less than 1"),
        (NAMES, "zipf", 0.0, "more than 0"),
    ],
)
def test_what_cannot_be_is_refused(names: list[str], choice: str, skew: float, words: str):
    with pytest.raises(InputError, match=words):
        KeyChooser(names, choice, skew)
