"""Levels below linearizability: every view tried by brute force, planted faults, what implies what."""

import random

import pytest

from raftmon.driver.checkers.at_level import AtLevel, _judge
from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.checkers import checker
from raftmon.driver.checkers.search.levels import LEVELS
from raftmon.driver.checkers.search.limits import Limits
from raftmon.driver.checkers.search.linearizable import Linearizable
from raftmon.driver.checkers.search.model import ILLEGAL, Model, NondeterministicModel
from raftmon.driver.checkers.search.models import CasRegister, Counter, FifoQueue, SetModel
from raftmon.driver.histories.model import History
from raftmon.setup.errors import InputError
from tests.driver.checkers.making import INFO, history, op
from tests.driver.checkers.search.every_view import holds
from tests.driver.checkers.thoroughness import TIMES

WEAKER = LEVELS[1:]


def _made(rows):
    return [
        op(process, {"r": "read", "w": "write"}[f], value, 10 * n, 10 * n + 5, key=key[0] if key else None, index=n)
        for n, (process, f, value, *key) in enumerate(rows)
    ]


def _level(level, *rows):
    return AtLevel(CasRegister(), level, level).check(History(_made(rows)))


def _random_rows(rng):
    written = {}
    rows = []
    for number in range(rng.randrange(2, 6)):
        key = rng.choice("xy")
        if rng.random() < 0.5:
            written.setdefault(key, []).append(number)
            rows.append([rng.randrange(3), "w", number, key])
        else:
            rows.append([rng.randrange(3), "r", None, key])
    for row in rows:
        if row[1] == "r" and written.get(row[3]) and rng.random() < 0.8:
            row[2] = rng.choice([*written[row[3]], 99]) if rng.random() < 0.2 else rng.choice(written[row[3]])
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("level", WEAKER)
def test_every_level_agrees_with_every_view_tried(level):
    rng = random.Random(level)
    verdicts = set()
    for _ in range(60 * TIMES):
        rows = _random_rows(rng)
        judged = _judge(_made(rows), CasRegister(), level, Limits(10, 1000))
        assert judged.valid is (Valid.YES if holds(level, rows) else Valid.NO), rows
        verdicts.add(judged.valid)
    assert verdicts == {Valid.YES, Valid.NO}


STALE = [(0, "w", 1), (1, "r", None)]  # stale in real time: sequential, not linearizable
PLANTED = {
    "sequential": [(0, "w", 1, "x"), (0, "r", None, "y"), (1, "w", 2, "y"), (1, "r", None, "x")],  # store buffering
    "causal": [(0, "w", 1, "x"), (1, "r", 1, "x"), (1, "w", 2, "y"), (2, "r", 2, "y"), (2, "r", None, "x")],
    "pram": [(0, "w", 1), (0, "w", 2), (1, "r", 2), (1, "r", 1)],
    "monotonic": [(0, "w", 1), (0, "w", 2), (1, "r", 2), (1, "r", 1)],
    "monotonic-reads": [(0, "w", 1), (1, "r", 1), (1, "r", None)],
    "read-your-writes": [(0, "w", 1), (0, "r", None)],
    "monotonic-writes": [(0, "w", 1, "x"), (0, "w", 2, "x"), (1, "r", 1, "x"), (0, "w", 3, "y")],
    "writes-follow-reads": [(0, "w", 1, "x"), (1, "r", 1, "x"), (1, "w", 2, "x"), (2, "r", 1, "x")],
}


@pytest.mark.parametrize("level", [name for name in PLANTED if name not in ("monotonic-writes", "writes-follow-reads")])
def test_a_planted_fault_is_found_and_explained(level):
    result = _level(level, *PLANTED[level])
    assert result.valid is Valid.NO
    assert level in result.sentence
    assert result.counterexample is not None
    assert len(result.counterexample.operations) <= len(PLANTED[level])
    assert _judge(list(result.counterexample.operations), CasRegister(), level, Limits(5, 100)).valid is Valid.NO


def test_what_is_stale_in_real_time_is_right_below_linearizable():
    assert {_level(level, *STALE).valid for level in WEAKER} == {Valid.YES}


def test_store_buffering_is_causal_and_not_sequential():
    assert _level("causal", *PLANTED["sequential"]).valid is Valid.YES


def test_a_causal_violation_across_sessions_is_pram():
    assert _level("pram", *PLANTED["causal"]).valid is Valid.YES
    assert _level("monotonic", *PLANTED["causal"]).valid is Valid.NO


