"""Small histories as Jepsen, Knossos, Elle, Maelstrom and others write them: each has its verdict and its words."""

import json
from pathlib import Path

import pytest

from raftmon.driver.checkers import check_safely, checkers_for_history, combine
from raftmon.driver.histories.formats import read_history

ODD = Path(__file__).parent / "odd"
EXPECTED = json.loads((ODD / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_an_odd_input_is_judged_rightly(name):
    history = read_history(ODD / name)
    results = [check_safely(one, history) for one in checkers_for_history(history)]
    said = " ".join(result.sentence for result in results)
    assert combine(results).value == EXPECTED[name]["valid"], said
    assert EXPECTED[name]["words"] in said


def test_every_file_has_an_expectation():
    assert {path.name for path in ODD.iterdir()} == {*EXPECTED, "expected.json"}
