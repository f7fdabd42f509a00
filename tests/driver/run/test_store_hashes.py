"""Asking the nodes what they hold, with a cluster of three dictionaries."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.results.verdict import stores_result
from raftmon.driver.run import store_hashes
from raftmon.driver.run.store_hashes import ask_stores
from raftmon.driver.run_folder import RunFolder


class Stores:
    """An adapter of which only the stores count: node -> (applied index, revision, keys)."""

    def __init__(self, stores):
        self.stores = stores

    def hash_at(self, node, revision, timeout_s):
        _, newest, keys = self.stores[node.name]
        if revision > newest:
            raise ValueError("a future revision")
        return hash(frozenset((key, value[1]) for key, value in keys.items())), revision or newest

    def applied_index(self, node, timeout_s):
        return self.stores[node.name][0]

    def contents(self, node, limit, timeout_s, after=""):
        held = self.stores[node.name][2]
        return {key: held[key] for key in sorted(held) if key > after}


class Unhashed:
    """The same without hashes of its own: what nodes hold is asked for page by page."""

    applied_index = Stores.applied_index

    def __init__(self, stores):
        self.stores, self.pages = stores, []

    def contents(self, node, limit, timeout_s, after=""):
        self.pages.append((node.name, after))
        held = self.stores[node.name][2]
        return {key: held[key] for key in sorted(key for key in held if key > after)[:limit]}


@pytest.fixture
def judged(tmp_path, monkeypatch):
    monkeypatch.setattr(store_hashes, "_CATCH_UP_S", 0.01)

    def judge(stores, system=Stores):
        nodes = [SimpleNamespace(name=name) for name in stores]
        folder = RunFolder(Path(tempfile.mkdtemp(dir=tmp_path)))
        ask_stores(system(stores), SimpleNamespace(nodes=nodes), folder, 1.0)
        return stores_result(folder, list(stores))[0]

    return judge


GOOD = {"k": [5, "v"], "l": [9, "w"]}


def test_equal_stores_agree(judged):
    assert judged(dict.fromkeys(("n1", "n2", "n3"), (40, 9, GOOD))).valid is Valid.YES


def test_a_lost_change_at_the_same_applied_index_is_invalid_with_the_key(judged):
    """etcd issue 13766: after a crash a node's store lacks what its log says it applied."""
    result = judged({"n1": (40, 8, {"k": [5, "v"]}), "n2": (40, 9, GOOD), "n3": (40, 9, GOOD)})
    assert result.valid is Valid.NO
    assert "l is missing on n1 and 'w' (revision 9) on n2" in result.sentence


def test_other_values_at_one_revision_are_invalid_with_the_key(judged):
    result = judged({"n1": (40, 9, GOOD), "n2": (40, 9, GOOD | {"k": [5, "x"]}), "n3": (40, 9, GOOD)})
    assert result.valid is Valid.NO
    assert "k is 'v' (revision 5) on n1 and 'x' (revision 5) on n2" in result.sentence


def test_a_node_that_is_still_applying_is_behind_and_nobody_is_blamed(judged):
    result = judged({"n1": (39, 8, {"k": [5, "v"]}), "n2": (40, 9, GOOD), "n3": (40, 9, GOOD)})
    assert result.valid is Valid.UNKNOWN
    assert "n1 had not caught up" in result.sentence


BIG = {f"k{number:03}": [0, number] for number in range(100)}
PLANTED = {
    "lost": lambda held: held.pop("k050"),
    "invented": lambda held: held.update(k0505=[0, 7]),
    "changed": lambda held: held.update(k050=[0, -1]),
    "swapped": lambda held: held.update(k050=[0, 51], k051=[0, 50]),
    "lost at the end": lambda held: held.pop("k099"),
    "everything": lambda held: held.clear(),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_system_without_hashes_is_compared_key_by_key_and_the_first_difference_named(judged, monkeypatch, name):
    monkeypatch.setattr(store_hashes, "_PAGE_KEYS", 7)
    good = dict.fromkeys(("n1", "n3"), (40, 0, BIG))
    assert judged({**good, "n2": (40, 0, dict(BIG))}, Unhashed).valid is Valid.YES
    held = dict(BIG)
    PLANTED[name](held)
    result = judged({"n1": (40, 0, BIG), "n2": (40, 0, held), "n3": (40, 0, BIG)}, Unhashed)
    assert result.valid is Valid.NO
    first = min(key for key in {*BIG, *held} if BIG.get(key) != held.get(key))
    assert f"first keys that differ: {first} is " in result.sentence


def test_a_node_without_hashes_that_is_still_applying_is_behind(judged):
    result = judged({"n1": (39, 0, {}), "n2": (40, 0, BIG), "n3": (40, 0, BIG)}, Unhashed)
    assert result.valid is Valid.UNKNOWN


def test_a_large_store_is_told_in_pages(monkeypatch):
    monkeypatch.setattr(store_hashes, "_PAGE_KEYS", 40)
    system = Unhashed({"n1": (40, 0, BIG)})
    assert dict(store_hashes.stored(system, SimpleNamespace(name="n1"), 1.0)) == BIG
    assert system.pages == [("n1", ""), ("n1", "k039"), ("n1", "k079")]
