"""The cluster as its messages show it."""

from __future__ import annotations

from raftmon.monitor.raft.message import RaftMessage
from raftmon.monitor.raft.tracker import ClusterChange, Tracker
from tests.monitor.raft.wire import message


def _tracked(*messages: RaftMessage) -> tuple[Tracker, list[ClusterChange]]:
    tracker = Tracker()
    return tracker, [change for one in messages for change in tracker.feed(one)]


ELECTION = (
    message("MsgHeartbeat", "n1", "n2", 2, at_ms=0),
    message("MsgVote", "n2", "n1", 3, at_ms=1200, stream="message"),
    message("MsgVote", "n2", "n3", 3, at_ms=1200, stream="message"),
    message("MsgVoteResp", "n3", "n2", 3, at_ms=1201, stream="message"),
    message("MsgApp", "n2", "n3", 3, index=7, entries=[(3, 8, b"")], commit=7, at_ms=1203, packet=44),
)


def test_an_election_has_its_cause_votes_and_length() -> None:
    tracker, changes = _tracked(*ELECTION)
    (election,) = tracker.elections
    assert (election.term, election.candidate, election.winner, election.votes) == (3, "n2", "n2", {"n3"})
    assert (election.cause, election.silent_ms) == ("silence", 1200.0)
    assert election.end_ns is not None
    assert election.end_ns - election.start_ns == 3_000_000
    assert [(c.node, c.value) for c in changes if c.what == "leader"] == [("n1", 2), ("n2", 3)]
    assert tracker.groups[""].nodes["n1"].role == "superseded", "who led before does not lead any more"


def test_a_leader_that_stands_again_was_in_silence_only_since_it_led() -> None:
    tracker, _ = _tracked(*ELECTION, message("MsgVote", "n2", "n1", 4, at_ms=2203, stream="message"))
    assert (tracker.elections[-1].cause, tracker.elections[-1].silent_ms) == ("silence", 1000.0)


def test_what_was_not_delivered_breaks_no_silence() -> None:
    tracker = Tracker()
    tracker.feed(message("MsgHeartbeat", "n1", "n2", 2, at_ms=0))
    tracker.feed(message("MsgHeartbeat", "n1", "n2", 2, at_ms=700), delivered=False)
    tracker.feed(message("MsgVote", "n2", "n3", 3, at_ms=1000, stream="message"))
    assert tracker.elections[0].silent_ms == 1000.0


def test_a_cut_off_follower_shows_by_its_rising_term() -> None:
    stands = [message("MsgVote", "n3", "n1", term, at_ms=term * 1000, stream="message") for term in (3, 4, 5)]
    tracker, changes = _tracked(message("MsgHeartbeat", "n1", "n3", 2), *stands)
    assert [c.value for c in changes if c.what == "term" and c.node == "n3"] == [3, 4, 5]
    assert tracker.groups[""].leader == "n1"
    assert tracker.groups[""].leader_term == 2
    assert [election.end_ns for election in tracker.elections] == [None] * 3


def test_a_pre_vote_raises_no_term() -> None:
    tracker, _ = _tracked(message("MsgHeartbeat", "n1", "n3", 2), message("MsgPreVote", "n3", "n1", 3))
    assert tracker.groups[""].term == 2
    assert tracker.groups[""].nodes["n3"].term == 0


def test_a_transfer_is_told_from_a_silence() -> None:
    tracker, _ = _tracked(
        message("MsgTimeoutNow", "n1", "n2", 2, at_ms=5),
        message("MsgVote", "n2", "n1", 3, at_ms=6, context=b"CampaignTransfer"),
    )
    assert tracker.elections[0].cause == "transfer"


def test_a_vote_request_that_arrives_after_the_election_opens_no_other() -> None:
    tracker, _ = _tracked(*ELECTION, message("MsgVote", "n2", "n4", 3, at_ms=5000, stream="message"))
    assert len(tracker.elections) == 1
    assert tracker.groups[""].nodes["n2"].role == "leader"


def test_commit_and_match_follow_the_messages() -> None:
    tracker, _ = _tracked(
        *ELECTION,
        message("MsgAppResp", "n3", "n2", 3, index=8, stream="message"),
        message("MsgApp", "n2", "n3", 3, index=8, commit=8),
    )
    state = tracker.groups[""]
    assert state.commit == 8
    assert (state.nodes["n3"].match, state.nodes["n3"].commit) == (8, 8)


def test_a_name_learnt_late_replaces_the_id() -> None:
    tracker, _ = _tracked(message("MsgHeartbeat", "a1b2", "n2", 2))
    tracker.rename("a1b2", "n1")
    assert tracker.groups[""].leader == "n1"
    assert set(tracker.groups[""].nodes) == {"n1"}


def test_a_vote_that_comes_after_the_election_was_won_is_a_vote_of_it() -> None:
    tracker, _ = _tracked(*ELECTION, message("MsgVoteResp", "n1", "n2", 3, at_ms=9000))
    (election,) = tracker.elections
    assert election.votes == {"n3", "n1"}


def test_a_leader_steps_down_for_an_answer_of_a_newer_term_and_not_for_a_vote_request() -> None:
    asked, changes = _tracked(*ELECTION, message("MsgVote", "n1", "n2", 5))
    assert asked.groups[""].nodes["n2"].role == "leader", "a vote request may be ignored"
    told, changes = _tracked(*ELECTION, message("MsgAppResp", "n1", "n2", 5, index=3))
    assert told.groups[""].nodes["n2"].role == "follower"
    assert ("n2", "follower") in [(c.node, c.value) for c in changes if c.what == "role"]
