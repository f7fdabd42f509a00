"""Whole stores: every pair of answers compared by hand, and planted faults."""

import itertools
import random

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.stores_agree import StoresAgree, differing_keys
from tests.driver.checkers.making import FAIL, found, history, op


def store(node, call, revision, digest, **more):
    return op(0, "store", {"revision": revision, "hash": digest, **more}, call, call + 1, node=node)


def test_random_answers_are_judged_as_comparing_every_pair_judges_them():
    rng = random.Random(10)
    seen = {True: 0, False: 0}
    for _ in range(10_000):
        answers = []
        revisions = dict.fromkeys(("n1", "n2", "n3"), 5)
        for call in range(0, 12, 2):
            node = rng.choice(list(revisions))
            revisions[node] += rng.choice([0, 0, 0, 1, -1]) if rng.random() < 0.3 else 0
            digest = revisions[node] if rng.random() < 0.95 else 0
            answers.append(store(node, call, revisions[node], digest))
        last = {answer.node: answer.value for answer in answers}
        truth = len({value["revision"] for value in last.values()}) == 1 and not any(
            (a.value["revision"] == b.value["revision"] and a.value["hash"] != b.value["hash"])
            or (a.node == b.node and a.value["revision"] > b.value["revision"])
            for a, b in itertools.combinations(answers, 2)
        )
        assert (StoresAgree().check(history(*answers)).valid is Valid.YES) == truth
        seen[truth] += 1
    assert min(seen.values()) > 1000


def rounds():
    """Three nodes asked at five revisions; the last revision is final."""
    return [store(f"n{n}", 10 * r + n, r, 1000 + r) for r in range(1, 6) for n in (1, 2, 3)]


FAULTS = {
    "hash-differs": lambda o: o[4].value.update(hash=7),
    "hash-changed": lambda o: o.append(store("n1", 15, 1, 8)),
    "revision-differs": lambda o: o.pop(),
    "revision-back": lambda o: o.append(store("n1", 35, 1, 1001)),
    "unreadable": lambda o: setattr(o[3], "value", None),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name):
    answers = rounds()
    assert StoresAgree(["n1", "n2", "n3"]).check(history(*answers)).valid is Valid.YES
    FAULTS[name](answers)
    result = StoresAgree().check(history(*answers))
    assert result.valid is Valid.NO
    assert name in found(result)
    assert found(result) <= {name, "hash-differs"} if name == "hash-changed" else found(result) == {name}


def test_a_silent_node_and_different_compactions_are_unknown():
    assert StoresAgree(["n4"]).check(history(*rounds())).valid is Valid.UNKNOWN
    silent = op(0, "store", None, 90, 91, node="n4", outcome=FAIL)
    assert StoresAgree().check(history(*rounds(), silent)).valid is Valid.UNKNOWN
    apart = [store("n1", 0, 7, 1, compact_revision=3), store("n2", 2, 7, 2, compact_revision=5)]
    assert StoresAgree().check(history(*apart)).valid is Valid.UNKNOWN
    assert StoresAgree().check(history()).valid is Valid.UNKNOWN


def test_nodes_that_applied_the_same_entries_and_have_other_revisions_disagree_with_the_keys_named():
    keys = {"n1": {"k1": [7, "a"], "k2": None}, "n2": {"k1": [8, "b"], "k2": [9, "c"]}}
    answers = [store(n, 10 * i, 8 + i, 5 + i, applied=40, keys=keys[n]) for i, n in enumerate(("n1", "n2"))]
    result = StoresAgree(["n1", "n2"]).check(history(*answers))
    assert result.valid is Valid.NO
    assert "both have applied the log up to index 40" in result.sentence
    assert "k1 is 'a' (revision 7) on n1 and 'b' (revision 8) on n2; k2 is missing on n1" in result.sentence


def test_a_node_that_has_applied_less_is_behind_and_the_verdict_unknown():
    answers = [store("n1", 0, 8, 5, applied=40), store("n2", 10, 9, 6, applied=41)]
    result = StoresAgree(["n1", "n2"]).check(history(*answers))
    assert result.valid is Valid.UNKNOWN
    assert "n1 had not caught up" in result.sentence


def test_hashes_that_differ_name_the_keys_that_do():
    keys = {"n1": {"k": [3, "x"]}, "n2": {"k": [3, "y"]}}
    answers = [store(n, 10 * i, 8, i, applied=40, keys=keys[n]) for i, n in enumerate(("n1", "n2"))]
    result = StoresAgree().check(history(*answers))
    assert result.valid is Valid.NO
    assert "k is 'x' (revision 3) on n1 and 'y' (revision 3) on n2" in result.sentence


def test_the_first_keys_that_differ_are_those_a_comparison_of_all_finds():
    rng = random.Random(4)
    for _ in range(300):
        contents = {n: {f"k{i}": rng.choice([1, 1, 1, 2]) for i in range(8) if rng.random() < 0.9} for n in "abc"}
        truth = [
            k
            for k in sorted({k for c in contents.values() for k in c})
            if len({c.get(k) for c in contents.values()}) > 1
        ]
        found = differing_keys({n: sorted(c.items()) for n, c in contents.items()}, 4)
        assert found == ({n: {k: c.get(k) for k in truth[:4]} for n, c in contents.items()} if truth else {})
