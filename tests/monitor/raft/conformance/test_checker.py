"""Every rule of the specification is broken by a forged record that breaks it, and by no recorded cluster."""

from __future__ import annotations

import dataclasses

import pytest

from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.raft.conformance.checker import ConformanceChecker
from raftmon.monitor.raft.conformance.rules import DEVIATIONS, RULES, UNSEEN, VARIANTS
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.message import Channel, RaftMessage
from raftmon.monitor.raft.violations import Violation
from tests.monitor.raft.wire import DATA, GOLDEN, message

LATER = Channel(99, "message", "etcd", "n2", "n1", opened_ns=5_000_000)
ELSEWHERE = Channel(77, "message", "etcd", "n2", "n1")
N3 = message("MsgHeartbeat", "n1", "n3", 2)  # three nodes are seen: one beside the leader makes a quorum


def broken(*messages: RaftMessage, complete: bool = True) -> list[Violation]:
    checker = ConformanceChecker()
    checker.complete = complete
    return [violation for one in messages for violation in checker.feed(one)]


def change(sent: RaftMessage) -> RaftMessage:
    return dataclasses.replace(sent, entries=tuple(dataclasses.replace(one, type=1) for one in sent.entries))


def append(term: int, index: int, target: str = "n2", entry_term: int | None = None, **more: object) -> RaftMessage:
    """An append of n1 with the entry after ``index``."""
    found = {"log_term": entry_term or term, "entries": [(entry_term or term, index + 1, b"x")], **more}
    return message("MsgApp", "n1", target, term, index=index, **found)  # type: ignore[arg-type]


ACK = message("MsgAppResp", "n2", "n1", 5, index=11, stream="message", packet=7)
FORGED: dict[str, tuple[RaftMessage, ...]] = {
    "vote_asked": (message("MsgVoteResp", "n2", "n3", 6, packet=9),),
    "vote_own": (
        message("MsgVote", "n2", "n1", 6, packet=7),
        message("MsgVote", "n3", "n2", 6),
        message("MsgVoteResp", "n2", "n3", 6, packet=9),
    ),
    "vote_log": (
        append(5, 10),
        ACK,
        message("MsgVote", "n3", "n2", 6, log_term=5, index=10),
        message("MsgVoteResp", "n2", "n3", 6, packet=9),
    ),
    "term_remembered": (
        message("MsgHeartbeatResp", "n2", "n1", 5, stream="message", at_ms=1, packet=7),
        dataclasses.replace(message("MsgHeartbeatResp", "n2", "n1", 4, at_ms=9, packet=9), channel=LATER),
    ),
    "commit_own_term": (
        N3,
        append(2, 10, commit=10),
        append(4, 11, "n3", entry_term=2, log_term=2),
        message("MsgApp", "n1", "n3", 4, log_term=2, index=11, commit=11, packet=9),
    ),
    "ack_true": (append(5, 10), message("MsgAppResp", "n2", "n1", 5, index=12, stream="message", packet=9)),
    "ack_kept": (
        append(5, 10),
        ACK,
        message("MsgAppResp", "n2", "n1", 5, index=11, reject=True, stream="message", packet=9),
    ),
    "one_role": (append(5, 10), ACK, message("MsgApp", "n2", "n3", 5, packet=9)),
    "first_entry": (append(5, 10, log_term=4, packet=9),),
    "transfer": (message("MsgTimeoutNow", "n1", "n2", 5, packet=9),),
    "pre_vote": (
        message("MsgPreVote", "n3", "n2", 6, packet=7),
        message("MsgHeartbeatResp", "n2", "n1", 6, stream="message", packet=9),
    ),
    "snapshot": (
        N3,
        append(5, 10, commit=10),
        dataclasses.replace(message("MsgSnap", "n1", "n3", 5, packet=9), snapshot_index=11),
    ),
    "membership": (N3, change(append(5, 10, packet=7)), change(append(5, 11, packet=9))),
    "read_index": (
        N3,
        message("MsgHeartbeat", "n1", "n3", 2, context=b"old"),
        message("MsgReadIndex", "n2", "n1", 0, context=b"r1", packet=7),
        message("MsgHeartbeatResp", "n3", "n1", 2, context=b"old", stream="message"),
        message("MsgReadIndexResp", "n1", "n2", 2, context=b"r1", packet=9),
    ),
}
NEEDS_WHOLE_RECORD = {"vote_asked", "ack_true", "transfer", "pre_vote", "snapshot", "membership", "read_index"}


@pytest.mark.parametrize("name", RULES)
def test_a_forged_record_breaks_it_and_names_the_message(name: str) -> None:
    found = broken(*FORGED[name])
    assert [violation.invariant for violation in found] == [name]
    assert 9 in found[0].packets


@pytest.mark.parametrize("name", sorted(NEEDS_WHOLE_RECORD))
def test_nothing_rests_on_what_was_not_seen_when_bytes_are_missing(name: str) -> None:
    assert broken(*FORGED[name], complete=False) == []


def test_every_rule_says_what_it_cannot_judge() -> None:
    assert RULES.keys() == UNSEEN.keys() == FORGED.keys()


