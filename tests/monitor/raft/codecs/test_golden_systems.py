"""Captures of live clusters with a partition and a killed leader, each checked against what is known from elsewhere.

``systems.truth.json`` holds what the run's clients had acknowledged (their history) and the leaders and terms that the
servers' own logs tell.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache

import pytest

from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.invariants import InvariantChecker
from raftmon.monitor.raft.message import RaftMessage
from raftmon.monitor.raft.tracker import Tracker
from tests.monitor.raft.wire import DATA

TRUTH = json.loads((DATA / "systems.truth.json").read_text())
NAMES = {f"10.{net}.{i}.2": f"n{i}" for i in (1, 2, 3) for net in (77, 78)}
CAPTURES = [
    "hashicorp-raft-1.1.2", "ovsdb-3.1.0", "ovsdb-3.5.0", "dqlite-1.11.5", "zookeeper-3.8.0", "zookeeper-3.9.3",
    "nats-2.10.27", "nats-2.15.1", "pysyncobj-0.3.11", "etcd-3.5.30",
]  # fmt: skip
UNREAD = ("unparsed_bytes", "skipped_bytes", "hole_bytes", "lost_at_join", "unknown_field_bytes")


@cache
def decoded(name: str) -> tuple[Decoder, list[RaftMessage]]:
    decoder = Decoder(NAMES)
    messages: list[RaftMessage] = []
    for packet in read_capture(DATA / f"{name}.pcap.gz"):
        messages += decoder.packet(packet.number, packet.time_ns, packet.data)
    return decoder, [*messages, *decoder.finish()]


@pytest.mark.parametrize("name", CAPTURES)
def test_every_byte_is_read(name: str) -> None:
    counters = decoded(name)[0].counters()
    assert {key: counters[key] for key in UNREAD} == dict.fromkeys(UNREAD, 0)


@pytest.mark.parametrize("name", CAPTURES)
def test_every_node_goes_by_its_one_name_and_none_speaks_to_itself(name: str) -> None:
    _, messages = decoded(name)
    assert {m.source for m in messages} == {"n1", "n2", "n3"}
    assert all(m.target in ("n1", "n2", "n3") and m.source != m.target for m in messages)


@pytest.mark.parametrize("name", TRUTH)
def test_every_acknowledged_write_is_in_an_append(name: str) -> None:
    _, messages = decoded(name)
    contents = {entry.data for m in messages for entry in m.entries if m.kind == "MsgApp"}
    writes = TRUTH[name]["writes"]
    assert len(writes) >= 30
    unseen = [
        (key, value)
        for key, value in writes
        if not any(key.encode() in data and json.dumps(value).encode() in data for data in contents)
    ]
    assert unseen == []


@pytest.mark.parametrize("name", [name for name in TRUTH if "leaders" in TRUTH[name]])
def test_leaders_and_terms_are_those_of_the_servers_logs(name: str) -> None:
    tracker = Tracker()
    for message in decoded(name)[1]:
        tracker.feed(message)
    won = sorted({(one.term, one.winner) for one in tracker.elections if one.winner})
    assert [list(one) for one in won] == TRUTH[name]["leaders"]


@pytest.mark.parametrize("name", CAPTURES)
def test_no_invariant_is_broken_and_those_of_elections_and_logs_were_asked(name: str) -> None:
    decoder, messages = decoded(name)
    invariants = InvariantChecker(decoder.directory.renamed)
    for message in messages:
        invariants.feed(message)
    assert [violation.sentence for violation in invariants.violations] == []
    for asked in ("election_safety", "one_vote", "log_matching", "state_machine_safety", "terms_monotonic"):
        assert invariants.checked[asked] > 0, asked


def kinds(name: str) -> Counter[str]:
    return Counter(m.kind for m in decoded(name)[1])


def test_ovsdb_has_pre_votes_from_3_5_on_and_snapshots_for_servers_that_join() -> None:
    assert kinds("ovsdb-3.1.0")["MsgPreVote"] == 0
    assert kinds("ovsdb-3.5.0")["MsgPreVote"] > 0
    assert kinds("ovsdb-3.1.0")["MsgSnap"] == kinds("ovsdb-3.5.0")["MsgSnap"] == 2
    changes = [e for m in decoded("ovsdb-3.1.0")[1] if m.kind == "MsgApp" for e in m.entries if e.type == 1]
    assert {e.operations[0].name for e in changes} == {"conf_change"}


def test_hashicorp_answers_carry_the_index_of_what_they_answer() -> None:
    _, messages = decoded("hashicorp-raft-1.1.2")
    assert kinds("hashicorp-raft-1.1.2")["MsgSnap"] == 2  # "installed remote snapshot" stands twice in the logs
    last: dict[tuple[int | None, str | None, str | None], int] = {}
    for message in messages:
        if message.kind == "MsgApp":
            index = message.entries[-1].index if message.entries else message.index
            last[0, message.source, message.target] = max(index, last.get((0, message.source, message.target), 0))
        elif message.kind == "MsgAppResp" and not message.reject:
            assert message.index <= last[0, message.target, message.source]


def test_dqlite_entries_are_numbered_without_gaps_and_name_what_they_do() -> None:
    entries = {e.index: e for m in decoded("dqlite-1.11.5")[1] if m.kind == "MsgApp" for e in m.entries}
    assert sorted(entries) == list(range(min(entries), max(entries) + 1))
    assert {e.operations[0].name for e in entries.values()} >= {"frames", "conf_change"}


def test_zookeeper_votes_are_accepted_epochs_and_rounds_have_a_group_of_their_own() -> None:
    _, messages = decoded("zookeeper-3.8.0")
    votes = [(m.term, m.source, m.target) for m in messages if m.kind == "MsgVoteResp"]
    assert len(votes) == len({(term, source) for term, source, _ in votes}) == 4
    rounds = [m for m in messages if m.group == "election"]
    assert {m.kind for m in rounds} == {"MsgVote", "MsgNotification"}
    assert all(m.extra and m.extra["leader"] in ("n1", "n2", "n3") for m in rounds)
    puts = [o for m in messages if m.kind == "MsgApp" for e in m.entries for o in e.operations if o.name == "set_data"]
    assert {o.key for o in puts} == {b"/raftmon-k0", b"/raftmon-k1"}


def test_nats_votes_are_checked_where_the_answer_carries_the_requests_term() -> None:
    for name in ("nats-2.10.27", "nats-2.15.1"):
        votes = [m for m in decoded(name)[1] if m.kind == "MsgVoteResp"]
        assert votes
        assert all(m.extra == {"vote_term": m.term} for m in votes)
