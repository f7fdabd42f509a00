"""Public inputs that went wrong once, each with its right answer (shared/cases/expected.json)."""

import json

import pytest

from raftmon.driver.checkers.asked_for import checkers_for, chosen_checkers
from raftmon.driver.checkers.base import combine
from raftmon.driver.histories.formats import read_history
from tests.shared import SHARED

CASES = SHARED / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not on this machine")

VERDICTS = {
    "json-array/bank-negative.json": "invalid",
    "json-array/bank.json": "valid",
    "elle-without-f/no-f.edn": "invalid",
    "edn/broken-over-lines.edn": "valid",
    "independent/set-good.edn": "valid",
    "independent/set-lost.edn": "invalid",
    "independent/counter-good.edn": "valid",
    "independent/lock-good.edn": "valid",
    "unknown-functions/broadcast-good.edn": "valid",
    "unknown-functions/kafka-lost.edn": "invalid",
    "unknown-functions/unique-ids-twice.edn": "invalid",
    "queue/drain-good.edn": "valid",
    "queue/unordered-good.edn": "invalid",
    "initial/register-from-zero.edn": "unknown",
    "levels/serializable-not-strict.edn": "invalid",
    "long-fork/good.edn": "valid",
    "text-log/keywords.txt": "valid",
    "text-log/free-text-errors.txt": "valid",
    "encodings/bom.edn": "valid",
    "encodings/bom.txt": "valid",
    "etcd-robustness": "invalid",
}


def _judged(history, level=None):
    return [one.check(history) for one in checkers_for("", history, level=level)]


def test_every_case_of_a_history_is_tried_here():
    names = {name for name in json.loads((CASES / "expected.json").read_text()) if not name.startswith("captures/")}
    assert names == VERDICTS.keys()


@pytest.mark.parametrize(("name", "verdict"), VERDICTS.items())
def test_the_verdict_is_right(name, verdict):
    history = read_history(CASES / name)
    assert history.problems == []
    assert combine(_judged(history)).value == verdict


def test_the_order_of_a_queue_is_an_option_and_the_sentence_names_it():
    history = read_history(CASES / "queue" / "unordered-good.edn")
    fifo = [result for result in _judged(history) if result.checker == "fifo-queue"]
    assert "FIFO" in fifo[0].sentence
    assert [one.check(history).valid.value for one in chosen_checkers(["queue:order=any"], history)] == ["valid"]


def test_an_initial_value_that_is_given_explains_what_nobody_wrote_and_the_sentence_asks_for_it():
    history = read_history(CASES / "initial" / "register-from-zero.edn")
    assert any("--initial 0" in result.sentence for result in _judged(history))
    history.meta.initial = 0
    assert combine(_judged(history)).value == "valid"


def test_a_level_that_is_asked_for_is_the_one_that_is_judged():
    history = read_history(CASES / "levels" / "serializable-not-strict.edn")
    assert combine(_judged(history, level="serializable")).value == "valid"


def test_both_anomalies_of_the_robustness_report_are_told():
    sentences = [result.sentence for result in _judged(read_history(CASES / "etcd-robustness"))]
    assert any("stale" in sentence for sentence in sentences)
    assert any("at revision 2 came twice" in sentence for sentence in sentences)
