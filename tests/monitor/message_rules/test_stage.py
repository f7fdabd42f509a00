"""Rules on single messages in the engine: written in one line, refused in words, carried out on streams."""

from __future__ import annotations

import pytest

from raftmon.monitor.raft.codecs.etcd.raftpb import read_message
from raftmon.monitor.rules.language import parse_rule, write_rule
from raftmon.setup.errors import InputError
from tests.monitor.message_rules.bench import NAMES, Bench
from tests.monitor.raft.wire import A, B, append_entries, chunk, entry, frame, full, put, raftpb


@pytest.mark.parametrize(
    "line",
    [
        "n1->n2 MsgVoteResp drop",
        "* -> n3 MsgApp drop every 5",
        "MsgHeartbeat delay 300ms",
        "MsgVote or MsgPreVote drop",
        'n1->n2 MsgApp key has "user/" and term > 3 hold',
        "n1->n2 forge MsgTimeoutNow term 5",
        "n1->n2 not (MsgApp or index >= 7) duplicate 2 gap 5ms",
        'MsgHeartbeatResp context = "0x00a1" hold',
        "MsgReadIndex context = 7 duplicate gap 3s count 1",
        "*->n3 MsgApp op = lease_revoke drop",
    ],
)
def test_rules_are_written_in_one_line_and_read_back(line: str) -> None:
    rule = parse_rule(line, NAMES)
    assert rule.stage == "message"
    assert parse_rule(write_rule(rule), NAMES) == rule


def test_a_vote_is_lost_and_others_pass() -> None:
    bench = Bench("n1->n2 MsgVoteResp drop").stream()
    assert bench.kind(bench.send(chunk(frame(raftpb(6))))) == "1"
    assert bench.kind(bench.send(chunk(frame(raftpb(8))))) == "as it came"
    assert bench.engine.stats()["r1"]["hits"] == 1


def test_every_fifth_append_is_lost_whatever_its_form() -> None:
    bench = Bench("* -> n2 MsgApp drop every 5").stream()
    bench.send(chunk(full(raftpb(3, log_term=2, index=9, entries=[entry(2, 10)]))))
    changed = [
        bench.send(chunk(append_entries([entry(2, 11 + number, put(b"k", b"v"))], 10))).copies[0].data is not None
        for number in range(14)
    ]
    assert changed == [number % 5 == 3 for number in range(14)]


def test_a_rule_on_another_link_does_nothing() -> None:
    bench = Bench("n2->n1 MsgVoteResp drop")
    assert bench.engine.chain(0) is None


def test_conditions_on_term_index_and_key() -> None:
    bench = Bench('term > 3 and index = 9 and key has "user/" drop').stream()
    wanted = raftpb(2, term=4, index=9, entries=[entry(0, 0, put(b"user/1", b"v"))])
    other = raftpb(2, term=4, index=9, entries=[entry(0, 0, put(b"admin", b"v"))])
    assert bench.kind(bench.send(chunk(frame(other)))) == "as it came"
    assert bench.kind(bench.send(chunk(frame(wanted)))) == "1"


@pytest.mark.parametrize("condition", ["context = 7", 'context = "0x0700000000000000"'])
def test_a_context_is_compared_as_bytes_or_as_a_number(condition: str) -> None:
    bench = Bench(f"MsgHeartbeat {condition} drop").stream()
    assert bench.kind(bench.send(chunk(frame(raftpb(8, context=(8).to_bytes(8, "little")))))) == "as it came"
    assert bench.kind(bench.send(chunk(frame(raftpb(8, context=(7).to_bytes(8, "little")))))) == "1"


def test_the_context_of_a_read_that_a_follower_forwards_is_its_entry() -> None:
    bench = Bench("context = 7 drop").stream()
    read = entry(0, 0, (7).to_bytes(8, "big"))
    assert bench.kind(bench.send(chunk(frame(raftpb(2, entries=[read]))))) == "as it came"
    assert bench.kind(bench.send(chunk(frame(raftpb(15, entries=[read]))))) == "1"


def test_a_condition_on_what_an_entry_does() -> None:
    bench = Bench("op = put drop").stream()
    assert bench.kind(bench.send(chunk(frame(raftpb(2, entries=[entry(0, 0)]))))) == "as it came"
    assert bench.kind(bench.send(chunk(frame(raftpb(2, entries=[entry(0, 0, put(b"k", b"v"))]))))) == "1"


def test_a_context_that_is_no_bytes_is_refused() -> None:
    with pytest.raises(InputError, match="hexadecimal"):
        parse_rule('context = "0x0" drop', NAMES)


def test_a_delayed_message_is_lost_in_its_stream_and_delivered_when_due() -> None:
    bench = Bench("MsgHeartbeat delay 300ms").stream()
    message = raftpb(8, commit=5)
    assert bench.kind(bench.send(chunk(frame(message)))) == "1"
    assert bench.agent.posted == [("n2", message, bench.now_ns + 300_000_000)]


def test_a_duplicated_message_passes_and_each_copy_comes_a_gap_after_the_one_before() -> None:
    bench = Bench("MsgVote duplicate 2 gap 5ms").stream()
    message = raftpb(5)
    assert bench.kind(bench.send(chunk(frame(message)))) == "as it came"
    assert [due - bench.now_ns for _, _, due in bench.agent.posted] == [5_000_000, 10_000_000]


