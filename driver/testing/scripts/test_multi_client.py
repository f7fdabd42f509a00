"""Multi-client: many clients on several hosts, on the same and on different keys; nothing lost, order real."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.cluster(client_hosts=3)


def test_many_clients_on_one_key(clients, history):
    work = clients.work(4, clients=12, keys=1)
    assert work.ok > 100
    history.assert_valid()


def test_many_clients_on_many_keys(clients, history):
    work = clients.work(4, clients=12, keys=20)
    assert work.ok > 100
    history.assert_valid()


def test_every_node_serves_its_clients(cluster, clients):
    work = clients.work(3, clients=2 * len(cluster.nodes))
    assert all(work.nodes[node].ok > 0 for node in cluster.nodes)
