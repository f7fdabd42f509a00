"""Restart: nodes are killed, paused and started in every order while clients work; nothing acknowledged is gone."""

from __future__ import annotations

import pytest

WHO = ["one", "leader", "follower", "minority", "majority", "all"]


@pytest.mark.parametrize("who", WHO)
def test_killed_nodes_come_back_and_agree(cluster, clients, history, who):
    with clients.working(at_least=50):
        with cluster.fault(f"kill-{who}"):
            if who in ("one", "follower", "minority"):
                cluster.leader()
        cluster.wait_healthy()
    history.assert_valid()


@pytest.mark.parametrize("who", ["leader", "minority", "majority"])
def test_paused_nodes_go_on_as_if_no_time_had_passed(cluster, clients, history, who):
    with clients.working(at_least=50):
        with cluster.fault(f"pause-{who}"):
            if who == "leader":
                cluster.inner.leader()
        cluster.wait_healthy()
    history.assert_valid()


def test_one_after_the_other_each_node_is_restarted(cluster, clients, history):
    with clients.working(at_least=50):
        for node in cluster.nodes:
            cluster.restart(node)
            cluster.wait_healthy()
    history.assert_valid()


def test_what_was_acknowledged_survives_a_restart_of_all(cluster):
    for number in range(20):
        cluster.client(cluster.nodes[0]).write(f"key{number}", number)
    cluster.restart(*cluster.nodes)
    cluster.wait_healthy()
    assert [cluster.client(node).read("key19") for node in cluster.nodes] == [19] * len(cluster.nodes)
    assert [cluster.client(cluster.nodes[-1]).read(f"key{number}") for number in range(20)] == list(range(20))
