"""``raftmon list`` and ``raftmon check --list`` print the rows."""

from __future__ import annotations

import pytest

from raftmon.adapters.systems import SYSTEMS
from raftmon.driver.checkers.checkers import CHECKERS
from raftmon.driver.cli import main
from raftmon.driver.cli.listing import LISTS
from raftmon.driver.faults.faults import catalogue
from raftmon.driver.workloads.workloads import WORKLOADS
from raftmon.monitor.message_rules.trigger_words import TRIGGERS
from raftmon.monitor.rules.language.action_words import PACKET_ACTIONS
from raftmon.monitor.rules.language.condition_words import PACKET_CONDITIONS
from raftmon.monitor.rules.language.message_words import MESSAGE_ACTIONS, MESSAGE_CONDITIONS

ROWS = {"systems": SYSTEMS, "faults": catalogue(), "checkers": CHECKERS, "workloads": WORKLOADS}


@pytest.mark.parametrize("what", ROWS)
def test_every_row_is_listed_with_its_summary(what: str, capsys: pytest.CaptureFixture[str]):
    assert main(["list", what]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, kind in ROWS[what].items():
        assert [line for line in lines if line.split()[:1] == [name] and line.endswith(kind.summary)], name


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        ("actions", (*PACKET_ACTIONS, *MESSAGE_ACTIONS)),
        ("conditions", (*PACKET_CONDITIONS, *MESSAGE_CONDITIONS)),
        ("triggers", TRIGGERS),
    ],
)
def test_every_word_of_rules_is_listed_with_its_parameters_and_help(what, rows, capsys: pytest.CaptureFixture[str]):
    assert main(["list", what]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        assert line.removeprefix("when ").startswith(row.form)
        assert line.endswith(row.help)


def test_options_of_a_fault_are_listed_with_default_and_meaning(capsys: pytest.CaptureFixture[str]):
    main(["list", "faults"])
    text = capsys.readouterr().out
    for kind in catalogue().values():
        for option, known in kind.options.items():
            assert f"{option}={known.default}" in text
            assert known.help in text


def test_without_a_word_all_lists_are_printed(capsys: pytest.CaptureFixture[str]):
    assert main(["list"]) == 0
    headings = [line[:-1] for line in capsys.readouterr().out.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == list(LISTS)


def test_check_lists_what_each_checker_understands(capsys: pytest.CaptureFixture[str]):
    assert main(["check", "--list"]) == 0
    text = capsys.readouterr().out
    for kind in CHECKERS.values():
        assert f"understands {', '.join(sorted([*(kind.functions or ()), *kind.aliases]))}" in text


def test_a_list_that_there_is_not_is_bad_input(capsys: pytest.CaptureFixture[str]):
    assert main(["list", "fautls"]) == 64
    assert "unknown list 'fautls': did you mean faults? (available: systems, faults" in capsys.readouterr().err
