"""Sanity of what a system offers beyond read, write and cas; what it does not offer is skipped, and named."""

from __future__ import annotations

import pytest

from raftmon.adapters.base import Definite
from raftmon.adapters.capabilities import (
    Append,
    Fence,
    Hash,
    Leader,
    Lease,
    LeaseTimes,
    Lock,
    Members,
    Revision,
    Transactions,
    Watch,
)
from raftmon.adapters.versioned import Branches, PastReads
from raftmon.testing import eventually


def client_with(cluster, kind, node=0):
    client = cluster.client(cluster.nodes[node])
    if not isinstance(client, kind):
        pytest.skip(f"clients of {cluster.inner.adapter.name} have no {kind.__name__.lower()}")
    return client


def adapter_with(cluster, kind):
    found = cluster.inner.capability(kind)
    if found is None:
        pytest.skip(f"{cluster.inner.adapter.name} has no {kind.__name__.lower()}")
    return found


def test_a_transaction_writes_all_of_its_keys_or_none(cluster):
    one, other = client_with(cluster, Transactions), client_with(cluster, Transactions, -1)
    one.transact({"x": None, "y": None}, {"x": 1, "y": 2})
    assert other.read_many(["x", "y", "z"]) == {"x": 1, "y": 2, "z": None}
    with pytest.raises(Definite):
        other.transact({"x": 1, "y": 3}, {"x": 10, "y": 20})
    assert one.read_many(["x", "y"]) == {"x": 1, "y": 2}


def test_appended_values_stand_at_the_end_in_order(cluster):
    for number, _node in enumerate(cluster.nodes):
        client_with(cluster, Append, number).append("list", number)
    assert cluster.client(cluster.nodes[0]).read("list") == list(range(len(cluster.nodes)))


def test_a_lock_has_one_holder_and_its_tokens_grow(cluster):
    one, other = client_with(cluster, Lock), client_with(cluster, Lock, -1)
    token = one.acquire("lock", 30)
    with pytest.raises(Definite, match="another holds"):
        other.acquire("lock", 30)
    one.release("lock", token)
    second = other.acquire("lock", 30)
    assert second > token
    with pytest.raises(Definite):
        one.release("lock", token)
    other.release("lock", second)


def test_a_lock_ends_with_its_time_to_live(cluster):
    one, other = client_with(cluster, Lock), client_with(cluster, Lock, -1)
    token = one.acquire("lock", 1)

    def taken():
        try:
            return other.acquire("lock", 30)
        except Definite:
            return None

    assert eventually(taken, "the lock's end")
    with pytest.raises(Definite):
        one.release("lock", token)


def test_a_write_under_a_lock_takes_effect_only_while_the_lock_is_held(cluster):
    one, other = client_with(cluster, Fence), client_with(cluster, Fence, -1)
    token = one.acquire("lock", 30)
    one.write_held("guarded", 1, "lock", token)
    assert other.read("guarded") == 1
    one.release("lock", token)
    with pytest.raises(Definite):
        one.write_held("guarded", 2, "lock", token)
    assert other.read("guarded") == 1


def test_a_lease_tells_how_long_it_has_left_and_is_not_renewed_by_that(cluster):
    one, other = client_with(cluster, LeaseTimes), client_with(cluster, LeaseTimes, -1)
    lease = one.grant(30).lease
    left = [client.time_to_live(lease) for client in (one, other, one)]
    assert all(0 < seconds <= 30 for seconds in left)
    assert left == sorted(left, reverse=True)
    one.revoke(lease)
    assert other.time_to_live(lease) < 0


def test_a_past_revision_holds_what_it_held(cluster):
    one, other = client_with(cluster, PastReads), client_with(cluster, PastReads, -1)
    revisions = []
    for value in (1, 2):
        one.write("key", value)
        revisions.append(one.revision)
    assert other.read_at("key", revisions[0]) == 1
    assert other.read_at("key", revisions[1]) == 2
    assert other.read_at("key", revisions[0] - 1) is None
    assert eventually(lambda: other.read_local("key") == 2, "the node's own store")
    with pytest.raises(Definite):
        other.read_at("key", revisions[1] + 1000)


