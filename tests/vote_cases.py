"""A node whose votes are lost wins no election, and no connection breaks: ``make votes``, on etcd and other systems.

    pytest tests/vote_cases.py --system ovsdb

Not part of ``make test``: five elections take up to a minute where election timeouts are long.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time

import pytest

from raftmon.driver.testing.waiting import eventually
from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.packets.view import RST, PacketView
from raftmon.monitor.raft.database.store import open_store

pytestmark = [pytest.mark.net, pytest.mark.servers]
ELECTIONS = 5


def asked(cluster, sql, *values):
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(open_store(cluster.inner.folder.path / "messages.sqlite")) as connection,
    ):
        return connection.execute(sql, values).fetchall()
    return []


def test_a_node_whose_votes_are_lost_wins_none_of_five_elections(cluster, monitor):
    leader = cluster.leader(60.0)
    loser, other = cluster.others(leader)
    since_ns = time.monotonic_ns()
    rules = [monitor.add(f"*->{loser} {kind} drop") for kind in ("MsgVoteResp", "MsgPreVoteResp")]
    # The other one must not win instead: nobody hears that it stands.
    rules += [monitor.add(f"{other}->{loser} {kind} drop") for kind in ("MsgVote", "MsgPreVote")]
    cluster.pause(leader)

    def elections():
        sql = (
            "SELECT COUNT(DISTINCT term), MAX(kind), COUNT(*) FROM messages WHERE source = ? AND target = ? "
            "AND time_ns > ? AND kind IN ('MsgVote', 'MsgPreVote')"
        )
        found = asked(cluster, sql, loser, other, since_ns)
        terms, kind, times = found[0] if found else (0, "", 0)
        return times if kind == "MsgPreVote" else terms  # asking whether to stand leaves the term as it is

    def votes_lost():
        return sum(monitor.stats()["rules"][name]["hits"] for name in rules[:2])

    # Two candidates of one term may refuse each other in silence: enough votes must have been lost, too.
    enough = lambda: elections() >= ELECTIONS and votes_lost() >= ELECTIONS  # noqa: E731
    eventually(enough, f"{loser} standing, and losing votes, {ELECTIONS} times", 120.0)
    until_ns, hits = time.monotonic_ns(), votes_lost()
    won = asked(
        cluster,
        "SELECT COUNT(*) FROM messages WHERE source = ? AND kind IN ('MsgApp', 'MsgHeartbeat') AND time_ns > ? AND grp "
        "IN (SELECT grp FROM messages WHERE kind IN ('MsgVote', 'MsgPreVote') AND source = ? AND time_ns > ?)",
        loser, since_ns, loser, since_ns,
    )[0][0]  # fmt: skip
    assert won == 0, f"{loser} sent what only a leader sends"
    for name in rules:
        monitor.remove(name)
    cluster.resume(leader)
    eventually(cluster.inner.leader, "a leader again", 60.0)
    resets = connection_resets(cluster, {loser, other}, since_ns, until_ns)
    print(f"{cluster.inner.system}: {elections()} elections, {hits} votes lost, 0 won, {len(resets)} resets")
    assert resets == [], f"connections between {loser} and {other} were reset"


def connection_resets(cluster, nodes, since_ns, until_ns):
    """Packets with RST between the two nodes in that time."""
    offset_ns = time.time_ns() - time.monotonic_ns()
    found = []
    for packet in read_capture(cluster.inner.folder.path / "packets.pcapng"):
        ends = set(packet.interface.split("->"))
        if ends == nodes and since_ns <= packet.time_ns - offset_ns <= until_ns:
            flags = PacketView(packet.data).flags
            if flags is not None and flags & RST:
                found.append((packet.number, packet.interface))
    return found
