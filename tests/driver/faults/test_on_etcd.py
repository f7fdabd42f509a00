"""Membership and write-ahead log faults on real etcd, clients at work."""

from __future__ import annotations

import pytest

from raftmon.adapters.capabilities import Members

pytestmark = [pytest.mark.net, pytest.mark.servers]


@pytest.mark.parametrize("name", ["member-remove", "member-replace"])
def test_members_change_while_clients_work_and_nothing_is_lost(name, cluster, clients, history):
    members = cluster.inner.capability(Members)
    through = cluster.inner.topology.host(cluster.leader())
    before = members.members(through, 5.0)
    with clients.working(at_least=50), cluster.fault(name) as effect:
        (node,) = effect.nodes
        assert len(members.members(through, 5.0)) == (3 if name == "member-replace" else 2)
        assert before[node] not in members.members(through, 5.0).values()
    cluster.wait_healthy()
    after = members.members(through, 5.0)
    assert set(after) == set(before)
    assert after[node] != before[node]
    history.assert_valid()


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("wal-truncate", ("came up", "died")),  # etcd dies where the leader knows that it had more
        ("wal-flip", ("died", "came up")),  # not every bit of a log is under its checksum: frames are filled up
        ("wal-unsynced", ("came up",)),
    ],
)
def test_a_damaged_log_loses_nothing_that_a_majority_has(name, ends, cluster, clients, history):
    with clients.working(at_least=50), cluster.fault(name) as effect:
        assert effect.sentence.endswith(tuple(f"it {end} on that" for end in ends))
    cluster.wait_healthy()
    history.assert_valid()


@pytest.mark.parametrize("file", ["*.wal", "snap/db"])
def test_a_flipped_bit_in_a_file_of_a_follower_loses_nothing(file, cluster, clients, history):
    """etcd refuses the file or repairs it; a bit that is under no checksum and in no use changes nothing."""
    with clients.working(at_least=50), cluster.fault("bit-flip", node="follower", file=file) as effect:
        (node,) = effect.nodes
        assert effect.sentence.startswith(f"killed {node} (follower), bit ")
        assert effect.sentence.endswith(("it came up on that", "it died on that"))
        if effect.sentence.endswith("died on that"):
            assert node not in cluster.inner.alive()
    cluster.wait_healthy()
    assert set(cluster.inner.alive()) == set(cluster.nodes)
    history.assert_valid()