def test_monotonic_writes_and_writes_follow_reads_are_found_where_a_later_write_shows_without_an_earlier():
    """A set shows what is missing: the later add without the earlier one."""
    adds = [op(0, "add", 1, 0, 5), op(0, "add", 2, 10, 15), op(1, "read", [2], 20, 25)]
    assert AtLevel(SetModel(), "monotonic-writes", "s").check(history(*adds)).valid is Valid.NO
    follows = [op(0, "add", 1, 0, 5), op(1, "read", [1], 10, 15), op(1, "add", 2, 20, 25), op(2, "read", [2], 30, 35)]
    assert AtLevel(SetModel(), "writes-follow-reads", "s").check(history(*follows)).valid is Valid.NO
    assert AtLevel(SetModel(), "monotonic-reads", "s").check(history(*follows)).valid is Valid.YES


def test_a_write_that_may_not_have_happened_holds_nothing_up():
    lost = history(op(0, "write", 1, 0, None, outcome=INFO), op(1, "read", None, 10, 15))
    assert AtLevel(CasRegister(), "causal", "c").check(lost).valid is Valid.YES
    seen = history(op(0, "write", 1, 0, None, outcome=INFO), op(1, "read", 1, 10, 15), op(1, "read", None, 20, 25))
    assert AtLevel(CasRegister(), "causal", "c").check(seen).valid is Valid.NO


def test_a_counter_read_short_of_ones_own_add_is_no_read_of_ones_writes():
    wrong = history(op(0, "add", 1, 0, 5), op(0, "read", 0, 10, 15))
    assert AtLevel(Counter(), "read-your-writes", "c").check(wrong).valid is Valid.NO
    assert AtLevel(Counter(), "sequential", "c").check(wrong).valid is Valid.NO


def test_where_causes_are_not_known_the_verdict_is_unknown_and_says_so():
    rows = [
        (0, "w", 1, "x"),
        (1, "w", 1, "x"),
        (2, "r", 1, "x"),
        (2, "w", 2, "y"),
        (3, "r", 2, "y"),
        (3, "r", None, "x"),
    ]
    result = _level("causal", *rows)
    assert result.valid is not Valid.NO
    if result.valid is Valid.UNKNOWN:
        assert "is not known" in result.sentence


def test_other_sessions_answers_are_not_taken_for_granted():
    """Two sessions dequeue the same value: right for neither view alone, and no view may judge the other's answer."""
    twice = history(op(0, "enqueue", 1, 0, 5), op(1, "dequeue", 1, 10, 15), op(2, "dequeue", 1, 20, 25))
    assert AtLevel(FifoQueue(), "sequential", "q").check(twice).valid is Valid.NO
    assert AtLevel(FifoQueue(), "pram", "q").check(twice).valid is not Valid.NO


def test_the_initial_value_is_the_histories():
    shown = history(op(0, "read", 0, 0, 5))
    shown.meta.initial = 0
    assert AtLevel(CasRegister(), "sequential", "s").check(shown).valid is Valid.YES


def test_levels_have_names_and_unknown_ones_are_told():
    assert checker("register:level=causal").name == "causal-cas-register"
    assert checker("linearizable-set:level=Sequential").name == "sequential-set"
    with pytest.raises(InputError, match="unknown consistency level 'strong'"):
        checker("register:level=strong")


class _Cache(NondeterministicModel):
    """A cache that may forget."""

    name = "cache"
    functions = frozenset(("read", "write"))

    def initials(self):
        return [None]

    def steps(self, state, operation):
        if operation.f == "write":
            return [operation.value, None]
        return [state] if operation.value == state else [None] if operation.value is None else []


class _Strict(Model):
    name = "strict"

    def initial(self):
        return None

    def step(self, state, operation):
        if operation.f == "write":
            return operation.value
        return state if operation.value == state else ILLEGAL


_WAYS = [(1, "valid", "valid"), (None, "valid", "invalid"), (2, "invalid", "invalid")]


@pytest.mark.parametrize(("value", "forgetful", "strict"), _WAYS)
def test_a_nondeterministic_model_may_go_on_in_any_of_its_ways(value, forgetful, strict):
    shown = history(op(0, "write", 1, 0, 5), op(1, "read", value, 10, 15), op(1, "read", value, 20, 25))
    assert Linearizable(_Cache()).check(shown).valid.value == forgetful
    assert Linearizable(_Strict()).check(shown).valid.value == strict


def test_a_cache_that_forgot_does_not_remember_again():
    again = history(op(0, "write", 1, 0, 5), op(1, "read", None, 10, 15), op(1, "read", 1, 20, 25))
    assert Linearizable(_Cache()).check(again).valid is Valid.NO
