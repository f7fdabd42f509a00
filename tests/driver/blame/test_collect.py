"""What is read from a record of the wire and from events."""

from __future__ import annotations

import contextlib
import pickle
import sqlite3

import pytest

from raftmon.driver.blame.collect import collect, restarts_of
from raftmon.driver.checkers.base import Counterexample, Result, Valid
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.monitor.raft.database.schema import TABLES


@pytest.fixture
def wire():
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.executescript(TABLES)
    with contextlib.closing(connection):
        yield connection


def message(wire, time_ns, kind, source, target, term=1, index=0, entries=0, reject=0, delivered=1):
    cursor = wire.execute(
        "INSERT INTO messages (time_ns, kind, source, target, term, log_term, log_index, commit_index, entries, "
        "last_index, reject, reject_hint, grp, channel, first_packet, last_packet, size, delivered) "
        "VALUES (?, ?, ?, ?, ?, 0, ?, 0, ?, ?, ?, 0, '', 1, 5, 5, 1, ?)",
        (time_ns, kind, source, target, term, index, entries, index + entries, reject, delivered),
    )
    return cursor.lastrowid


def entry(wire, of, index, value, key=None, term=1):
    wire.execute(
        "INSERT INTO entries VALUES (?, 0, 0, ?, ?, 'put', ?, ?, ?, NULL, NULL)",
        (of, index, term, key, value, len(value)),
    )


def wrong(*operations):
    return Result(Valid.NO, "register", "invalid: x", {}, Counterexample(operations, "x", key="k"))


def test_a_write_is_found_in_the_log_with_the_moment_of_its_quorum(wire):
    for node in ("n2", "n3"):
        entry(wire, message(wire, 20, "MsgApp", "n1", node, entries=1, index=3), 4, b"12", key="k")
    message(wire, 30, "MsgAppResp", "n2", "n1", index=4)
    message(wire, 40, "MsgAppResp", "n3", "n1", index=4)
    write = Operation(0, "write", "k", 12, 10, 50, Outcome.OK, node="n1")
    found = collect(wrong(write), History([write]), wire, [], {}, 0).operations[0]
    assert [(one.index, one.leader, one.proposed_ns, one.quorum_ns) for one in found.entries] == [(4, "n1", 20, 30)]


def test_an_answer_that_was_not_delivered_is_none(wire):
    entry(wire, message(wire, 20, "MsgApp", "n1", "n2", entries=1, index=3), 4, b"12", key="k")
    message(wire, 21, "MsgApp", "n1", "n3")
    message(wire, 30, "MsgAppResp", "n2", "n1", index=4, delivered=0)
    message(wire, 40, "MsgAppResp", "n3", "n1", index=4)
    write = Operation(0, "write", "k", 12, 10, 50, Outcome.OK, node="n1")
    assert collect(wrong(write), History([write]), wire, [], {}, 0).operations[0].entries[0].quorum_ns == 40


def test_a_value_within_bytes_that_are_not_read_is_found_whole_only(wire):
    blob = b"\x01$KV.raftmon.k\x00NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 12\r\n\r\n\x00\x00\x00\x02"
    entry(wire, message(wire, 20, "MsgApp", "n1", "n2", entries=1), 1, blob + b"121")
    entry(wire, message(wire, 21, "MsgApp", "n1", "n2", entries=1, index=1), 2, blob + b"12")
    cas = Operation(0, "cas", "k", (3, 12), 10, 50, Outcome.OK, node="n1")
    assert [one.index for one in collect(wrong(cas), History([cas]), wire, [], {}, 0).operations[0].entries] == [2]


def test_a_pickled_command_is_read_without_loading_it(wire):
    for index, command in enumerate([(2, ("k", 12)), (1, ("k",)), (2, ("k", 120)), (2, ("k2", 12))], 1):
        entry(
            wire, message(wire, 20, "MsgApp", "n1", "n2", entries=1, index=index - 1), index, pickle.dumps(command, 2)
        )
    write = Operation(0, "write", "k", 12, 10, 50, Outcome.OK, node="n1")
    (found,) = collect(wrong(write), History([write]), wire, [], {}, 0).operations[0].entries
    assert (found.index, found.quorum_ns, found.quorum_known) == (1, None, False)


def test_a_read_at_a_leader_of_an_older_term_says_since_when_it_had_no_quorum(wire):
    message(wire, 5, "MsgApp", "n1", "n2", term=1, entries=1)
    message(wire, 6, "MsgAppResp", "n2", "n1", term=1)
    message(wire, 7, "MsgAppResp", "n3", "n1", term=1)
    message(wire, 20, "MsgApp", "n3", "n2", term=2)
    read = Operation(0, "read", "k", 1, 30, 40, Outcome.OK, node="n1")
    found = collect(wrong(read), History([read]), wire, [], {}, 0).operations[0]
    assert (found.leader, found.served_without_quorum_ns) == ("n1", 7)
    fresh = Operation(0, "read", "k", 1, 10, 15, Outcome.OK, node="n1")
    assert collect(wrong(fresh), History([fresh]), wire, [], {}, 0).operations[0].served_without_quorum_ns is None


def test_a_restart_with_what_was_lost(wire):
    message(wire, 5, "MsgApp", "n1", "n2", term=3, entries=1)
    message(wire, 6, "MsgAppResp", "n2", "n1", term=3, index=9)
    message(wire, 7, "MsgVote", "n2", "n1", term=3, index=9)
    message(wire, 30, "MsgVote", "n2", "n1", term=1, index=2)
    sentence = "power cut of n2, n3 (all): n2 lost 80 B of a and 2 changes of directory entries; n3 lost nothing: all"
    events = [
        {"event": "node killed", "node": "n2", "time_ns": 10},
        {"event": "fault started", "effect": sentence, "time_ns": 11},
        {"event": "node started", "node": "n2", "time_ns": 20},
    ]
    (found,) = restarts_of(events, wire, "")
    assert (found.log_before, found.log_after, found.term_before, found.term_after) == (9, 2, 3, 1)
    assert found.lost == "80 B of a and 2 changes of directory entries"


def test_without_a_record_of_the_wire_there_is_evidence_all_the_same():
    write = Operation(0, "write", "k", 12, 10, 50, Outcome.OK, node="n1")
    last = Operation(1_000_000_000, "read", "k", 7, 60, 70, Outcome.OK, node="n3")
    found = collect(wrong(write), History([write, last]), None, [], {}, 0)
    assert not found.wire
    assert found.stores == {"n3": "7"}