EXPLAINED: dict[str, tuple[RaftMessage, ...]] = {
    "a later leader may have replaced the entry": (
        append(5, 10),
        ACK,
        message("MsgApp", "n3", "n2", 6, log_term=5, index=9),
        message("MsgVote", "n3", "n2", 7, log_term=5, index=10),
        message("MsgVoteResp", "n2", "n3", 7),
    ),
    "a quorum had the entry in its own term, and that leader never said so": (
        N3,
        append(2, 10, commit=10),
        message("MsgAppResp", "n2", "n1", 2, index=11, stream="message"),
        append(4, 11, "n3", entry_term=2, log_term=2),
        message("MsgApp", "n1", "n3", 4, log_term=2, index=11, commit=11),
    ),
    "an entry of the own term commits those before it": (
        N3,
        append(2, 10, commit=10),
        message("MsgApp", "n1", "n3", 4, log_term=2, index=11, commit=11, entries=[(4, 12, b"")]),
        message("MsgApp", "n1", "n3", 4, log_term=4, index=12, commit=12),
    )[:2],
    "a stale append is answered with what is committed": (
        message("MsgApp", "n1", "n2", 5, index=20, log_term=5, commit=20),
        message("MsgApp", "n1", "n3", 5, index=3, log_term=5),
        message("MsgAppResp", "n3", "n1", 5, index=20, stream="message"),
    ),
    "the rejection was sent before the acknowledgement, on another connection": (
        append(5, 10),
        ACK,
        dataclasses.replace(message("MsgAppResp", "n2", "n1", 5, index=11, reject=True), channel=ELSEWHERE),
    ),
    "a connection that was open before may bring an old term late": (
        message("MsgHeartbeatResp", "n2", "n1", 5, stream="message", at_ms=9),
        message("MsgHeartbeatResp", "n2", "n1", 4, stream="msgapp", at_ms=10),
    ),
    "the pre-vote was won": (
        message("MsgPreVote", "n3", "n2", 6),
        message("MsgPreVoteResp", "n2", "n3", 6),
        message("MsgVote", "n3", "n2", 6),
        message("MsgHeartbeatResp", "n2", "n1", 6, stream="message"),
    ),
    "a heartbeat newer than the read was acknowledged": (
        N3,
        message("MsgReadIndex", "n2", "n1", 0, context=b"r1"),
        message("MsgHeartbeat", "n1", "n3", 2, context=b"new"),
        message("MsgHeartbeatResp", "n3", "n1", 2, context=b"new", stream="message"),
        message("MsgReadIndexResp", "n1", "n2", 2, context=b"r1"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", EXPLAINED)
def test_what_hidden_steps_explain_is_no_violation(why: str) -> None:
    assert [violation.sentence for violation in broken(*EXPLAINED[why])] == []


def test_an_acknowledgement_that_a_rule_dropped_was_not_received_and_what_it_forged_nobody_sent() -> None:
    checker = ConformanceChecker()
    lost = message("MsgAppResp", "n2", "n1", 2, index=11, stream="message")
    for one in (N3, append(2, 10, commit=10)):
        checker.feed(one)
    checker.feed(lost, "drop MsgAppResp term 2 index 11")
    checker.feed(append(4, 11, "n3", entry_term=2, log_term=2))
    late = message("MsgApp", "n1", "n3", 4, log_term=2, index=11, commit=11)
    assert [violation.invariant for violation in checker.feed(late)] == ["commit_own_term"]
    assert checker.feed(message("MsgTimeoutNow", "n3", "n2", 9), "forge MsgTimeoutNow term 9 index 0") == []


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*.pcap.gz")))
def test_silence_over_recorded_clusters(name: str) -> None:
    decoder = Decoder({f"10.{net}.{i}.2": f"n{i}" for i in (1, 2, 3) for net in (77, 78)})
    checker = ConformanceChecker(decoder.directory.renamed)
    for packet in read_capture(DATA / name):
        for one in decoder.packet(packet.number, packet.time_ns, packet.data):
            checker.feed(one)
    assert [violation.sentence for violation in checker.violations] == []
    if not name.startswith("zookeeper"):
        assert sum(checker.checked.values()) > 50
    assert checker.deviations == {k: v for k, v in DEVIATIONS.items() if name.startswith(k.removesuffix("-server"))}


@pytest.mark.skipif(not GOLDEN.exists(), reason=f"{GOLDEN} is not here")
def test_silence_over_the_golden_capture() -> None:
    decoder = Decoder()
    checker = ConformanceChecker(decoder.directory.renamed)
    for packet in read_capture(GOLDEN):
        for one in decoder.packet(packet.number, packet.time_ns, packet.data):
            checker.feed(one)
    assert [violation.sentence for violation in checker.violations] == []
    assert checker.checked["ack_true"] > 5000


def test_an_unknown_system_is_asked_what_every_raft_must_keep() -> None:
    channel = Channel(1, "peer", "mine", "n2", "n3")
    assert "mine" not in VARIANTS
    vote = dataclasses.replace(message("MsgVoteResp", "n2", "n3", 6), channel=channel)
    assert [violation.invariant for violation in broken(vote)] == ["vote_asked"]
