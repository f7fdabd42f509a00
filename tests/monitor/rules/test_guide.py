"""What docs/rules.md shows is true: its lines, objects and Python are run."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from raftmon.monitor.rules.language.action_words import ACTIONS
from raftmon.monitor.rules.language.condition_words import MATCHES
from raftmon.monitor.rules.replay import replay
from raftmon.monitor.rules.rule import RuleSet

GUIDE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text()
NAMES = ("n1", "n2", "n3")
BIG, SMALL = "n1->n2 tcp 40000->2380 bytes 1400", "n1->n2 tcp 40000->2380 bytes 10"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


SCRIPTS = [block for block in blocks("python") if "def packet" in block]


@pytest.mark.parametrize("block", blocks("rules"))
def test_lines_are_rules(block: str) -> None:
    lines = block.strip().splitlines()
    assert len(RuleSet.from_items(lines, NAMES)) == len(lines)


def test_objects_are_rules() -> None:
    (block,) = blocks("json")
    items = [json.loads(line) for line in block.strip().splitlines()]
    assert [rule.name for rule in RuleSet.from_items(items, NAMES)] == ["cut", "slow", "line"]


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_python_is_a_rules_file_that_does_what_is_said(number: int, tmp_path: Path) -> None:
    path = tmp_path / "guide.py"
    path.write_text(SCRIPTS[number])
    outcomes = replay(path, [BIG, *[SMALL] * 101, "n2->n1"])
    gone = [index for index, outcome in enumerate(outcomes) if outcome.dropped]
    delayed = [outcome.delays_ms[0] for outcome in outcomes if outcome.delays_ms]
    expected = [([0], 0.0), ([], 14.4), ([100, 101], 0.0)]
    assert (gone, max(delayed)) == expected[number]


def test_the_example_on_messages_is_the_one_that_is_tested() -> None:
    (block,) = (block for block in blocks("python") if "def message" in block)
    example = (Path(__file__).parents[3] / "examples" / "rules" / "lose_every_fifth_append.py").read_text()
    shown, kept = ast.parse(block).body, ast.parse(example).body[1:]  # there its first line says what it does
    assert [ast.dump(one) for one in shown] == [ast.dump(one) for one in kept]


def test_the_first_example_has_five_lines() -> None:
    assert len(SCRIPTS[0].strip().splitlines()) == 5


def test_the_replay_prints_what_the_guide_shows(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (block for block in blocks("python") if "for outcome in replay" in block)
    exec(block, {})
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 3
    assert "\n".join(f"    {line}" for line in printed.splitlines()) in GUIDE


@pytest.mark.parametrize("word", [*ACTIONS, *MATCHES])
def test_every_word_is_explained(word: str) -> None:
    assert re.search(rf"`[^`\n]*\b{word}\b[^`\n]*`", GUIDE), word
