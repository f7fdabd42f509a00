"""Odd histories: each gives a list of what is wrong with its lines, and the verdict on what remains."""

import json
from pathlib import Path

import pytest

from raftmon.driver.checkers import check_safely, checkers_for_history, combine
from raftmon.driver.cli import main
from raftmon.driver.histories.formats import read_history
from raftmon.setup.errors import InputError

CORPUS = Path(__file__).parent / "corpus"
EXPECTED = json.loads((CORPUS / "expected.json").read_text())
STATUS = {"valid": 0, "invalid": 1, "unknown": 2}


def test_every_file_of_the_corpus_is_expected():
    assert {path.name for path in CORPUS.iterdir()} == {*EXPECTED, "expected.json"}


def said(expected, problems):
    """Each expected (line, words) is among the problems, and there are no others."""
    assert len(problems) >= len(expected)
    for line, words in expected:
        assert any(problem.line == line and words in problem.sentence for problem in problems), problems
    assert all(any(problem.line == line for line, _ in expected) for problem in problems), problems


@pytest.mark.parametrize("name", EXPECTED)
def test_an_odd_history_gives_its_problems_and_a_verdict(name):
    expected = EXPECTED[name]
    history = read_history(CORPUS / name)
    said(expected["problems"], history.problems)
    said(expected["notes"], history.notes)
    if expected["operations"] is not None:
        assert len(history) == expected["operations"]
    results = [check_safely(one, history) for one in checkers_for_history(history)]
    assert combine(results).value == expected["valid"], [result.sentence for result in results]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_command_ends_by_the_verdict_and_tells_the_lines(name, capsys):
    assert main(["check", str(CORPUS / name)]) == STATUS[EXPECTED[name]["valid"]]
    printed = capsys.readouterr().out
    for line, words in EXPECTED[name]["problems"]:
        assert words in printed
        assert line is None or f"line {line}: " in printed


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.endswith((".jsonl", ".edn", ".log", ".txt"))])
def test_no_beginning_of_a_file_makes_it_crash(name, tmp_path):
    data = (CORPUS / name).read_bytes()
    for end in range(0, len(data), max(1, len(data) // 60)):
        path = tmp_path / f"{end}-{name}"
        path.write_bytes(data[:end])
        try:
            history = read_history(path)
        except InputError:
            continue
        for one in checkers_for_history(history):
            assert one.check(history).sentence
