"""Single messages: lost, delayed, held and forged between real etcd nodes, their streams intact."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from raftmon.monitor.raft.database.store import open_store
from raftmon.testing import eventually


def _hits(monitor, name):
    return monitor.stats()["rules"][name]["hits"]


def _opened(cluster):
    """How many message streams were opened so far, as the record shows it."""
    connection = open_store(Path(cluster.folder) / "messages.sqlite")
    try:
        return connection.execute("SELECT COUNT(*) FROM events WHERE kind = 'stream opened'").fetchone()[0]
    finally:
        connection.close()


def _stand(cluster, monitor, target):
    """Make ``target`` stand for election now."""
    with monitor.rule(f"{cluster.leader()}->{target} forge MsgTimeoutNow") as name:
        eventually(lambda: _hits(monitor, name) == 1, "the forged message on its way")
        before = monitor.stats()["messages"]["sent"]
        eventually(lambda: monitor.stats()["messages"]["sent"] >= max(1, before), "the forged message delivered")


def test_a_node_whose_votes_are_lost_wins_no_election_and_loses_no_stream(cluster, monitor):
    target = cluster.followers()[0]
    eventually(lambda: _opened(cluster) >= 12, "every stream open")
    opened = _opened(cluster)
    with monitor.rule(f"*->{target} MsgVoteResp drop") as votes, monitor.rule(f"*->{target} MsgPreVoteResp drop"):
        for number in range(5):
            lost = _hits(monitor, votes)
            _stand(cluster, monitor, target)
            eventually(lambda lost=lost: _hits(monitor, votes) > lost, f"a vote lost in round {number}")
            cluster.wait_healthy()
            assert cluster.leader() != target
        assert _opened(cluster) == opened, "a stream was opened again"
    _stand(cluster, monitor, target)
    eventually(lambda: cluster.leader() == target, f"{target} to lead once its votes arrive")


def test_every_fifth_append_lost_and_nothing_is_gone(cluster, monitor, clients, history):
    target = cluster.followers()[0]
    with monitor.rule(f"*->{target} MsgApp drop every 5") as name, clients.working(at_least=200):
        eventually(lambda: _hits(monitor, name) > 20, "appends lost")
    history.assert_valid()
    history.assert_stores_equal()


def test_held_votes_arrive_when_they_are_let_go(cluster, monitor):
    target = cluster.followers()[0]
    with monitor.rule(f"*->{target} MsgVoteResp hold") as name:
        _stand(cluster, monitor, target)
        eventually(lambda: monitor.stats()["messages"]["held"] >= 1, "a vote held back")
        assert _hits(monitor, name) >= 1
    eventually(lambda: monitor.stats()["messages"]["held"] == 0, "nothing held any more")
    cluster.wait_healthy()


def test_a_delayed_heartbeat_is_delivered_later(cluster, monitor):
    leader, target = cluster.leader(), cluster.followers()[0]
    begin = time.monotonic()
    with monitor.rule(f"{leader}->{target} MsgHeartbeat delay 300ms") as name:
        eventually(lambda: monitor.stats()["messages"]["sent"] >= 3, "delayed heartbeats delivered")
        assert _hits(monitor, name) >= 3
        assert time.monotonic() - begin >= 0.3
    assert cluster.leader() == leader
    assert monitor.stats()["messages"]["failed"] == 0


def test_a_rule_waits_for_a_message_and_its_reaction_is_measured(cluster, monitor):
    client = monitor._client
    target = cluster.followers()[0]

    def state():
        return next(one for one in client.triggers() if one["name"] == name)

    with monitor.rule(f"when MsgHeartbeat -> {target} nth 3: *->{target} MsgHeartbeat drop for 50ms") as name:
        eventually(lambda: state()["reaction_ms"] is not None, "the trigger's rule in force")
        found = state()
        assert [rule["name"] for rule in monitor.rules()] == [name]
    assert monitor.rules() == []
    assert found["state"] == "fired"
    assert found["message"].startswith(f"MsgHeartbeat {cluster.leader()}->{target}")
    assert 0 < found["reaction_ms"] < 1000


@pytest.mark.cluster(rules=[str(Path(__file__).parents[3] / "examples" / "rules" / "lose_every_fifth_append.py")])
def test_a_rules_file_loses_every_fifth_append_and_nothing_is_gone(cluster, monitor, clients, history):
    name = "lose_every_fifth_append"
    with clients.working(at_least=200):
        eventually(lambda: _hits(monitor, name) > 20, "appends lost")
    found = monitor.stats()["rules"][name]
    assert found["errors"] == 0
    assert found["hits"] <= found["packets"] / 5
    history.assert_valid()
    history.assert_stores_equal()
