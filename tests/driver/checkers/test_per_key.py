"""Keys judged one by one."""

from raftmon.driver.checkers.per_key import PerKey
from raftmon.driver.checkers.unique_ids import UniqueIds
from tests.driver.checkers.making import history, op


def generated(*pairs):
    return history(*(op(0, "generate", list(pair), 10 * n, 10 * n + 5) for n, pair in enumerate(pairs)))


def test_what_is_twice_on_two_keys_is_no_duplicate_and_on_one_it_is():
    assert PerKey(UniqueIds()).check(generated(("a", 1), ("b", 1))).valid.value == "valid"
    result = PerKey(UniqueIds()).check(generated(("a", 1), ("b", 1), ("b", 1)))
    assert result.valid.value == "invalid"
    assert "1 of 2 keys invalid; key 'b'" in result.sentence
    assert result.details["keys"] == {"'a'": "valid", "'b'": "invalid"}


def test_values_that_are_no_pairs_stay_whole():
    assert PerKey(UniqueIds()).check(history(op(0, "generate", 1, 0, 1))).valid.value == "valid"
