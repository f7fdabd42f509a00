"""Whose word counts when faults ask who leads."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import cast

import pytest

from raftmon.adapters.base import Adapter
from raftmon.adapters.capabilities import Leadership
from raftmon.driver.cluster.leadership import STATUS, WIRE, LeaderFinder, LeaderSeen, WireRecord, newest_leader
from raftmon.monitor.raft.database.store import MessageStore
from raftmon.monitor.raft.message import Channel, RaftMessage
from raftmon.monitor.raft.tracker import Tracker
from raftmon.setup.topology import Host, Topology

S = 1_000_000_000
ALL = dict.fromkeys(("n1", "n2", "n3"), 0)


def wire(node: str, term: int) -> LeaderSeen:
    return LeaderSeen(node, term, WIRE)


LEADS, FOLLOWS = Leadership(True, 4), Leadership(False, 4)


@pytest.mark.parametrize(
    ("seen", "said", "expected"),
    [
        (wire("n1", 4), {"n1": LEADS, "n2": FOLLOWS}, ("n1", 4, WIRE)),
        (wire("n1", 5), {"n1": None, "n2": FOLLOWS}, ("n1", 5, WIRE)),  # nobody knows of term 5 yet
        (wire("n1", 4), {}, ("n1", 4, WIRE)),  # a system that cannot be asked
        (wire("n1", 4), {"n1": None, "n2": None}, ("n1", 4, WIRE)),
        (wire("n1", 3), {"n1": FOLLOWS, "n2": LEADS}, ("n2", 4, STATUS)),  # the record lags
        (wire("n1", 3), {"n1": Leadership(True, 3), "n2": LEADS}, ("n2", 4, STATUS)),  # n1 was cut off
        (wire("n1", 3), {"n1": FOLLOWS, "n2": FOLLOWS}, None),  # an election is on
        (wire("n1", 4), {"n1": FOLLOWS, "n2": FOLLOWS}, None),  # it stepped down and says so
        (None, {"n1": LEADS, "n2": FOLLOWS}, ("n1", 4, STATUS)),
        (None, {"n1": Leadership(True, 3), "n2": LEADS}, ("n2", 4, STATUS)),
        (None, {"n1": None}, None),
        (None, {}, None),
    ],
)
def test_the_newer_term_counts_and_at_the_same_term_the_wire(
    seen: LeaderSeen | None, said: dict[str, Leadership | None], expected: tuple[str, int, str] | None
) -> None:
    assert newest_leader(seen, said) == expected


class Record:
    """A record that messages are written to."""

    def __init__(self, path: Path) -> None:
        self.store = MessageStore(path)
        self.tracker = Tracker()
        self.channel = Channel(1, "message", "etcd", source_address="a:1", target_address="b:2")

    def add(self, time_ns: int, kind: str, source: str, term: int, group: str = "") -> None:
        message = RaftMessage(
            time_ns, kind, source, "n3", term, 0, 0, 0, (), False, 0, b"", self.channel, 1, 1, 9, b"", group
        )
        self.tracker.feed(message)
        self.store.add(message)
        self.store.add_states(time_ns, self.tracker)
        self.store.flush()


def test_the_record_names_the_leader_while_it_is_heard(tmp_path: Path) -> None:
    now = [1 * S]
    asked = WireRecord(tmp_path / "m.sqlite", lambda: now[0])
    assert asked.leader(ALL) is None, "nothing is recorded yet"
    record = Record(tmp_path / "m.sqlite")
    assert asked.leader(ALL) is None
    record.add(1 * S, "MsgHeartbeat", "n1", 2)
    assert asked.leader(ALL) == ("n1", 2, WIRE)
    assert asked.leader({"n2": 0, "n3": 0}) is None, "its process is down"
    assert asked.leader({**ALL, "n1": 1 * S + 1}) is None, "it was started again since"
    now[0] = 2 * S + 1
    assert asked.leader(ALL) is None, "it was silent for a second"
    record.add(2 * S, "MsgApp", "n2", 3)
    assert asked.leader(ALL) == ("n2", 3, WIRE)
    record.add(2 * S, "MsgVote", "n2", 4)
    assert asked.leader(ALL) is None, "it stands for election itself"


def test_several_groups_have_no_one_leader(tmp_path: Path) -> None:
    record = Record(tmp_path / "m.sqlite")
    record.add(1 * S, "MsgHeartbeat", "n1", 2, "_meta_")
    record.add(1 * S, "MsgHeartbeat", "n2", 2, "S-R3F-x")
    assert WireRecord(tmp_path / "m.sqlite", lambda: 1 * S).leader(ALL) is None


def test_a_record_that_cannot_be_read_is_no_witness_and_no_failure(tmp_path: Path) -> None:
    record = Record(tmp_path / "m.sqlite")
    record.add(1 * S, "MsgHeartbeat", "n1", 2)
    asked = WireRecord(tmp_path / "m.sqlite", lambda: 1 * S)
    assert asked.leader(ALL) is not None
    with sqlite3.connect(tmp_path / "m.sqlite") as connection:
        connection.execute("DROP TABLE states")
    assert asked.leader(ALL) is None


class Asked:
    """A system whose nodes answer with what they are told to."""

    name = "asked"

    def __init__(self, said: dict[str, Leadership | None]) -> None:
        self._said = said

    def leadership(self, node: Host, timeout_s: float) -> Leadership | None:
        return self._said[node.name]


def test_a_finder_asks_the_living_nodes_and_says_whose_word_it_took(tmp_path: Path) -> None:
    alive = ["n1", "n2", "n3"]
    system = cast(Adapter, Asked({"n1": LEADS, "n2": FOLLOWS, "n3": None}))
    finder = LeaderFinder(system, Topology.star(3), lambda: alive, tmp_path / "m.sqlite")
    assert finder.find() == ("n1", 4, STATUS), "nothing is recorded yet"
    record = Record(tmp_path / "m.sqlite")
    record.add(time.monotonic_ns(), "MsgHeartbeat", "n1", 4)
    assert finder.find() == ("n1", 4, WIRE)
    finder.started("n1")
    assert finder.find() == ("n1", 4, STATUS), "what it sent in its life before does not count"
    alive.remove("n1")
    assert finder.statuses(1.0) == {"n2": FOLLOWS, "n3": None}
    assert finder.find() is None
