"""Partition: every kind, healed; nothing acknowledged is gone, and it is known who was available."""

from __future__ import annotations

import pytest

from raftmon.driver.faults.faults import catalogue
from raftmon.driver.faults.links import PARTITIONS
from raftmon.testing import eventually

ANY_SIZE = [name for name in PARTITIONS if catalogue()[name].least_nodes <= 3 and name != "client-from-node"]


@pytest.mark.parametrize("kind", ANY_SIZE)
def test_nothing_acknowledged_is_gone(cluster, clients, history, kind):
    with clients.working(at_least=50):
        with cluster.fault(kind):
            cluster.leader()
        cluster.wait_healthy()
    history.assert_valid()


@pytest.mark.cluster(nodes=5)
@pytest.mark.parametrize("kind", ["majority-ring", "bridge"])
def test_nothing_acknowledged_is_gone_in_a_larger_cluster(cluster, clients, history, kind):
    with clients.working(at_least=50):
        with cluster.fault(kind):
            cluster.leader()
        cluster.wait_healthy()
    history.assert_valid()


def test_the_majority_stays_available_and_the_minority_does_not(cluster):
    alone = cluster.leader()
    cluster.isolate(alone)
    rest = set(cluster.others(alone))
    eventually(lambda: set(cluster.answering()) == rest, f"only {sorted(rest)} answering")
    cluster.heal()
    cluster.wait_healthy()
