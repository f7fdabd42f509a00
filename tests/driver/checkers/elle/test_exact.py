"""Transactions on registers are decided by search where nothing can be inferred."""

import itertools
import random

import pytest

from raftmon.driver.checkers.elle import RwRegister
from raftmon.driver.checkers.elle.exact import decide
from tests.driver.checkers.making import INFO, history, op


def txn(process, call, back, *parts, **more):
    return op(process, "txn", [list(part) for part in parts], call, back, **more)


VANISHED = [  # 1 is overwritten blindly by 2, and comes back
    txn(0, 0, 1, ("w", "x", 1)),
    txn(0, 2, 3, ("w", "x", 2)),
    txn(1, 4, 5, ("r", "x", 1)),
]


def test_a_blind_overwrite_that_vanished_is_not_strict_serializable():
    result = RwRegister().check(history(*VANISHED))
    assert result.valid.value == "invalid"
    assert "not strict-serializable" in result.sentence
    assert len(result.counterexample.operations) == 3


@pytest.mark.parametrize(("level", "verdict"), [("serializable", "valid"), ("strong-session-serializable", "valid")])
def test_levels_below_are_shown_by_an_order(level, verdict):
    assert RwRegister(level).check(history(*VANISHED)).valid.value == verdict


def test_a_session_that_reads_back_in_time_breaks_the_session_level_only():
    back = [*VANISHED[:2], txn(0, 4, 5, ("r", "x", 1))]
    assert RwRegister("strong-session-serializable").check(history(*back)).valid.value == "invalid"
    assert RwRegister("serializable").check(history(*back)).valid.value == "valid"


def test_an_indefinite_write_may_have_happened():
    made = [*VANISHED[:2], txn(2, 2, None, ("w", "x", 3), outcome=INFO), txn(1, 4, 5, ("r", "x", 3))]
    assert RwRegister().check(history(*made)).valid.value == "valid"


def explained(order):
    held = {}
    for one in order:
        for kind, key, value in one.value:
            if kind == "w":
                held[key] = value
            elif held.get(key) != value:
                return False
    return True


def allowed(order, level):
    for early, late in itertools.combinations(order, 2):
        if level == "strict-serializable" and late.return_ns < early.call_ns:
            return False
        if level == "strong-session-serializable" and late.process == early.process and late.call_ns < early.call_ns:
            return False
    return True


@pytest.mark.parametrize("level", ["strict-serializable", "strong-session-serializable", "serializable"])
def test_the_search_agrees_with_every_order(level):
    rng, verdicts = random.Random(level), [0, 0]
    for _ in range(700):
        operations, value = [], itertools.count(1)
        ends = {}
        for _ in range(rng.randint(2, 5)):
            process = rng.randrange(3)
            call = ends.get(process, 0) + rng.randint(1, 5)
            ends[process] = call + rng.randint(1, 6)
            parts = [
                ("w", key, next(value)) if rng.random() < 0.5 else ("r", key, rng.choice([None, 1, 2, 3]))
                for key in rng.sample("xy", rng.randint(1, 2))
            ]
            operations.append(txn(process, call, ends[process], *parts))
        right = any(explained(o) and allowed(o, level) for o in itertools.permutations(operations))
        verdicts[right] += 1
        assert decide(operations, level)[0].value == ("valid" if right else "invalid")
    assert min(verdicts) > 60
