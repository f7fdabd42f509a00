"""Transactions with comparisons: a history that agrees with its revisions, and each mistake planted once."""

from collections.abc import Callable
from typing import Any

import pytest

from raftmon.driver.checkers.base import Result, Valid
from raftmon.driver.checkers.branches import Branches
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome

Rows = list[Operation]


def item(key: str, value: int, mod: int, create: int, version: int) -> dict[str, Any]:
    return {"key": key, "value": value, "mod": mod, "create": create, "version": version}


def transaction(index: int, conditions: list[Any], then: list[Any], otherwise: list[Any], *answer: Any) -> Operation:
    succeeded, results, revision = answer
    value = {"if": conditions, "then": then, "else": otherwise, "succeeded": succeeded, "results": results}
    at, extra = index * 10, {"revision": revision}
    return Operation(index, "transact", None, value, at, at + 5, Outcome.OK, index=index, extra=extra)


def good() -> Rows:
    get = [["get", "a"]]
    return [
        transaction(0, [], [["put", "a", 1]], [], True, [None], 2),
        transaction(
            1, [["value", "a", "=", 1]], [["put", "a", 2], ["get", "a"]], [], True, [None, item("a", 2, 3, 2, 2)], 3
        ),
        transaction(2, [["version", "a", ">", 2]], [["put", "a", 3]], get, False, [item("a", 2, 3, 2, 2)], 3),
        transaction(3, [["mod", "a", "=", 3]], [["delete", "a"], ["put", "b", 4]], [], True, [1, None], 4),
        transaction(4, [["value", "a", "!", 9]], get, [["delete", "a"]], False, [0], 4),
        transaction(5, [["create", "a", "=", 0]], [["put", "a", 5]], [], True, [None], 5),
        transaction(6, [], [["get", "a"], ["get", "b"]], [], True, [item("a", 5, 5, 5, 1), item("b", 4, 4, 4, 1)], 5),
    ]


def judged(rows: Rows) -> Result:
    return Branches().check(History(rows))


def test_a_history_that_agrees_with_its_revisions_is_valid() -> None:
    result = judged(good())
    assert result.valid is Valid.YES, result.sentence
    assert (result.details["transactions"], result.details["changes"]) == (7, 4)


def _wrong_branch(rows: Rows) -> None:
    rows[5].value["if"] = [["create", "a", "=", 2]]


def _value_of_nothing(rows: Rows) -> None:
    rows[4].value.update(succeeded=True, results=[None])


def _stale_read(rows: Rows) -> None:
    rows[6].value["results"][1] = None


def _wrong_version(rows: Rows) -> None:
    rows[6].value["results"][0]["version"] = 2


def _deleted_nothing(rows: Rows) -> None:
    rows[4].value["results"] = [1]
    rows[4].extra = {"revision": 5}
    for row in rows[5:]:
        row.extra = {"revision": 6}
    rows[5].value["results"] = [None]


def _same_revision(rows: Rows) -> None:
    rows[3].extra = {"revision": 3}


def _revision_back(rows: Rows) -> None:
    rows[6].extra = {"revision": 4}


def _missing_revision(rows: Rows) -> None:
    rows[5].extra = rows[6].extra = {"revision": 9}


def _refused_and_there(rows: Rows) -> None:
    rows[5].outcome = Outcome.FAIL


def _nobody_wrote(rows: Rows) -> None:
    rows[6].value["results"][1]["value"] = 77


MISTAKES = [
    ("comparison", _wrong_branch),
    ("comparison", _value_of_nothing),
    ("read", _stale_read),
    ("read", _wrong_version),
    ("read", _deleted_nothing),
    ("revision-twice", _same_revision),
    ("revision-back", _revision_back),
    ("unexplained-revision", _missing_revision),
    ("failed-took-effect", _refused_and_there),
    ("phantom", _nobody_wrote),
]


@pytest.mark.parametrize(("name", "mistake"), MISTAKES)
def test_a_planted_mistake_is_found_by_its_name(name: str, mistake: Callable[[Rows], None]) -> None:
    rows = good()
    mistake(rows)
    result = judged(rows)
    assert result.valid is Valid.NO
    assert name in result.details["anomalies"], result.sentence


def test_a_transaction_of_unknown_outcome_may_have_taken_a_revision() -> None:
    rows = good()
    rows[3].outcome, rows[3].return_ns, rows[3].extra = Outcome.INFO, None, None
    assert judged(rows).valid is Valid.YES, judged(rows).sentence


def test_without_any_answer_nobody_knows() -> None:
    assert judged([]).valid is Valid.UNKNOWN


def wide() -> Rows:
    """Ranges, a read of the past, a delete of a range, and a transaction inside another."""
    a, b, c = item("a", 1, 2, 2, 1), item("b", 2, 2, 2, 1), item("c", 3, 3, 3, 1)
    inside = ["txn", [["value", "b", "=", 2]], [["delete-range", "a", "c"], ["range", "a", "z"]], [["get", "c"]]]
    return [
        transaction(0, [], [["put", "a", 1], ["put", "b", 2], ["range", "a", "z"]], [], True, [None, None, [a, b]], 2),
        transaction(1, [], [["put", "c", 3], ["get-at", "c", 2]], [], True, [None, None], 3),
        transaction(
            2,
            [],
            [["put", "d", 4], inside],
            [],
            True,
            [None, {"succeeded": True, "results": [2, [c, item("d", 4, 4, 4, 1)]]}],
            4,
        ),
        transaction(3, [], [["get-at", "b", 3], ["range", "a", "c"]], [], True, [b, []], 4),
    ]


def test_ranges_the_past_and_transactions_inside_agree_too() -> None:
    assert judged(wide()).valid is Valid.YES, judged(wide()).sentence


def _range_lacks(rows: Rows) -> None:
    rows[0].value["results"][2].pop()


def _range_invents(rows: Rows) -> None:
    rows[3].value["results"][1] = [item("a", 1, 2, 2, 1)]


def _past_is_present(rows: Rows) -> None:
    rows[1].value["results"][1] = item("c", 3, 3, 3, 1)


def _past_forgets(rows: Rows) -> None:
    rows[3].value["results"][0] = None


def _range_deletes_less(rows: Rows) -> None:
    rows[2].value["results"][1]["results"][0] = 1


def _inside_takes_the_other_branch(rows: Rows) -> None:
    rows[2].value["results"][1] = {"succeeded": False, "results": [item("c", 3, 3, 3, 1)]}


def _inside_reads_what_nobody_wrote(rows: Rows) -> None:
    rows[2].value["results"][1]["results"][1][0]["value"] = 99


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("read", _range_lacks),
        ("read", _range_invents),
        ("read", _past_is_present),
        ("read", _past_forgets),
        ("read", _range_deletes_less),
        ("comparison", _inside_takes_the_other_branch),
        ("phantom", _inside_reads_what_nobody_wrote),
    ],
)
def test_a_mistake_in_a_range_the_past_or_inside_is_found(name: str, mistake: Callable[[Rows], None]) -> None:
    rows = wide()
    mistake(rows)
    result = judged(rows)
    assert result.valid is Valid.NO
    assert name in result.details["anomalies"], result.sentence


def test_what_a_transaction_of_unknown_outcome_can_have_deleted_is_unknown() -> None:
    rows = wide()
    rows[2].outcome, rows[2].return_ns, rows[2].extra = Outcome.INFO, None, None
    assert judged(rows).valid is Valid.YES, judged(rows).sentence
