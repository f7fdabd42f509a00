"""The contract's checks of operations find adapters that are wrong in one way each, without a cluster."""

import time
from types import SimpleNamespace

import pytest

from raftmon.adapters.base import Indefinite
from raftmon.adapters.capabilities import Leadership
from raftmon.adapters.contract import operations
from raftmon.adapters.contract.context import Context
from raftmon.adapters.contract.operations import OPERATION_CHECKS
from raftmon.adapters.contract.runner import run_contract
from raftmon.adapters.memory import MemoryAdapter
from raftmon.setup.topology import Topology


class Cluster(MemoryAdapter):
    """An honest cluster with every operation; ``replaced`` are those that are wrong."""

    nodes_needed = True

    def __init__(self, **replaced):
        super().__init__({"latency_ms": 0})
        self.leads = "n1"
        self.client = None
        for verb, replacement in replaced.items():
            setattr(self, verb, lambda *given, replacement=replacement: replacement(self, *given))

    def connect(self, node, timeout_s):
        self.client = super().connect(node, timeout_s)
        return self.client

    def leadership(self, node, _timeout_s):
        return Leadership(node.name == self.leads, 1)

    def node_time(self, _node, _timeout_s):
        return time.time()

    def compact(self, node, _timeout_s):
        return f"{node.name} compacted"

    defragment = snapshot = compact

    def move_leader(self, _leader, to, _timeout_s):
        self.leads = to.name
        return "moved"


@pytest.fixture(autouse=True)
def _soon_over(monkeypatch):
    monkeypatch.setattr(operations, "_ELECTION_S", 0.02)
    monkeypatch.setattr(operations, "_PAUSE_S", 0.001)


def broken(adapter):
    context = Context(SimpleNamespace(topology=Topology.star(3)), adapter, 1.0)
    return {one.name: one.sentence for one in run_contract(context, checks=OPERATION_CHECKS) if one.kept is not True}


def test_an_honest_cluster_keeps_every_promise():
    assert broken(Cluster()) == {}


def forgetful(cluster, node, _timeout_s):
    cluster.client.write(f"contract-compact-{7}", None)
    return f"{node.name} compacted"


def stops_serving(cluster, _leader, to, _timeout_s):
    def refuse(*_):
        raise Indefinite("no leader")

    cluster.leads = to.name
    cluster.connect = lambda *_: SimpleNamespace(write=refuse, close=lambda: None)


@pytest.mark.parametrize(
    ("verb", "wrong", "check", "words"),
    [
        ("leadership", lambda *_: Leadership(True, 1), "one_node_leads", "never one node alone"),
        ("leadership", lambda *_: None, "one_node_leads", "but 0"),
        ("node_time", lambda *_: time.time() + 3600, "nodes_tell_the_time", "+3600"),
        ("node_time", lambda *_: None, "nodes_tell_the_time", "did not tell the time"),
        ("compact", forgetful, "compact_keeps_every_key", "a key that held 7 reads None"),
        ("defragment", lambda *_: None, "defragment_keeps_every_key", "did not say what it did"),
        ("move_leader", lambda *_: "moved", "leader_hands_over", "leads still"),
        ("move_leader", stops_serving, "leader_hands_over", "no write was served"),
    ],
)
def test_a_broken_operation_is_named(verb, wrong, check, words):
    assert words in broken(Cluster(**{verb: wrong}))[check]
