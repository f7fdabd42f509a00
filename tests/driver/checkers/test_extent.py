"""Every verdict of every checker says how much of the history it understood, in the same words."""

import re
import sqlite3

import pytest

from raftmon.driver.checkers.asked_for import chosen_checkers
from raftmon.driver.checkers.assumptions import Assumptions
from raftmon.driver.checkers.availability.checker import Availability
from raftmon.driver.checkers.base import Result, Valid
from raftmon.driver.checkers.checkers import CHECKERS
from raftmon.driver.checkers.extent import UNDERSTOOD
from raftmon.driver.checkers.per_key import PerKey
from raftmon.driver.checkers.safe import check_safely
from raftmon.driver.checkers.search.linearizable import Linearizable
from raftmon.driver.checkers.search.models import MODELS
from raftmon.driver.checkers.stores_agree import StoresAgree
from raftmon.driver.checkers.understanding import NobodyUnderstands
from raftmon.driver.checkers.wire.checker import Committed, Wire
from raftmon.driver.results.wire import Invariants
from tests.driver.checkers.making import FAIL, INFO, history, op

CLAUSE = re.compile(r"(\d+) operations judged, (\d+) indefinite, (\d+) passed over\)?$")

KINDS = {
    "read": [1, [1], {"0": 5, "1": 5}, [["r", 1, None]], None],
    "add": [1, "x"],
    "write": [1, [["w", 1, 1]]],
    "cas": [[1, 2], 7],
    "txn": [[["append", 1, 1]], [["r", 1, [1]]], [["w", 1, 1]], "nonsense"],
    "send": [[["send", "a", [0, 1]]]],
    "poll": [[["poll", {"a": [[0, 1]]}]]],
    "acquire": [1, None, {"client": "a"}],
    "store": [{"revision": 1, "hash": 2}, {}],
}


def _histories():
    """For each function of any checker: good, odd, failed and indefinite operations, besides an unknown function."""
    names = sorted({f for kind in CHECKERS.values() for f in (*(kind.functions or ()), *kind.aliases)})
    made = []
    for first, second in zip(names, [*names[1:], names[0]], strict=True):
        rows, at = [op(9, "frobnicate", 1, 0, 5)], 10
        for f in (first, second):
            for value in KINDS.get(f, [1, "x", None]):
                for outcome in (None, FAIL, INFO):
                    back = None if outcome is INFO else at + 5
                    extra = {} if outcome is None else {"outcome": outcome}
                    rows.append(op(at, f, value, at, back, node="n1", **extra))
                    at += 10
        made.append(history(*rows))
    return made


ALL = [history(), *_histories()]


def _judged(result, shown):
    match = CLAUSE.search(result.sentence)
    assert match, (result.checker, result.sentence)
    judged, indefinite, passed = map(int, match.groups())
    assert judged + passed == len(shown)
    assert indefinite <= judged
    assert result.details[UNDERSTOOD] == {"judged": judged, "indefinite": indefinite, "passed_over": passed}


@pytest.mark.parametrize("name", CHECKERS)
def test_every_row_says_how_much_it_understood(name):
    shown = [one for one in ALL if not len(one) or one.functions() & CHECKERS[name].functions or one is ALL[1]]
    for one in shown:
        for checker in chosen_checkers([name], one):
            result = check_safely(checker, one, timeout_s=2)
            assert "traceback" not in result.details, result.details["traceback"]
            _judged(result, one)
            _judged(check_safely(PerKey(checker), one, timeout_s=2), one)


class Boom:
    name = "boom"

    def check(self, history):
        raise RuntimeError("boom")


class Own:
    name = "own"

    def check(self, history):
        return Result(Valid.YES, self.name, "valid: my own")


OTHERS = {
    "wire": Wire([Committed(1, 1, "x", 1, 0)]),
    "partial-wire": Wire([], complete=False),
    "stores-agree": StoresAgree(["n1", "n2"]),
    "availability": Availability(),
    "assumptions": Assumptions(),
    "nobody": NobodyUnderstands(("register",)),
    "crashed": Boom(),
    "own": Own(),
    **{f"model-{name}": Linearizable(model()) for name, model in MODELS.items()},
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_checker_says_so_too(name):
    for one in ALL[:4]:
        _judged(check_safely(OTHERS[name], one, timeout_s=2), one)


def test_what_never_came_to_an_end_judged_nothing():
    one = ALL[1]
    result = check_safely(Boom(), one)
    assert f"(0 operations judged, 0 indefinite, {len(one)} passed over)" in result.sentence


def test_invariants_count_messages_and_bytes():
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.executescript(
        "CREATE TABLE violations (id, invariant, sentence, witnesses); CREATE TABLE messages (id);"
        "CREATE TABLE channels (system); INSERT INTO messages VALUES (1), (2)"
    )
    result = check_safely(Invariants(connection, unread_bytes=7), history())
    assert result.sentence.endswith("(2 messages judged, 0 indefinite, 7 bytes passed over)")


def test_what_has_another_shape_is_counted_as_passed_over_and_named():
    shown = history(op(0, "write", 1, 0, 5), op(1, "cas", 7, 10, 15), op(2, "read", 1, 20, 25))
    (checker,) = chosen_checkers(["register"], shown)
    result = check_safely(checker, shown)
    assert result.valid is Valid.UNKNOWN
    assert "1 cas that has no [old, new]" in result.sentence
    assert result.details[UNDERSTOOD] == {"judged": 2, "indefinite": 0, "passed_over": 1}
