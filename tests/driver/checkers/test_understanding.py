"""A checker says valid only of operations that it understands."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.driver.checkers.asked_for import checkers_for, chosen_checkers
from raftmon.driver.checkers.base import Valid, combine
from raftmon.driver.checkers.checkers import CHECKERS
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome

KNOWN = {f for entry in CHECKERS.values() for f in (*entry.functions, *entry.aliases)}


def _operation(f, value, at, process=0, outcome=Outcome.OK):
    return Operation(process, f, "x", value, at, at + 1, outcome, at)


def _verdict(*operations, checkers=None):
    history = History(operations)
    chosen = chosen_checkers(checkers, history) if checkers else checkers_for("", history)
    results = [one.check(history) for one in chosen]
    return combine(results), " ".join(result.sentence for result in results)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text("abcdefghij-", min_size=2, max_size=12).filter(lambda f: f not in KNOWN), min_size=1, max_size=4)
)
def test_a_history_of_unknown_functions_is_unknown_and_names_them(functions):
    valid, sentence = _verdict(*(_operation(f, place, place * 10) for place, f in enumerate(functions)))
    assert valid is Valid.UNKNOWN
    assert all(f in sentence for f in functions)


@settings(max_examples=100, deadline=None)
@given(st.text("abcdefghij-", min_size=2, max_size=12).filter(lambda f: f not in KNOWN), st.booleans())
def test_what_an_unknown_function_may_have_written_makes_no_history_invalid_and_none_valid(f, wrote):
    operations = [_operation("write", 1, 0), _operation(f, 2, 10), _operation("read", 2 if wrote else 1, 20)]
    valid, sentence = _verdict(*operations)
    assert valid is Valid.UNKNOWN
    assert f"1 {f}" in sentence


def test_a_function_that_only_reads_does_not_excuse_a_wrong_read():
    operations = [_operation("write", 1, 0), _operation("range-read", None, 10), _operation("read", 2, 20)]
    assert _verdict(*operations)[0] is Valid.NO


@pytest.mark.parametrize("name", CHECKERS)
def test_no_checker_vouches_for_what_it_does_not_understand(name):
    valid, sentence = _verdict(_operation("frobnicate", 1, 0), checkers=[name])
    assert valid is Valid.UNKNOWN
    assert "understands" in sentence


def test_broadcast_is_an_add_of_a_set():
    reads = [_operation("broadcast", 1, 0), _operation("read", [1], 10), _operation("read", [], 20)]
    assert _verdict(*reads)[0] is Valid.NO
    assert _verdict(*reads[:2])[0] is Valid.YES
