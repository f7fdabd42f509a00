"""What docs/rules.md shows is true: its lines, objects and Python are run."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from raftmon.monitor.rules.actions import kinds
from raftmon.monitor.rules.language import vocabulary_help
from raftmon.monitor.rules.language.action_words import PACKET_ACTIONS
from raftmon.monitor.rules.language.condition_words import PACKET_CONDITIONS
from raftmon.monitor.rules.language.message_words import MESSAGE_ACTIONS, MESSAGE_CONDITIONS
from raftmon.monitor.rules.language.vocabulary import ACTIONS, CONDITIONS
from raftmon.monitor.rules.language.word import Word
from raftmon.monitor.rules.replay import replay
from raftmon.monitor.rules.serialization import ruleset_from_items

GUIDE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text()
NAMES = ("n1", "n2", "n3")
BIG, SMALL = "n1->n2 tcp 40000->2380 bytes 1400", "n1->n2 tcp 40000->2380 bytes 10"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


SCRIPTS = [block for block in blocks("python") if "def packet" in block]


@pytest.mark.parametrize("block", blocks("rules"))
def test_lines_are_rules(block: str) -> None:
    lines = block.strip().splitlines()
    assert len(ruleset_from_items(lines, NAMES)) == len(lines)


def test_objects_are_rules() -> None:
    (block,) = blocks("json")
    items = [json.loads(line) for line in block.strip().splitlines()]
    assert [rule.name for rule in ruleset_from_items(items, NAMES)] == ["cut", "slow", "line"]


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


@pytest.mark.parametrize("word", [*ACTIONS, *CONDITIONS])
def test_every_word_is_explained(word: str) -> None:
    assert re.search(rf"`[^`\n]*\b{word}\b[^`\n]*`", GUIDE), word


def shown_words(cells: list[str]) -> set[str]:
    """The words that stand first in the code of these texts: a link has none."""
    return {
        found[1] for cell in cells for code in re.findall(r"`([^`]+)`", cell) if (found := re.match(r"(\w+)\b", code))
    }


def first_column(heading: str) -> list[str]:
    section = GUIDE.split(f"### {heading}\n")[1].split("\n### ")[0]
    return re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)


def test_the_tables_of_conditions_have_every_word_and_no_other() -> None:
    links = {"n1", "and", "or", "not"}
    packets = shown_words(first_column("Which packets")) - links
    messages = shown_words(first_column("Which messages")) - links - {"source"}
    assert packets == {word for row in PACKET_CONDITIONS for word in row.words}
    assert messages == {word for row in MESSAGE_CONDITIONS for word in row.words}


def test_every_action_has_its_paragraph_and_no_other() -> None:
    assert shown_words(re.findall(r"\*\*(`[^`]+`)\*\*", GUIDE)) == set(ACTIONS)


@pytest.mark.parametrize("row", [*PACKET_CONDITIONS, *MESSAGE_CONDITIONS, *PACKET_ACTIONS, *MESSAGE_ACTIONS])
def test_a_rows_form_has_a_word_of_it_and_its_help_is_one_line(row: Word[object]) -> None:
    assert any(word in row.form for word in row.words)
    assert "\n" not in row.form + row.help
    assert row.form in vocabulary_help()
    assert row.help in vocabulary_help()


def test_no_two_rows_have_one_word_or_write_one_class() -> None:
    rows = (*PACKET_CONDITIONS, *MESSAGE_CONDITIONS, *PACKET_ACTIONS, *MESSAGE_ACTIONS)
    for listed in ([word for row in rows for word in row.words], [kind for row in rows for kind in row.writes]):
        assert len(listed) == len(set(listed))


def test_every_action_that_can_be_a_line_has_a_row_that_writes_it() -> None:
    # by name: slots make a class anew, and the one before may still be there
    ours = [kind for kind in kinds.Action.__subclasses__() if kind.__module__.startswith("raftmon.")]
    written = {kind.__name__ for row in (*PACKET_ACTIONS, *MESSAGE_ACTIONS) for kind in row.writes}
    assert written == {kind.__name__ for kind in ours if kind.parsable}
