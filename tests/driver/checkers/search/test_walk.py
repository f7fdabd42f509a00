"""The compiled walk does step by step what the one in Python does."""

import random
from dataclasses import replace

import pytest

from raftmon.driver.checkers.search.layout import lay_out
from raftmon.driver.checkers.search.limits import Limits
from raftmon.driver.checkers.search.models import ILLEGAL, Counter, KeyValue, Model
from raftmon.driver.checkers.search.walk import walk
from tests.driver.checkers.making import op
from tests.driver.checkers.search.test_search import CASES, spoil
from tests.driver.histories.synthetic import Deed, simulate

compiled = pytest.importorskip("raftmon.driver.checkers.search._walk", reason="the compiled walk was not built").walk


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("clients", [3, 8])
def test_both_walks_are_the_same(name, clients):
    model, deed, initial, _ = CASES[name]
    rng = random.Random(f"{name} {clients}")
    for _ in range(150):
        made = simulate(deed, initial, rng.randint(3, 20), clients, rng, indefinite=rng.choice([0, 0.3])).operations
        operations = [replace(operation) for operation in made]
        for _ in range(rng.choice([0, 1, 3])):
            spoil(operations, rng)
        limits = Limits(memory_mb=None)
        assert compiled(lay_out(operations, model), limits) == walk(lay_out(operations, model), limits)


def test_both_walks_are_the_same_where_one_operation_lasts_beside_hundreds():
    rng = random.Random(1)
    for length in (63, 64, 65, 127, 128, 129, 400):
        operations = [op(0, "add", 1000, 0, 10 * length + 20)]
        total = 0
        for number in range(length):
            total += number % 3
            f, value = ("add", number % 3) if rng.random() < 0.7 else ("read", total - number % 3)
            total -= number % 3 if f == "read" else 0
            operations.append(op(1 + number % 2, f, value, 10 * number + 5, 10 * number + 12))
        problem = lay_out(operations, Counter())
        assert compiled(problem, Limits()) == walk(lay_out(operations, Counter()), Limits())


def append_deed(state, rng, process):
    if rng.random() < 0.5:
        return Deed("get", state, state)
    text = f"x{process} {rng.randrange(10**6)}y"
    return Deed("append", text, state + text)


class _Blind(KeyValue):
    """A model that knows of no barren states."""

    def barren(self, definite, optional):
        return None


def test_barren_states_change_no_answer():
    rng, wrong = random.Random(3), 0
    for _ in range(400):
        made = simulate(append_deed, "", rng.randint(4, 16), 4, rng, indefinite=rng.choice([0, 0.2])).operations
        operations = [replace(operation) for operation in made]
        for _ in range(rng.choice([0, 1, 2])):
            spoil(operations, rng)
        found, blind = (walk(lay_out(operations, model), Limits()) for model in (KeyValue(), _Blind()))
        assert found[0] == blind[0]
        wrong += not found[0]
    assert 40 < wrong < 360


def test_a_model_is_asked_once_for_each_state_and_kind_of_operation():
    asked = []

    class Counting(Model):
        def initial(self):
            return 0

        def prepare(self, operation):
            return (operation.f, operation.value)

        def step(self, state, operation):
            asked.append((state, operation))
            return state + 1 if operation[0] == "up" else ILLEGAL

    operations = [op(n, "up" if n < 6 else "down", None, 0, 100) for n in range(8)]
    for one in (walk, compiled):
        asked.clear()
        assert not one(lay_out(operations, Counting()), Limits())[0]
        assert len(asked) == len(set(asked)) > 6


def test_what_a_model_raises_comes_out_of_both():
    class Broken(Counter):
        def step(self, state, operation):
            raise ZeroDivisionError("the model's own")

    for one in (walk, compiled):
        with pytest.raises(ZeroDivisionError, match="own"):
            one(lay_out([op(0, "add", 1, 0, 1)], Broken()), Limits())