def test_held_messages_are_delivered_in_order_when_the_rule_goes() -> None:
    bench = Bench("MsgVoteResp hold").stream()
    messages = [raftpb(6, term=term) for term in (3, 4)]
    for message in messages:
        assert bench.kind(bench.send(chunk(frame(message)))) == "1"
    assert bench.agent.posted == []
    assert bench.stage.stats()["held"] == 2
    bench.load()
    assert [body for _, body, _ in bench.agent.posted] == messages


def test_after_the_rule_is_gone_retransmissions_still_get_its_edits() -> None:
    bench = Bench("MsgVoteResp drop").stream()
    piece = chunk(frame(raftpb(6)))
    assert bench.kind(bench.send(piece)) == "1"
    bench.load()
    bench.wire.seq["server"] -= len(piece)
    assert bench.kind(bench.send(piece)) == "1"
    assert bench.kind(bench.send(chunk(frame(raftpb(6))))) == "as it came"


def test_a_message_is_forged_once_on_its_link() -> None:
    bench = Bench("n1->n2 forge MsgTimeoutNow term 5")
    ((target, body, _),) = bench.agent.posted
    message = read_message(body, 0, len(body))
    assert (target, message.type, message.sender, message.to, message.term) == ("n2", 14, A, B, 5)
    bench.load("n1->n2 forge MsgTimeoutNow term 5")
    assert len(bench.agent.posted) == 1, "the same rule is not a new one"


def test_a_header_that_goes_on_in_the_next_segment_holds_the_first_one_back() -> None:
    bench = Bench("MsgVoteResp drop").stream()
    piece = chunk(frame(raftpb(6)))
    first = bench.send(piece[:13])
    assert first.copies == ()
    assert "held" in first.comment
    second = bench.send(piece[13:])
    assert len(second.inject) == 1
    assert len(second.copies) == 1
    body = (second.inject[0][40:] + (second.copies[0].data or b"")[40:]).split(b"\r\n", 1)[1][:-2]
    assert read_message(body, 8, len(body)).type == 1


@pytest.mark.parametrize(
    ("system", "line", "why"),
    [
        ("pysyncobj", "MsgVote drop", "compressed"),
        ("nats-server", "MsgVote drop", "not changed in place"),
        (None, "MsgVote drop", "no system whose messages are read"),
        ("etcd", "MsgSnap delay 5ms", "followed by its database"),
        ("etcd", "MsgVote corrupt", "not corrupt"),
        ("etcd", "MsgVote size > 100 drop", "only packets have"),
    ],
)
def test_what_cannot_be_done_is_said_when_the_rule_is_added(system: str | None, line: str, why: str) -> None:
    bench = Bench("port 1 drop", system=system)
    with pytest.raises(InputError, match=why):
        bench.load(line)
    assert len(bench.engine.ruleset) == 1, "the rules in force stay"


def test_packet_rules_alone_are_never_refused() -> None:
    assert Bench("port 1 drop", system="pysyncobj").engine.chain(0) is not None


def test_held_messages_are_released_one_at_a_time_and_the_rule_stays() -> None:
    bench = Bench("MsgVoteResp hold").stream()
    messages = [raftpb(6, term=term) for term in (3, 4, 5)]
    for message in messages:
        bench.send(chunk(frame(message)))
    assert [one["term"] for one in bench.stage.held()] == [3, 4, 5]
    assert [one["term"] for one in bench.stage.release("r1", 2)] == [3, 4]
    assert [body for _, body, _ in bench.agent.posted] == messages[:2]
    assert bench.kind(bench.send(chunk(frame(messages[0])))) == "1"
    bench.load("MsgVoteResp hold", "n1->n2 drop")  # a cut: what is held stays held
    assert bench.stage.stats()["held"] == 2
    with pytest.raises(InputError, match="rules that hold some: r1"):
        bench.stage.release("r2", 1)


def test_a_replayed_message_passes_and_is_delivered_again_each_time_its_trigger_fires() -> None:
    bench = Bench("MsgHeartbeatResp context = 7 replay when term > 4").stream()
    message = raftpb(9, context=(7).to_bytes(8, "big"))
    for term in (2, 5):
        assert bench.kind(bench.send(chunk(frame(message)))) == "as it came"
        assert bench.kind(bench.send(chunk(frame(raftpb(9, term=2))))) == "as it came"
        assert bench.agent.posted == [("n2", message, 0)] * (term > 2)
        bench.send(chunk(frame(raftpb(3, term=term + 3))))
    assert bench.agent.posted == [("n2", message, 0)] * 2
    bench.load("MsgVote drop")
    assert not bench.stage.watch.armed


def test_only_the_newest_are_replayed_and_a_later_rule_still_decides() -> None:
    bench = Bench("MsgVote replay last 2 when MsgApp", "MsgVote drop").stream()
    messages = [raftpb(5, term=term) for term in (3, 4, 5)]
    for message in messages:
        assert bench.kind(bench.send(chunk(frame(message)))) == "1"
    bench.send(chunk(frame(raftpb(3))))
    assert [body for _, body, _ in bench.agent.posted] == messages[1:]


def test_a_replay_whose_trigger_cannot_be_read_is_refused_when_the_rule_is_added() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Bench("MsgVote replay when the moon is full")
