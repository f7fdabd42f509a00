"""The guarantees of watches and lists: a history that keeps them, and each of them broken once."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from raftmon.driver.checkers.base import Result, Valid
from raftmon.driver.checkers.kubernetes import Kubernetes
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome

Rows = list[Operation]


def operation(index: int, f: str, key: str | None, value: Any, outcome: str = "ok", **extra: Any) -> Operation:
    ends = None if outcome == "info" else index * 10 + 5
    return Operation(index, f, key, value, index * 10, ends, Outcome(outcome), index=index, extra=extra or None)


def item(key: str, value: Any, mod: int, create: int, version: int) -> dict[str, Any]:
    return {"key": key, "value": value, "mod": mod, "create": create, "version": version}


def told(key: str, value: Any, mod: int, create: int, version: int, previous: Any = None) -> dict[str, Any]:
    return {"type": "put", **item(key, value, mod, create, version), "previous": previous}


def gone(key: str, mod: int, previous: Any) -> dict[str, Any]:
    return {"type": "delete", **item(key, None, mod, 0, 0), "previous": previous}


def good() -> Rows:
    """a: created at 2, updated at 4, deleted at 5, created again at 6; b: created at 3."""
    a2, a4, b3 = item("a", 1, 2, 2, 1), item("a", 3, 4, 2, 2), item("b", 2, 3, 3, 1)
    responses = [
        {"revision": 2, "events": [told("a", 1, 2, 2, 1)]},
        {"revision": 4, "events": [told("b", 2, 3, 3, 1), told("a", 3, 4, 2, 2, a2)]},
        {"revision": 4, "events": []},
        {"revision": 6, "events": [gone("a", 5, a4), told("a", 4, 6, 6, 1)]},
    ]
    return [
        operation(0, "create", "a", 1, revision=2, previous=None, expected=0),
        operation(1, "create", "b", 2, revision=3, previous=None, expected=0),
        operation(2, "update", "a", 3, revision=4, previous=a2, expected=2),
        operation(3, "list", None, [a4, b3], revision=4, pages=[4, 4]),
        operation(4, "delete", "a", None, revision=5, previous=a4, expected=4),
        operation(5, "create", "a", 4, revision=6, previous=None, expected=0),
        operation(6, "observe", None, responses, start_revision=2, without=""),
        operation(7, "list", None, [item("a", 4, 6, 6, 1), b3], revision=6, pages=[6]),
    ]


def judged(rows: Rows) -> Result:
    return Kubernetes().check(History(rows))


def responses(rows: Rows) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows[6].value
    return found


def test_a_history_that_keeps_all_guarantees_is_valid() -> None:
    result = judged(good())
    assert result.valid is Valid.YES, result.sentence
    assert (result.details["events"], result.details["bookmarks"], result.details["lists"]) == (5, 1, 2)


def _swap(rows: Rows) -> None:
    events = responses(rows)[1]["events"]
    events[0], events[1] = events[1], events[0]


def _twice(rows: Rows) -> None:
    responses(rows)[1]["events"].insert(0, deepcopy(responses(rows)[0]["events"][0]))


def _split(rows: Rows) -> None:
    extra = told("c", 9, 4, 4, 1)
    rows.append(operation(8, "create", "c", 9, revision=4, expected=0))
    responses(rows).insert(2, {"revision": 4, "events": [extra]})


def _between(rows: Rows) -> None:
    del responses(rows)[1]["events"][0]


def _behind_start(rows: Rows) -> None:
    del responses(rows)[0]


def _before_start(rows: Rows) -> None:
    rows[6].extra = {"start_revision": 3, "without": ""}


def _bookmark_too_far(rows: Rows) -> None:
    responses(rows)[2]["revision"] = 5


def _bookmark_without_events(rows: Rows) -> None:
    del responses(rows)[3]
    responses(rows)[2]["revision"] = 6


def _other_previous(rows: Rows) -> None:
    responses(rows)[1]["events"][1]["previous"]["value"] = 7


def _no_previous(rows: Rows) -> None:
    responses(rows)[3]["events"][0]["previous"] = None


def _creates_what_was_there(rows: Rows) -> None:
    responses(rows)[1]["events"][1].update(create=4, version=1, previous=None)


def _filtered(rows: Rows) -> None:
    rows[6].extra = {"start_revision": 2, "without": "nodelete"}


def _header(rows: Rows) -> None:
    responses(rows)[3]["revision"] = 5


def _nobody_wrote(rows: Rows) -> None:
    rows[7].value[1] = item("b", 77, 7, 3, 2)
    rows[7].extra = {"revision": 7, "pages": [7]}


def _refused_write(rows: Rows) -> None:
    rows[5].outcome = Outcome.FAIL


def _stale_list(rows: Rows) -> None:
    rows[7].value[0] = item("a", 3, 4, 2, 2)


def _list_lacks_one(rows: Rows) -> None:
    del rows[7].value[1]


def _revision_back(rows: Rows) -> None:
    rows[7].extra = {"revision": 4, "pages": [4]}


def _same_revision(rows: Rows) -> None:
    rows.append(operation(8, "create", "d", 12, revision=6, expected=0))


def _wrong_precondition(rows: Rows) -> None:
    rows[2].extra = {**(rows[2].extra or {}), "expected": 1}


def _disagree(rows: Rows) -> None:
    responses(rows)[0]["events"][0]["value"] = 4


MISTAKES = [
    ("ordered", _swap),
    ("unique", _twice),
    ("atomic", _split),
    ("reliable", _between),
    ("resumable", _behind_start),
    ("resumable", _before_start),
    ("bookmarkable", _bookmark_too_far),
    ("bookmarkable", _bookmark_without_events),
    ("previous-value", _other_previous),
    ("previous-value", _no_previous),
    ("is-create", _creates_what_was_there),
    ("filter", _filtered),
    ("header", _header),
    ("phantom", _nobody_wrote),
    ("failed-took-effect", _refused_write),
    ("list", _stale_list),
    ("list", _list_lacks_one),
    ("revision-back", _revision_back),
    ("revision-twice", _same_revision),
    ("precondition", _wrong_precondition),
    ("disagree", _disagree),
]


@pytest.mark.parametrize(("name", "mistake"), MISTAKES)
def test_a_planted_mistake_is_found_by_its_name(name: str, mistake: Callable[[Rows], None]) -> None:
    rows = good()
    mistake(rows)
    result = judged(rows)
    assert result.valid is Valid.NO
    assert name in result.details["anomalies"], result.sentence


def test_a_previous_value_that_was_compacted_may_be_missing() -> None:
    rows = good()
    _no_previous(rows)
    rows.append(operation(8, "compact", None, 5))
    assert judged(rows).valid is Valid.YES


def test_a_leased_object_and_one_whose_delete_is_in_doubt_may_be_gone() -> None:
    rows = good()
    _list_lacks_one(rows)
    rows[1].extra = {**(rows[1].extra or {}), "leased": True}
    assert judged(rows).valid is Valid.YES
    rows[1].extra["leased"] = False
    rows.insert(7, Operation(9, "delete", "b", None, 61, None, Outcome.INFO, index=9))
    assert judged(rows).valid is Valid.YES


def test_a_write_of_unknown_outcome_may_be_told() -> None:
    rows = good()
    rows[5].outcome, rows[5].return_ns = Outcome.INFO, None
    assert judged(rows).valid is Valid.YES


def test_without_any_answer_nobody_knows() -> None:
    assert judged(good()[:2]).valid is Valid.UNKNOWN
