"""Each anomaly's example is found under its name, and stands in docs/anomalies.md as it is here."""

from pathlib import Path

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.histories.model import History
from tests.driver.checkers.making import found
from tests.driver.checkers.scenarios.document import GROUPS, document

ALL = [(group, factory, one) for group, factory, scenarios in GROUPS for one in scenarios]
HARMLESS = {"never-read": Valid.UNKNOWN, "compacted-apart": Valid.UNKNOWN, "no-answer": Valid.UNKNOWN}


@pytest.mark.parametrize(
    ("factory", "one"),
    [(factory, one) for _, factory, one in ALL],
    ids=[f"{g.split('`')[1]}-{s.title}" for g, _, s in ALL],
)
def test_the_example_is_found_and_named(factory, one):
    result = (one.checker or factory)().check(History(one.operations))
    assert found(result) == one.names
    assert result.valid is HARMLESS.get(one.title, Valid.NO)
    assert len(one.operations) <= 5
    if result.valid is Valid.NO:
        assert result.counterexample is not None
        assert result.counterexample.sentence in result.sentence


def test_the_document_shows_every_example():
    text = Path(__file__).parents[4].joinpath("docs", "anomalies.md").read_text()
    assert text == document(), "run: python -m tests.driver.checkers.scenarios.document > docs/anomalies.md"
