"""Faults of disks on a cluster that only remembers, and power cuts of real ones."""

from random import Random

import pytest

from raftmon.driver.faults.base import Unavailable
from raftmon.driver.faults.faults import catalogue, make_fault
from raftmon.setup.disks.behaviour import Behaviour
from raftmon.setup.errors import InputError
from tests.driver.faults.fake_target import FakeTarget

NODES = ("n1", "n2", "n3")


@pytest.fixture
def target():
    return FakeTarget()


def _fault(name, **options):
    return make_fault(name, options, NODES)


def test_a_power_cut_kills_all_its_nodes_before_any_disk_is_cut(target):
    fault = _fault("power-cut", node="all", keep="25%", torn="0.5")
    effect = fault.start(target, Random(1))
    assert target.log == ["kill n1", "kill n2", "kill n3", *(f"cut {n} keep 0.25 torn 0.5" for n in NODES)]
    assert "n1 lost 1,234 B of wal and 1 changes of directory entries" in effect.sentence
    assert "n2 lost nothing: all it had written was synced" in effect.sentence
    fault.stop(target)
    assert sorted(target.log[6:]) == ["start n1", "start n2", "start n3"]


def test_a_power_cut_of_nodes_that_are_dead_is_unavailable(target):
    target.dead = {"n2"}
    with pytest.raises(Unavailable):
        _fault("power-cut", node="n2").start(target, Random(1))


def test_a_disk_misbehaves_until_the_heal_and_its_node_lives_after_it(target):
    fault = _fault("slow-disk", node="n2", delay="30ms", calls="fsync")
    fault.start(target, Random(1))
    assert target.disks["n2"].behaviour == Behaviour(fsync_ms=30.0)
    target.dead = {"n2"}
    fault.stop(target)
    assert target.disks["n2"].behaviour == Behaviour()
    assert target.dead == set()


def test_a_full_disk_takes_what_it_is_said_to_have_room_for(target):
    _fault("full-disk", node="n3", room="4096").start(target, Random(1))
    assert target.disks["n3"].behaviour.full_bytes == 1_004_096


def test_a_failing_disk_fails_the_calls_that_are_named(target):
    _fault("disk-error", node="n1", calls="write+fsync", chance="10%", count="3").start(target, Random(1))
    assert target.disks["n1"].behaviour == Behaviour(fail=("write", "fsync"), fail_chance=0.1, fail_count=3)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("power-cut", {"keep": "2"}, "keep=2 is no chance"),
        ("disk-error", {"calls": "open"}, "no call 'open'"),
        ("full-disk", {"room": "much"}, "room=much is not a whole number"),
        ("slow-disk", {"delay": "soon"}, "not a duration"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(name, options, words):
    with pytest.raises(InputError, match=words):
        _fault(name, **options)


def test_only_faults_of_disks_need_one():
    assert catalogue()["power-cut"].disks
    assert not catalogue()["kill-leader"].disks
