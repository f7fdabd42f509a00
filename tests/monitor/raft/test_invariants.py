"""Every invariant is broken by a forged record that breaks it, and by none that does not."""

from __future__ import annotations

import dataclasses

import pytest

from raftmon.monitor.raft.invariants import INVARIANTS, LIMITS, InvariantChecker, Violation
from raftmon.monitor.raft.message import RaftMessage
from raftmon.monitor.raft.tracker import Tracker
from tests.monitor.raft.wire import (
    DATA,
    GOLDEN,
    Wire,
    append_entries,
    chunk,
    decode,
    entry,
    frame,
    full,
    message,
    raftpb,
)

E = (2, 11, b"x")


def _broken(*messages: RaftMessage) -> list[Violation]:
    checker = InvariantChecker()
    return [violation for one in messages for violation in checker.feed(one)]


FORGED: dict[str, tuple[RaftMessage, ...]] = {
    "election_safety": (
        message("MsgHeartbeat", "n1", "n2", 5, packet=7),
        message("MsgApp", "n3", "n2", 5, packet=9),
    ),
    "one_vote": (
        message("MsgVoteResp", "n2", "n1", 5, stream="message", packet=7),
        message("MsgVoteResp", "n2", "n3", 5, stream="message", packet=9),
    ),
    "leader_append_only": (
        message("MsgApp", "n1", "n2", 5, log_term=2, index=10, entries=[(3, 11, b"a")], packet=7),
        message("MsgApp", "n1", "n3", 5, log_term=2, index=10, entries=[(4, 11, b"a")], packet=9),
    ),
    "log_matching": (
        message("MsgApp", "n1", "n2", 5, log_term=2, index=10, entries=[(3, 11, b"a")], packet=7),
        message("MsgApp", "n1", "n3", 5, log_term=2, index=10, entries=[(3, 11, b"b")], packet=9),
    ),
    "leader_completeness": (
        message("MsgApp", "n1", "n2", 5, log_term=5, index=10, entries=[(5, 11, b"a")]),
        message("MsgApp", "n1", "n2", 5, log_term=5, index=11, commit=11, packet=7),
        message("MsgApp", "n3", "n2", 6, log_term=5, index=10, entries=[(6, 11, b"b")], packet=9),
    ),
    "state_machine_safety": (
        message("MsgApp", "n1", "n2", 5, log_term=5, index=10, entries=[(5, 11, b"a")]),
        message("MsgApp", "n1", "n2", 5, log_term=5, index=11, commit=11, packet=7),
        message("MsgApp", "n3", "n2", 6, log_term=5, index=10, entries=[(6, 11, b"b")]),
        message("MsgApp", "n3", "n2", 6, log_term=6, index=11, commit=11, packet=9),
    ),
    "terms_monotonic": (
        message("MsgHeartbeatResp", "n1", "n2", 5, stream="message", packet=7),
        message("MsgHeartbeatResp", "n1", "n2", 4, stream="message", packet=9),
    ),
    "commit_monotonic": (
        message("MsgApp", "n1", "n2", 5, commit=9, packet=7),
        message("MsgApp", "n1", "n2", 5, commit=8, packet=9),
    ),
    "no_stale_append": (
        message("MsgHeartbeat", "n3", "n2", 5, packet=7),
        message("MsgAppResp", "n2", "n1", 5, index=4, stream="message", packet=9),
    ),
}


@pytest.mark.parametrize("name", INVARIANTS)
def test_a_forged_record_breaks_it_and_the_counter_example_names_the_messages(name: str) -> None:
    found = [violation for violation in _broken(*FORGED[name]) if violation.invariant == name]
    assert len(found) == 1
    assert set(found[0].packets) == {7, 9}
    assert len(found[0].witnesses) == 2
    assert all("->" in witness.sentence for witness in found[0].witnesses)
    assert found[0].sentence


def test_every_invariant_says_what_it_cannot_see() -> None:
    assert LIMITS.keys() == INVARIANTS.keys()


def test_an_accepted_append_is_judged_when_the_leader_becomes_known_later() -> None:
    stale, leader = FORGED["no_stale_append"][1], FORGED["no_stale_append"][0]
    assert [violation.invariant for violation in _broken(stale, leader)] == ["no_stale_append"]


def test_the_entry_before_belongs_to_an_entry_too() -> None:
    one = message("MsgApp", "n1", "n2", 5, log_term=2, index=10, entries=[(3, 11, b"a")])
    other = message("MsgApp", "n1", "n3", 5, log_term=1, index=10, entries=[(3, 11, b"a")])
    assert "log_matching" in {violation.invariant for violation in _broken(one, other)}


@pytest.mark.parametrize(
    "messages",
    [
        # Pre-votes carry a future term, and a rejected one the voter's own.
        (
            message("MsgPreVote", "n1", "n2", 9, stream="message"),
            message("MsgHeartbeatResp", "n1", "n2", 5, stream="message"),
        ),
        (
            message("MsgPreVoteResp", "n1", "n2", 9, stream="message"),
            message("MsgHeartbeatResp", "n1", "n2", 5, stream="message"),
        ),
        # Refused votes are no votes; the same vote may be sent twice.
        (message("MsgVoteResp", "n2", "n1", 5), message("MsgVoteResp", "n2", "n3", 5, reject=True)),
        (message("MsgVoteResp", "n2", "n1", 5), message("MsgVoteResp", "n2", "n1", 5)),
        # An uncommitted entry may be replaced by a later leader.
        (
            message("MsgApp", "n1", "n2", 5, log_term=5, index=10, entries=[(5, 11, b"a")], commit=10),
            message("MsgApp", "n3", "n2", 6, log_term=5, index=10, entries=[(6, 11, b"b")], commit=10),
        ),
        # Other streams may be overtaken.
        (
            message("MsgHeartbeatResp", "n1", "n2", 5, stream="message"),
            message("MsgApp", "n1", "n2", 4, stream="msgapp"),
        ),
        # Other groups are other logs.
        (message("MsgHeartbeat", "n1", "n2", 5, group="a"), message("MsgHeartbeat", "n3", "n2", 5, group="b")),
        # A probe resends what is there.
        tuple(message("MsgApp", "n1", target, 5, entries=[E], index=10) for target in ("n2", "n3")),
    ],
)  # fmt: skip
def test_what_raft_allows_breaks_nothing(messages: tuple[RaftMessage, ...]) -> None:
    assert _broken(*messages) == []


