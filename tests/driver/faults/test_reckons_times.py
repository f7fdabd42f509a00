from __future__ import annotations

from random import Random

import pytest

from raftmon.driver.faults.faults import fault_kind, make_fault
from raftmon.driver.faults.schedule import plan_faults
from tests.driver.faults.fake_target import FakeTarget

NODES = ("n1", "n2", "n3")


@pytest.mark.parametrize(
    ("name", "window"),
    [("leader", (30, 60)), ("leader-recovery", (20, 40)), ("kill-n", (0, 60)), ("intermittent-full", (20, 40))],
)
def test_without_times_reckons_faults_come_when_reckon_has_them(name: str, window: tuple[float, float]):
    (planned,) = plan_faults(name, fault_kind, 60)
    assert (planned.start_s, planned.stop_s) == pytest.approx(window)


def test_times_that_are_given_win():
    (planned,) = plan_faults("leader@5s..9s", fault_kind, 60)
    assert (planned.start_s, planned.stop_s) == (5, 9)


def test_kill_n_kills_the_first_nodes_and_starts_them_again():
    target = FakeTarget(5)
    fault = make_fault("kill-n", {"n": "2"}, target.topology.node_names())
    assert fault.start(target, Random(1)).nodes == ("n1", "n2")
    assert target.dead == {"n1", "n2"}
    fault.stop(target)
    assert target.dead == set()


def test_more_nodes_than_there_are_cannot_be_killed():
    reason = make_fault("kill-n", {"n": "4"}, NODES).available(FakeTarget(3))
    assert reason == "kill-n shall kill 4 nodes; this cluster has 3"
