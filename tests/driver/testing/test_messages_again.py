"""Recorded messages again, messages released one at a time, rules about roles and nodes: on a real etcd."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from raftmon.driver.testing.waiting import eventually
from raftmon.monitor.raft.database.store import open_store

pytestmark = [pytest.mark.net, pytest.mark.servers]


def rows(cluster, sql, *values):
    with contextlib.closing(open_store(cluster.inner.folder.path / "messages.sqlite")) as connection:
        return connection.execute(sql, values).fetchall()


def recorded(cluster, sql, *values):
    """The first row of a query, waited for: the record is a moment behind."""

    def ask():
        with contextlib.suppress(sqlite3.Error):
            return next(iter(rows(cluster, sql, *values)), None)
        return None

    return eventually(ask, sql, 10.0)


def test_messages_come_again_and_rules_know_roles_and_nodes(cluster, monitor):
    leader = cluster.leader()
    first, second = cluster.others(leader)
    client = cluster.client(leader)
    client.write("x", 1)

    # A recorded append once more: its receiver answers it a second time.
    append = "SELECT id, log_index + entries AS last FROM messages WHERE kind = 'MsgApp' AND entries > 0 AND target = ?"
    row = recorded(cluster, append, first)
    told = monitor.deliver(row["id"])
    assert told["to"] == first
    assert "MsgApp" in told["text"]
    eventually(lambda: monitor.stats()["messages"]["sent"] == 1, "the message delivered again")

    # Held messages come one at a time while the rule stays.
    with monitor.rule(f"{first}->{leader} MsgHeartbeatResp hold") as rule:
        eventually(lambda: len(monitor.held()) >= 3, "three messages held")
        before = monitor.stats()["messages"]["sent"]
        released = monitor.release(rule, 2)
        assert [one["rule"] for one in released] == [rule, rule]
        eventually(lambda: monitor.stats()["messages"]["sent"] >= before + 2, "two messages released")

    # A rule about a role is in force for the node that has it.
    with monitor.rule("leader->follower MsgApp delay 1ms") as rule:
        (shown,) = [one for one in monitor.rules() if one["name"] == rule]
        assert shown["match"] == f"{leader}->{','.join(sorted((first, second)))} and MsgApp"

    # A node is killed when a message says so; the trigger's rule needs no packet of its own.
    replay = monitor.add(f"{first}->{leader} MsgHeartbeatResp replay last 1 when leader changes")
    trigger = monitor.add(f"when MsgApp -> {second} nth 1: kill {second}")
    client.write("x", 2)
    eventually(lambda: second not in cluster.inner.alive(), f"{second} killed")
    assert any(f"{second} killed by rule {trigger}" in act for act in cluster.acts())
    assert cluster.inner.deaths() == []
    cluster.start(second)
    cluster.wait_healthy()

    # The leader is cut off by role, and what it was told in its term comes again when another leads.
    cluster.isolate("leader")
    eventually(lambda: cluster.inner.leader() not in (None, leader), "another leader")
    eventually(
        lambda: any(one["fired"] for one in monitor.triggers() if "leader changes" in one["trigger"]), "the replay"
    )
    monitor.remove(replay)
    cluster.heal()
    cluster.wait_healthy()
    assert cluster.client(leader).read("x") == 2
