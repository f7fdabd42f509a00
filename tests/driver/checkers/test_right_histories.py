"""Right histories of every kind, written in every format with failures and lost answers among them, are never invalid.

What a file asks for decides which checker judges, as on the command line. ``make differential`` tries many more.
"""

import dataclasses
import itertools
import random

import pytest

from raftmon.driver.checkers import check_safely, checkers_for_history
from raftmon.driver.checkers.base import Valid
from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation
from raftmon.driver.histories.writers import write_history
from tests.driver.checkers.making import FAIL
from tests.driver.checkers.search import test_search as deeds
from tests.driver.checkers.thoroughness import TIMES
from tests.driver.histories.synthetic import Deed, simulate

SOME = 12 * TIMES
FRESH = itertools.count(1)


def _register(state, rng, process):
    choice, value = rng.random(), next(FRESH)
    if choice < 0.4:
        return Deed("write", value, value)
    return Deed("cas", [state, value], value) if choice < 0.6 and state is not None else Deed("read", state, state)


def _set(state, rng, process):
    value = next(FRESH)
    return Deed("add", value, state | {value}) if rng.random() < 0.5 else Deed("read", sorted(state), state)


def _container(put, take, pick):
    def behaviour(state, rng, process):
        if not state and rng.random() < 0.2:
            return Deed(take, None, state)
        if not state or rng.random() < 0.5:
            value = next(FRESH) if put != "insert" else rng.randrange(10**9)
            return Deed(put, value, (*state, value))
        return Deed(take, pick(state), tuple(one for one in state if one != pick(state)))

    return behaviour


def _bank(state, rng, process):
    if rng.random() < 0.5:
        return Deed("read", dict(state), state)
    held, (one, two) = dict(state), rng.sample("ab", 2)
    amount = rng.randint(0, held[one])
    held[one], held[two] = held[one] - amount, held[two] + amount
    return Deed("transfer", {"from": one, "to": two, "amount": amount}, tuple(sorted(held.items())))


def _lists(state, rng, process):
    held, value = {key: list(items) for key, items in state}, []
    for key in rng.choices("xyz", k=rng.randint(1, 3)):
        if rng.random() < 0.5:
            held.setdefault(key, []).append(next(FRESH))
            value.append(["append", key, held[key][-1]])
        else:
            value.append(["r", key, list(held.get(key, ())) or None])
    return Deed("txn", value, tuple((key, tuple(items)) for key, items in sorted(held.items())))


def _registers(state, rng, process):
    held, value = dict(state), []
    for key in rng.choices("xyz", k=rng.randint(1, 3)):
        if rng.random() < 0.5:
            held[key] = next(FRESH)
            value.append(["w", key, held[key]])
        else:
            value.append(["r", key, held.get(key)])
    return Deed("txn", value, tuple(sorted(held.items())))


def _identifiers(state, rng, process):
    return Deed("generate", next(FRESH), state)


KINDS = {
    "register": (_register, None),
    "cas": (deeds.cas_deed, None),
    "set": (_set, frozenset()),
    "set-with-remove": (deeds.set_deed, frozenset()),
    "queue": (_container("enqueue", "dequeue", lambda held: held[0]), ()),
    "stack": (_container("push", "pop", lambda held: held[-1]), ()),
    "priority-queue": (_container("insert", "extract-max", max), ()),
    "bank": (_bank, (("a", 10), ("b", 10))),
    "lists": (_lists, ()),
    "registers": (_registers, ()),
    "identifiers": (_identifiers, None),
    "counter": (deeds.counter_deed, 0),
    "lock": (deeds.lock_deed, None),
    "key-value": (deeds.key_value_deed, ""),
}
NEW_VALUES = frozenset(["write", "add", "enqueue", "push", "insert"])
ANSWERS = frozenset(["read", "get", "dequeue", "pop", "extract-max", "generate"])


def _refused(one, rng, last_ns):
    """An operation like ``one`` that certainly did nothing, of a process of its own, with some error's text."""
    value = one.value
    if one.f in NEW_VALUES:
        value = next(FRESH) + 10**6
    elif one.f in ANSWERS:
        value = None
    elif one.f == "txn":
        value = [[f, key, None if f == "r" else next(FRESH) + 10**6] for f, key, _ in one.value]
    at = rng.randint(0, last_ns)
    made = Operation(1000 + next(FRESH), one.f, one.key, value, at, at + rng.randint(1, 50), FAIL, -1)
    made.error = rng.choice(["timeout", "no leader", 'net "x"'])
    return made


def _made(kind, rng):
    behaviour, initial = KINDS[kind]
    lost = rng.choice([0.0, 0.0, 0.1, 0.3])
    right = simulate(behaviour, initial, rng.randint(3, 40), rng.randint(1, 5), rng, indefinite=lost)
    operations = [dataclasses.replace(one) for one in right.operations]
    last_ns = operations[-1].call_ns + 100
    operations += [_refused(rng.choice(right.operations), rng, last_ns) for _ in range(rng.choice([0, 0, 1, 3]))]
    key = rng.choice([None, None, "k", 3])
    for number, one in enumerate(sorted(operations, key=lambda one: one.call_ns)):
        one.index = number
        one.key = key if one.f != "txn" else None
    return History(operations)


@pytest.mark.parametrize("kind", KINDS)
def test_a_right_history_is_never_invalid_whatever_file_it_is_in(kind, tmp_path):
    rng = random.Random(kind)
    verdicts = set()
    for _ in range(SOME):
        path = tmp_path / f"history.{rng.choice(['jsonl', 'edn', 'txt'])}"
        write_history(_made(kind, rng), path)
        history = read_history(path)
        for checker in checkers_for_history(history):
            result = check_safely(checker, history, timeout_s=1)
            assert result.valid is not Valid.NO, (path.read_text(), result.sentence)
            assert "traceback" not in result.details, result.details["traceback"]
            verdicts.add(result.valid)
    assert Valid.YES in verdicts
