"""Every fault of the catalogue on a cluster that only remembers: what it does, and that it undoes all of it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from raftmon.driver.faults.base import Unavailable
from raftmon.driver.faults.faults import catalogue, make_fault
from raftmon.setup.topology import Link
from tests.driver.faults.fake_target import FakeTarget

NODES = ("n1", "n2", "n3", "n4", "n5")


@pytest.mark.parametrize("name", list(catalogue(NODES)))
def test_every_fault_heals_itself_completely(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("raftmon.driver.faults.wal.REFUSAL_S", 0.0)
    target = FakeTarget(5)
    system = target.with_system(tmp_path)
    fault = make_fault(name, {"to": "etcd@3.5.30"} if "upgrade" in name else {}, NODES)
    assert fault.available(target) is None
    effect = fault.start(target, Random(1))
    assert effect.sentence
    assert target.log, "the fault did something"
    fault.stop(target)
    assert target.rules == {}
    assert target.dead - {"n6"} == set()
    assert set(system.names) == set(NODES)
    assert sum(line.startswith("pause") for line in target.log) == sum(line.startswith("resume") for line in target.log)


def test_kill_leader_kills_the_leader_and_starts_it_again():
    target = FakeTarget(leader="n2")
    fault = make_fault("kill-leader", {}, ("n1", "n2", "n3"))
    assert fault.start(target, Random(0)).nodes == ("n2",)
    assert target.dead == {"n2"}
    fault.stop(target)
    assert target.log == ["kill n2", "start n2"]


def test_a_node_that_was_already_dead_is_not_started_by_another_fault():
    target = FakeTarget()
    target.dead = {"n3"}
    fault = make_fault("kill-all", {}, ("n1", "n2", "n3"))
    fault.start(target, Random(0))
    fault.stop(target)
    assert target.dead == {"n3"}


def test_a_partial_partition_cuts_the_leader_from_one_follower_only():
    target = FakeTarget(3, leader="n1")
    effect = make_fault("partial-partition", {}, ("n1", "n2", "n3")).start(target, Random(0))
    (follower,) = set(effect.nodes) - {"n1"}
    assert effect.links == {Link("n1", follower), Link(follower, "n1")}
    (lines,) = target.rules.values()
    assert lines == [f"n1->{follower} or {follower}->n1 drop"]


def test_a_partition_can_reject_instead():
    target = FakeTarget()
    make_fault("full-partition", {"how": "reject"}, ("n1", "n2", "n3")).start(target, Random(0))
    assert all(line.endswith(" reject") for lines in target.rules.values() for line in lines)


@pytest.mark.parametrize("name", ["kill-leader", "pause-follower", "full-partition", "partial-partition"])
def test_without_a_leader_a_fault_on_the_leader_says_so(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("raftmon.driver.faults.selectors.ELECTION_S", 0.0)
    with pytest.raises(Unavailable, match="nobody led"):
        make_fault(name, {}, ("n1", "n2", "n3")).start(FakeTarget(leader=None), Random(0))


@pytest.mark.parametrize(
    ("name", "nodes", "why"),
    [
        ("majority-ring", 3, "at least 4 nodes; this cluster has 3"),
        ("kill-minority", 2, "no minority"),
        ("halves", 1, "at least 2 nodes"),
        ("slow-links", 1, "no link"),
        ("kill-follower", 1, "no follower"),
    ],
)
def test_a_fault_says_why_it_is_not_available(name: str, nodes: int, why: str):
    target = FakeTarget(nodes)
    reason = make_fault(name, {}, target.topology.node_names()).available(target)
    assert reason is not None
    assert why in reason


def test_all_but_one_spares_one_node_by_chance():
    spared = set()
    for seed in range(20):
        target = FakeTarget()
        fault = make_fault("pause-all-but-one", {}, ("n1", "n2", "n3"))
        hit = set(fault.start(target, Random(seed)).nodes)
        spared |= {"n1", "n2", "n3"} - hit
        assert len(hit) == 2
        fault.stop(target)
    assert spared == {"n1", "n2", "n3"}