def test_a_transaction_inside_a_transaction_takes_the_branch_of_its_own_comparison(cluster):
    client = client_with(cluster, Branches)
    made = client.branch([], [["put", "a", 1], ["put", "b", 2]], [])["revision"]
    inside = ["txn", [["value", "b", "=", 2]], [["delete-range", "b", "c"]], [["get", "b"]]]
    answer = client.branch([["value", "a", "=", 1]], [["put", "a", 3], inside, ["range", "a", "z"]], [])
    assert answer["succeeded"]
    assert answer["results"][1] == {"succeeded": True, "results": [1]}
    assert [(item["key"], item["value"]) for item in answer["results"][2]] == [("a", 3)]
    past = client.branch([["value", "b", "=", 2]], [], [["get-at", "b", made], ["get", "b"]])
    assert not past["succeeded"]
    assert [item and item["value"] for item in past["results"]] == [2, None]


def test_a_key_lives_as_long_as_its_lease(cluster):
    one, other = client_with(cluster, Lease), client_with(cluster, Lease, -1)
    granted = one.grant(30)
    assert granted.ttl_s >= 30
    one.write_leased("key", "value", granted.lease)
    assert other.keep_alive(granted.lease) >= 30
    assert other.read("key") == "value"
    other.revoke(granted.lease)
    assert one.read("key") is None
    with pytest.raises(Definite) as gone:
        one.keep_alive(granted.lease)
    assert gone.value.has_seen
    with pytest.raises(Definite):
        one.write_leased("key", "value", granted.lease)


def test_a_lease_that_is_not_kept_alive_ends(cluster):
    client = client_with(cluster, Lease)
    granted = client.grant(1)
    client.write_leased("key", "value", granted.lease)
    eventually(lambda: client.read("key") is None, "the end of the lease")


def test_a_watch_tells_every_change_from_its_start_once_and_in_order(cluster):
    watcher = client_with(cluster, Watch, -1)
    writer = client_with(cluster, Revision)
    revisions = []
    for number in range(5):
        writer.write(f"watched-{number % 2}", number)
        revisions.append(writer.revision)
    assert revisions == sorted(set(revisions))
    told = list(watcher.watch("watched-", revisions[1], 1.0))
    assert told == [(revisions[number], f"watched-{number % 2}", number) for number in range(1, 5)]


def test_every_node_knows_the_same_members(cluster):
    adapter = adapter_with(cluster, Members)
    hosts = [cluster.inner.topology.host(node) for node in cluster.nodes]
    known = [adapter.members(host, 5.0) for host in hosts]
    assert set(known[0]) == set(cluster.nodes)
    assert all(members == known[0] for members in known)


def test_stores_of_one_revision_have_one_hash(cluster):
    adapter = adapter_with(cluster, Hash)
    cluster.client(cluster.nodes[0]).write("key", "value")
    hosts = [cluster.inner.topology.host(node) for node in cluster.nodes]
    _, revision = adapter.hash_at(hosts[0], 0, 5.0)

    def hashes():
        found = {adapter.hash_at(host, 0, 5.0) for host in hosts}
        return found if {newest for _, newest in found} == {revision} else None

    assert len(eventually(hashes, f"revision {revision} on every node")) == 1


def test_the_hash_of_a_revision_stays_what_it_was_when_the_store_goes_on(cluster):
    adapter = adapter_with(cluster, Hash)
    client = cluster.client(cluster.nodes[0])
    host = cluster.inner.topology.host(cluster.nodes[0])
    client.write("key", "first")
    first, revision = adapter.hash_at(host, 0, 5.0)
    client.write("key", "second")
    assert adapter.hash_at(host, revision, 5.0) == (first, revision)
    assert adapter.hash_at(host, 0, 5.0) != (first, revision)


def test_exactly_one_node_says_that_it_leads(cluster):
    adapter = adapter_with(cluster, Leader)
    leader = cluster.leader()
    views = {node: adapter.leadership(cluster.inner.topology.host(node), 5.0) for node in cluster.nodes}
    assert [node for node, view in views.items() if view.leads] == [leader]
