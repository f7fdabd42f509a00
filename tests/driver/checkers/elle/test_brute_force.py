"""Elle against a search over all orders, on 10,000 small random histories of each kind."""

import collections
import random

import pytest

from raftmon.driver.checkers.elle import ListAppend, RwRegister
from raftmon.driver.histories.model import History
from tests.driver.checkers.elle.brute_force import random_history, serializable, snapshot

HISTORIES = 10_000
LEVELS = {
    "serializable": (serializable, None),
    "strong-session-serializable": (serializable, "process"),
    "strict-serializable": (serializable, "realtime"),
    "snapshot-isolation": (snapshot, None),
    "strong-session-snapshot-isolation": (snapshot, "process"),
    "strong-snapshot-isolation": (snapshot, "realtime"),
}


def compared(kind, checker, *, observed, seed):
    """How often (level, truth, what Elle said) came up."""
    counts = collections.Counter()
    rng = random.Random(seed)
    for _ in range(HISTORIES):
        operations = random_history(
            rng,
            kind,
            transactions=rng.randint(2, 5),
            keys=rng.randint(1, 2),
            processes=rng.randint(1, 4),
            observed=observed,
        )
        out = set(checker.check(History(operations)).details["ruled_out"])
        for level, (judge, order) in LEVELS.items():
            counts[level, judge(operations, kind, order), level not in out] += 1
    return counts


def test_list_append_is_exact_where_every_append_is_read():
    counts = compared("append", ListAppend(), observed=True, seed=1)
    for level in LEVELS:
        assert counts[level, True, False] == 0, f"{level}: a valid history was called invalid"
        assert counts[level, False, True] == 0, f"{level}: an invalid history was missed"
        assert counts[level, True, True] > 1000
        assert counts[level, False, False] > 500


@pytest.mark.parametrize(
    ("kind", "checker", "caught"), [("append", ListAppend(), 0.7), ("w", RwRegister(), 0.8)], ids=["append", "register"]
)
def test_nothing_valid_is_called_invalid_however_little_was_read(kind, checker, caught):
    counts = compared(kind, checker, observed=False, seed=2)
    for level in LEVELS:
        assert counts[level, True, False] == 0, f"{level}: a valid history was called invalid"
        assert counts[level, True, True] > 1000
    told, missed = counts["strict-serializable", False, False], counts["strict-serializable", False, True]
    assert told > caught * (told + missed)
