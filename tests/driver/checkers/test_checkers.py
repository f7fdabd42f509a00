"""The right checkers are found for a workload and for a history; users bring their own."""

import pytest

from raftmon.driver.checkers import CHECKERS, Checker, check_safely, checker, checkers_for, checkers_for_history
from raftmon.driver.checkers.base import Valid
from raftmon.setup.errors import InputError
from tests.driver.checkers.making import history, op


@pytest.mark.parametrize("name", CHECKERS)
def test_every_built_in_checker_can_be_made_and_looks_at_an_empty_history(name):
    made = checker(name)
    assert isinstance(made, Checker)
    assert check_safely(made, history()).checker


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([op(0, "read", None, 0, 1), op(0, "cas", [1, 2], 2, 3)], "register"),
        ([op(0, "get", "", 0, 1), op(0, "append", "a", 2, 3)], "linearizable-key-value"),
        ([op(0, "txn", [["append", "x", 1]], 0, 1)], "list-append"),
        ([op(0, "txn", [["w", "x", 1]], 0, 1)], "rw-register"),
        ([op(0, "add", 1, 0, 1), op(0, "read", [1], 2, 3)], "set-full"),
        ([op(0, "add", 1, 0, 1), op(0, "read", 1, 2, 3)], "linearizable-counter"),
        ([op(0, "enqueue", 1, 0, 1)], "fifo-queue"),
        ([op(0, "acquire", None, 0, 1)], "lock"),
        ([op(0, "transfer", {}, 0, 1), op(0, "read", {}, 2, 3)], "bank"),
        ([], "register"),
    ],
)
def test_a_history_asks_for_the_checkers_that_know_its_functions(operations, expected):
    names = [made.name for made in checkers_for_history(history(*operations))]
    assert names == ["assumptions", expected]


def test_a_workload_names_its_checkers():
    assert [made.name for made in checkers_for("register")] == ["assumptions", "register"]
    assert [made.name for made in checkers_for("bank")] == ["assumptions", "bank"]


MINE = """
from raftmon.driver.checkers import ILLEGAL, Model

class Toggle(Model):
    name = "toggle"
    def initial(self): return False
    def step(self, state, operation):
        if operation.f == "flip": return not state
        return state if operation.value == state else ILLEGAL

class Broken:
    pass
"""


def test_a_users_model_in_a_file_is_a_checker(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    made = checker(f"{tmp_path}/mine.py:Toggle")
    assert made.name == "linearizable-toggle"
    assert made.check(history(op(0, "flip", None, 0, 1), op(0, "look", False, 2, 3))).valid is Valid.NO


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nonsense", "unknown checker 'nonsense'"),
        ("{}/missing.py:X", "there is no file"),
        ("{}/mine.py:Nothing", "has nothing named"),
        ("{}/mine.py:Broken", "neither a checker"),
        ("{}/wrong.py:X", "SyntaxError"),
    ],
)
def test_a_checker_that_is_not_there_is_bad_input(tmp_path, name, words):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "wrong.py").write_text("def")
    with pytest.raises(InputError, match=words):
        checker(name.format(tmp_path))
