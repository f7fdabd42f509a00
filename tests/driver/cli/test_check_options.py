"""``raftmon check``: levels, models, initial values, options of checkers, explanations, folders."""

import json
import os

import pytest

from raftmon.driver.checkers.checkers import CHECKERS
from raftmon.driver.cli import main

TOGGLE = """
from raftmon.driver.checkers.search.model import ILLEGAL, Model

class Toggle(Model):
    name = "toggle"
    functions = frozenset(("flip", "look"))
    def initial(self):
        return False
    def step(self, state, operation):
        if operation.f == "flip":
            return not state
        return state if operation.value == state else ILLEGAL
"""


def write(path, *rows):
    """Sequential operations, one after another: (process, f, value)."""
    lines = []
    for n, (process, f, value) in enumerate(rows):
        for kind, at in (("invoke", 10 * n), ("ok", 10 * n + 5)):
            shown = None if kind == "invoke" and f in ("read", "look", "dequeue") else value
            lines.append(json.dumps({"process": process, "type": kind, "f": f, "value": shown, "time_ns": at}))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture
def stale(tmp_path):
    return write(tmp_path / "stale.jsonl", (0, "write", 1), (1, "read", None))


@pytest.mark.parametrize("options", [[], ["--checker", "register"], ["--checker", "linearizable-register"]])
def test_a_level_weakens_what_is_asked_with_and_without_a_named_checker(options, stale, capsys):
    assert main(["check", stale, *options]) == 1
    assert main(["check", stale, *options, "--level", "sequential"]) == 0
    assert "are sequential as" in capsys.readouterr().out


def test_a_level_stands_beside_a_models_name_and_other_options(stale, tmp_path, capsys):
    assert main(["check", stale, "--model", "register", "--level", "causal"]) == 0
    assert main(["check", stale, "--checker", "register:level=causal"]) == 0
    lists = tmp_path / "txn.jsonl"
    lists.write_text(
        '{"process":0,"type":"ok","f":"txn","value":[["append","x",1]],"time_ns":1}\n'
        '{"process":1,"type":"ok","f":"txn","value":[["r","x",[1]]],"time_ns":5}\n'
    )
    assert main(["check", str(lists), "--checker", "list-append", "--level", "serializable"]) in (0, 2)
    assert "serializable" in capsys.readouterr().out


def test_a_level_that_is_none_or_not_the_checkers_is_bad_input(stale, capsys):
    assert main(["check", stale, "--level", "excellent"]) == 64
    assert "unknown consistency level 'excellent' (available: linearizable, sequential" in capsys.readouterr().err
    assert main(["check", stale, "--checker", "set-full", "--level", "causal"]) == 64
    assert "set-full has no levels" in capsys.readouterr().err


def test_a_model_of_ones_own_is_searched_with(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(TOGGLE)
    model = f"{tmp_path / 'mine.py'}:Toggle"
    right = write(tmp_path / "right.jsonl", (0, "flip", None), (1, "look", True), (0, "flip", None), (1, "look", False))
    wrong = write(tmp_path / "wrong.jsonl", (0, "flip", None), (1, "look", False))
    assert main(["check", right, "--model", model]) == 0
    assert "4 operations judged, 0 indefinite, 0 passed over" in capsys.readouterr().out
    assert main(["check", wrong, "--model", model]) == 1


@pytest.mark.parametrize(("checker", "status"), [("queue:order=fifo", 1), ("queue:order=any", 0), ("total-queue", 2)])
def test_queues_in_order_and_in_any(checker, status, tmp_path):
    path = write(tmp_path / "q.jsonl", (0, "enqueue", 1), (0, "enqueue", 2), (1, "dequeue", 2))
    assert main(["check", path, "--checker", checker]) == status


@pytest.mark.parametrize("name", ["linearizable-cas-register", "register", "linearizable-counter"])
def test_the_initial_value_is_every_models(name, tmp_path):
    path = write(tmp_path / "seven.jsonl", (0, "read", 7))
    assert main(["check", path, "--checker", name]) == 1
    assert main(["check", path, "--checker", name, "--initial", "7"]) == 0


def test_many_registers_have_initial_values_each(tmp_path):
    path = write(tmp_path / "multi.jsonl", (0, "txn", [["r", "x", 1], ["r", "y", 2]]))
    assert main(["check", path, "--model", "multi-register", "--initial", '{"x": 1, "y": 2}']) == 0
    assert main(["check", path, "--model", "multi-register", "--initial", '{"x": 1, "y": 1}']) == 1


def test_an_initial_value_for_what_has_none_is_told(tmp_path, capsys):
    path = write(tmp_path / "q.jsonl", (0, "push", 1))
    assert main(["check", path, "--model", "stack", "--initial", "1"]) == 2
    assert "has no initial value to choose" in capsys.readouterr().out


def test_an_explanation_may_take_longer_when_asked(stale, capsys):
    assert main(["check", stale, "--explain", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["checkers"]["register"]["counterexample"]["minimal"] is True


def test_the_list_names_what_each_understands(capsys):
    assert main(["check", "--list"]) == 0
    said = capsys.readouterr().out
    for name, kind in CHECKERS.items():
        assert name in said
        assert all(function in said for function in kind.functions or ())
    assert "option level: consistency level: linearizable, sequential" in said


def test_a_folder_of_small_histories_starts_no_process(tmp_path, monkeypatch, capsys):
    rows = {
        "set": [(0, "add", 1), (1, "read", [1])],
        "queue": [(0, "enqueue", 1), (1, "dequeue", 1)],
        "counter": [(0, "inc", 1), (1, "read", 1)],
        "ids": [(0, "generate", 1), (1, "generate", 2)],
        "lists": [(0, "txn", [["append", "x", 1]]), (1, "txn", [["r", "x", [1]]])],
        "lock": [(0, "acquire", None), (0, "release", None)],
    }
    for name, some in rows.items():
        write(tmp_path / f"{name}.jsonl", *some)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process was started"))
    assert main(["check", str(tmp_path), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out).values()) == {"valid"}
