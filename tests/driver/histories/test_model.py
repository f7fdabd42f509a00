"""Columns and operations are two forms of one thing."""

import random
from dataclasses import replace

import pytest

from raftmon.driver.histories.model import MAX_DEPTH, Columns, History, Values, freeze, too_deep
from raftmon.driver.histories.operation import Operation, Outcome
from tests.driver.histories.synthetic import register_deeds, simulate


def varied(seed=1):
    made = simulate(register_deeds(3, delete=0.1), {}, 200, 4, random.Random(seed), indefinite=0.1).operations
    operations = [replace(operation) for operation in made]
    operations[3].node, operations[3].host = "n1", "c1"
    operations[5].error = "refused"
    operations[7].extra = {"revision": 4}
    operations[9].value = {"a": [1]}
    return operations


def test_operations_come_back_from_columns():
    operations = varied()
    assert Columns.of(operations).operations() == operations


def test_a_history_gives_either_form_whichever_it_was_made_from():
    operations = varied()
    from_columns = History(columns=Columns.of(operations))
    assert len(from_columns) == 200
    assert from_columns.operations == operations
    assert list(History(reversed(operations))) == operations
    assert from_columns.functions() == History(operations).functions() == {"read", "write", "cas", "delete"}


def test_by_key_groups_keys_of_any_kind():
    operations = [
        Operation(0, "read", key, None, n, n, Outcome.OK) for n, key in enumerate(([1], [1], {"a": 1}, 1, 1.0))
    ]
    assert [len(group) for group in History(operations).by_key().values()] == [2, 1, 1, 1]


@pytest.mark.parametrize(
    ("one", "two"), [(1, True), (1, 1.0), ("1", 1), ([1], [True]), ({"a": 1}, {"a": 1.0}), ([], {}), (None, 0)]
)
def test_values_of_different_types_are_different(one, two):
    assert freeze(one) != freeze(two)


@pytest.mark.parametrize("value", [[1, {"a": None}], {"b": 1, "a": [2]}, {1, 2}, 1.5, "x", None])
def test_equal_values_are_the_same(value):
    values = Values()
    assert values.code(value) == values.code(value) == 0
    assert len(values) == 1


def test_depth_is_measured_without_recursion():
    value = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert not too_deep(value)
    assert too_deep({"deeper": [value]})
