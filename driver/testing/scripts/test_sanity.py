"""Sanity: on a healthy cluster every operation does what its documentation says, and the monitor changes nothing."""

from __future__ import annotations

import pytest

from raftmon.adapters.base import Definite


def test_what_was_written_is_read_through_every_node(cluster):
    for number, node in enumerate(cluster.nodes):
        cluster.client(node).write("key", number)
        assert [cluster.client(other).read("key") for other in cluster.nodes] == [number] * len(cluster.nodes)


def test_a_key_that_was_never_written_is_none(cluster):
    assert cluster.client(cluster.nodes[0]).read("nothing") is None


def test_cas_changes_a_value_only_if_it_is_the_expected_one(cluster):
    client = cluster.client(cluster.nodes[-1])
    client.write("key", 1)
    client.cas("key", 1, 2)
    with pytest.raises(Definite):
        client.cas("key", 1, 3)
    assert client.read("key") == 2


def test_cas_creates_a_key_that_is_expected_to_be_missing(cluster):
    client = cluster.client(cluster.nodes[0])
    client.cas("key", None, 1)
    assert client.read("key") == 1
    with pytest.raises(Definite):
        client.cas("key", None, 2)


def test_the_monitor_saw_everything_and_changed_nothing(cluster, monitor, clients, history):
    leader = cluster.leader()
    work = clients.work(3)
    stats = monitor.stats()
    assert work.ok > 0
    assert work.info == 0
    assert stats["packets"] > 0
    assert stats["dropped"] == stats["modified"] == stats["delayed"] == 0
    assert stats["queue_kernel_dropped"] in (0, None)  # None: without root, the kernel's table cannot be read
    assert stats["queue_user_dropped"] == stats["truncated"] == 0
    assert cluster.leader() == leader
    history.assert_valid()
