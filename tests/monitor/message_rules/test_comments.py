"""Each message of the record says what was done to it, not what was done to its neighbours in the packet."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from raftmon.monitor.message_rules.comments import HELD, EditLog, describe
from raftmon.monitor.raft.codecs.etcd.message_head import MessageHead
from raftmon.monitor.recorder.message_sink import MessageRecord
from tests.monitor.message_rules.bench import Bench
from tests.monitor.raft.wire import (
    STREAM_ANSWER,
    append_entries,
    chunk,
    entry,
    frame,
    full,
    put,
    raftpb,
    stream_request,
)


class Recorded:
    """What a rule makes of the server's payloads, and the record of them, as in a run."""

    def __init__(self, path: Path, rule: str, kind: str = "message") -> None:
        self.path = path / "m.sqlite"
        self.record = MessageRecord(self.path, {"10.77.1.2": "n1", "10.77.2.2": "n2"}, live=False)
        self.bench = Bench(rule)
        self.number = 0
        self.take("client", stream_request(kind), "", True)
        self.bench.wire.seq["client"] += len(stream_request(kind))
        self.take("server", STREAM_ANSWER, "", True)
        self.bench.stream()

    def take(self, side: str, payload: bytes, comment: str, delivered: bool) -> None:
        self.number += 1
        self.record.packet(self.number, self.number * 1000, self.bench.wire.packet(side, payload), comment, delivered)

    def send(self, payload: bytes) -> None:
        wire = self.bench.wire
        before = wire.seq["server"]
        verdict = self.bench.send(payload)
        wire.seq["server"], after = before, wire.seq["server"]
        self.take("server", payload, verdict.comment, bool(verdict.copies))
        wire.seq["server"] = after

    def rows(self) -> list[tuple[str, int, str | None, int | None]]:
        self.record.finish()
        query = "SELECT kind, log_index, verdict, delivered FROM messages ORDER BY id"
        return list(sqlite3.connect(self.path).execute(query))


def test_of_three_messages_in_one_packet_the_one_that_was_lost_says_so(tmp_path: Path) -> None:
    made = Recorded(tmp_path, "n1->n2 MsgAppResp index = 12 drop")
    made.send(b"".join(chunk(frame(raftpb(4, index=index))) for index in (11, 12, 13)))
    assert made.rows() == [
        ("MsgAppResp", 11, None, 1),
        ("MsgAppResp", 12, "drop MsgAppResp term 2 index 12", 0),
        ("MsgAppResp", 13, None, 1),
    ]


def test_a_message_lost_by_its_header_says_so_although_its_last_byte_came_in_a_later_packet(tmp_path: Path) -> None:
    made = Recorded(tmp_path, "n1->n2 MsgApp index = 10 drop", "msgapp")
    made.send(chunk(full(raftpb(3, log_term=2, index=9, entries=[entry(2, 10)]))))
    large = chunk(append_entries([entry(2, 11, put(b"k", bytes(2000)))], 10))
    made.send(large[:1000])
    made.send(large[1000:] + chunk(append_entries([entry(2, 12, put(b"k", b"v"))], 11)))
    assert made.rows() == [
        ("MsgApp", 9, None, 1),
        ("MsgApp", 10, "drop MsgApp term 2 index 10", 0),
        ("MsgApp", 11, None, 1),
    ]


def test_of_two_messages_that_look_the_same_the_one_that_was_lost_says_so(tmp_path: Path) -> None:
    # An empty append goes before one with an entry, with the same term and index: a follower is told the commit first.
    made = Recorded(tmp_path, "n1->n2 MsgApp entries > 0 drop", "msgapp")
    made.send(chunk(full(raftpb(3, log_term=2, index=9, entries=[entry(2, 10)]))))
    empty = chunk(full(raftpb(3, log_term=2, index=10)))
    one, other = (
        chunk(full(raftpb(3, log_term=2, index=10, entries=[entry(2, 11, put(b"k", value))]))) for value in (b"a", b"b")
    )
    made.send(empty + one + empty)
    made.send(empty + one[:40])
    made.send(one[40:] + empty + other)
    lost = "drop MsgApp term 2 index 10"
    assert made.rows()[1:] == [
        ("MsgApp", 10, None, 1),
        ("MsgApp", 10, lost, 0),
        ("MsgApp", 10, None, 1),
        ("MsgApp", 10, HELD, 1),
        ("MsgApp", 10, lost, 0),
        ("MsgApp", 10, None, 1),
        ("MsgApp", 10, lost, 0),
    ]


def test_two_rules_that_act_on_one_message_both_stand_at_it(tmp_path: Path) -> None:
    made = Recorded(tmp_path, "n1->n2 MsgHeartbeat drop")
    vote, message = MessageHead("MsgVote", "message", term=2, index=0), frame(raftpb(5))
    comment = f"{describe('forge', vote, 2)}, {describe('drop', vote, 2)}"
    made.take("server", chunk(message) * 3, comment, True)
    assert [row[2:] for row in made.rows()] == [
        (None, 1),
        ("forge MsgVote term 2 index 0, drop MsgVote term 2 index 0", 0),
        (None, 1),
    ]


def test_messages_of_a_segment_that_is_held_keep_their_own_verdicts(tmp_path: Path) -> None:
    made = Recorded(tmp_path, "n1->n2 MsgAppResp index = 11 drop")
    next_one = chunk(frame(raftpb(4, index=13)))
    made.send(b"".join(chunk(frame(raftpb(4, index=index))) for index in (11, 12)) + next_one[:20])
    made.send(next_one[20:])
    assert made.rows() == [
        ("MsgAppResp", 11, f"drop MsgAppResp term 2 index 11, {HELD}", 0),
        ("MsgAppResp", 12, HELD, 1),
        ("MsgAppResp", 13, None, 1),
    ]


def test_a_doubled_message_was_delivered_all_the_same(tmp_path: Path) -> None:
    made = Recorded(tmp_path, "n1->n2 MsgAppResp duplicate 2")
    made.send(chunk(frame(raftpb(4, index=11))) + chunk(frame(raftpb(8))))
    assert made.rows() == [
        ("MsgAppResp", 11, "duplicate MsgAppResp term 2 index 11", 1),
        ("MsgHeartbeat", 0, None, 1),
    ]


def test_what_was_done_to_the_packet_stays_with_all_its_messages(tmp_path: Path) -> None:
    made = Recorded(tmp_path, "n1->n2 MsgVote drop")
    comment = f"delay 5.000 ms, {describe('drop', MessageHead('MsgVote', 'message', term=2, index=0))}"
    made.take("server", chunk(frame(raftpb(5))) + chunk(frame(raftpb(8))), comment, True)
    assert made.rows() == [
        ("MsgVote", 0, "drop MsgVote term 2 index 0, delay 5.000 ms", 0),
        ("MsgHeartbeat", 0, "delay 5.000 ms", 1),
    ]


def test_edits_whose_messages_never_come_are_forgotten() -> None:
    log = EditLog()
    for number in range(10_000):
        assert log.note(number, f"drop MsgApp term ? index {number}") == ""
    assert sum(map(len, log._open.values())) < 1000
