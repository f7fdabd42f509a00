"""The docs' tables say what the rows say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from raftmon.adapters.systems import SYSTEMS
from raftmon.driver.checkers.checkers import CHECKERS
from raftmon.driver.experiments.published import EXPERIMENTS
from raftmon.driver.faults.faults import catalogue
from raftmon.driver.faults.selectors import SELECTORS
from raftmon.driver.topologies.topologies import TOPOLOGIES
from raftmon.driver.workloads.workloads import WORKLOADS

DOCS = Path(__file__).parents[2] / "docs"


def table(page: str, first: str) -> list[list[str]]:
    """The cells of the table whose first heading is ``first``."""
    text = (DOCS / page).read_text()
    (found,) = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [re.split(r" *\| *", line[2:].removesuffix("|").strip(" ")) for line in found.splitlines()]


def two_columns(page: str, first: str) -> list[tuple[str, str]]:
    return [(cells[0].strip("` "), cells[1].strip()) for cells in table(page, first)]


def test_systems():
    assert two_columns("adapters.md", "`--system`")[:-1] == [(name, kind.summary) for name, kind in SYSTEMS.items()]


def test_workloads():
    assert two_columns("workloads.md", "workload") == [(name, kind.summary) for name, kind in WORKLOADS.items()]


def test_topologies():
    assert two_columns("topologies.md", "topology")[:-1] == [(name, kind.summary) for name, kind in TOPOLOGIES.items()]


def test_faults():
    verbs = {f"{verb}-{selector}" for verb in ("kill", "pause", "restart", "defragment") for selector in SELECTORS}
    expected = []
    for name, kind in catalogue().items():
        if name not in verbs:
            options = ", ".join(f"`{option}={known.default}`" for option, known in kind.options.items())
            expected.append([f"`{name}`", kind.summary, options])
    assert table("faults.md", "fault`(option=value)`") == expected


def test_published_experiments():
    expected = [[f"`{one.name}`", str(one.nodes), one.title, one.source] for one in EXPERIMENTS]
    assert table("scenarios.md", "scenario") == expected


def test_checkers():
    expected = [
        [f"`{name}`", kind.summary, ", ".join(sorted([*(kind.functions or ()), *kind.aliases]))]
        for name, kind in CHECKERS.items()
    ]
    assert table("checkers.md", "checker") == expected


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_option_of_a_workload_is_explained(name: str):
    assert list(WORKLOADS[name].options) == list(WORKLOADS[name].parameters())