def test_a_node_that_got_its_name_late_is_not_two_nodes() -> None:
    renamed: dict[str, str] = {}
    checker = InvariantChecker(renamed)
    checker.feed(message("MsgHeartbeat", "a1b2", "n2", 5))
    renamed["a1b2"] = "n1"
    assert checker.feed(message("MsgHeartbeat", "n1", "n2", 5)) == []


def test_a_contradiction_is_told_once() -> None:
    one, two = FORGED["election_safety"]
    assert len(_broken(one, two, two, two)) == 1


def test_the_same_append_again_is_not_looked_through_again_but_another_place_or_term_is() -> None:
    checker = InvariantChecker({})
    first = message("MsgApp", term=2, index=9, log_term=2, entries=[(2, 10, b"a"), (2, 11, b"b")])

    def checked(**changes: int) -> int:
        before = checker.checked["log_matching"]
        checker.feed(dataclasses.replace(first, **changes))
        return checker.checked["log_matching"] - before

    assert [checked(), checked(), checked(term=3), checked(term=3), checked(log_term=1)] == [2, 0, 2, 0, 2]
    found = {violation.invariant for violation in checker.violations}
    assert "log_matching" in found, "the last one says that another entry comes before"


@pytest.mark.parametrize("name", ["etcd-3.4.23-head.pcap.gz", "nats-2.9.10.pcap.gz", "pysyncobj-0.3.pcap.gz"])
def test_silence_over_recorded_clusters(name: str) -> None:
    decoder, messages = decode(DATA / name)
    checker = InvariantChecker(decoder.directory.renamed)
    assert [violation for one in messages for violation in checker.feed(one)] == []
    assert checker.checked["log_matching"] > 50


@pytest.mark.skipif(not GOLDEN.exists(), reason=f"{GOLDEN} is not here")
def test_silence_over_the_golden_capture() -> None:
    decoder, messages = decode(GOLDEN)
    checker = InvariantChecker(decoder.directory.renamed)
    assert [violation for one in messages for violation in checker.feed(one)] == []
    assert checker.checked["state_machine_safety"] > 5000


def test_a_forged_capture_breaks_it_down_to_its_packets() -> None:
    """From bytes on the wire: the same index and term with other contents, on another stream of the same leader."""
    wire = Wire().stream("msgapp")
    wire.server(chunk(full(raftpb(3, log_term=2, index=9, entries=[entry(2, 10, b"one")]))))
    wire.server(chunk(append_entries([entry(2, 11, b"two")], 9)))
    other = Wire(wire.decoder, port=41000)
    other.number = 100
    other.stream("message")
    other.server(chunk(frame(raftpb(3, log_term=2, index=9, entries=[entry(2, 10, b"ANOTHER")]))))
    checker = InvariantChecker()
    found = [violation for one in (*wire.messages, *other.messages) for violation in checker.feed(one)]
    assert [violation.invariant for violation in found] == ["log_matching"]
    assert max(found[0].packets) > 100 > min(found[0].packets)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raftmon.monitor.raft.invariants._MAX_INDEXES", 100)
    checker = InvariantChecker()
    for index in range(1, 500):
        checker.feed(message("MsgApp", term=2, log_term=2, index=index, entries=[(2, index + 1, b"")], commit=index))
    assert checker.forgotten > 0
    assert checker.violations == []
    (log,) = checker._groups.values()
    assert len(log.entries) <= 101


def test_memory_is_bounded_over_groups_and_where_all_entries_have_one_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raftmon.monitor.raft.invariants._MAX_INDEXES", 100)
    checker = InvariantChecker()
    for term in range(1, 1000):
        one = message("MsgApp", term=term, log_term=term, index=7, entries=[(term, 8, b"")], commit=0)
        one.group = f"g{term % 30}"
        checker.feed(one)
    assert sum(len(log.entries) for log in checker._groups.values()) == checker._entries <= 100
    assert checker.forgotten >= 800


def test_a_rejected_pre_vote_that_repeats_the_request_s_term_is_not_the_voter_s_own():
    """dqlite: n2, in term 1, rejects a pre-vote of term 2 and then, as it knows a leader, the vote itself."""
    checker, tracker = InvariantChecker(), Tracker()
    pre_vote = message("MsgPreVoteResp", "n2", "n3", 2, reject=True)
    pre_vote.extra = {"request_term": True}
    for one in (
        message("MsgHeartbeatResp", "n2", "n3", 1),
        pre_vote,
        message("MsgVoteResp", "n2", "n3", 1, reject=True),
    ):
        assert checker.feed(one) == []
        tracker.feed(one)
    assert tracker.groups[""].nodes["n2"].term == 1
