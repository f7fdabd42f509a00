"""Every example in examples/rules does what its first line says."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.rules.replay import ReplayResult, replay
from raftmon.monitor.rules.rule import RuleSet
from raftmon.monitor.rules.scripts import Scripts
from raftmon.monitor.rules.task import Task
from tests.monitor.message_rules.bench import Bench
from tests.monitor.raft.wire import append_entries, chunk, entry, full, raftpb

FOLDER = Path(__file__).parents[2] / "examples" / "rules"
HELLO = 'n1->n2 tcp 40000->2380 psh ack "hello"'
BACK = "n2->n1 tcp 2380->40000 ack"
OTHER = "n1->n2 tcp 40001->2380 psh ack"


def run(name: str, lines: list[str], **options: str) -> list[ReplayResult]:
    return replay(Scripts([FOLDER / f"{name}.py"], names=("n1", "n2", "n3"), options=options, seed="1"), lines)


def dropped(outcomes: list[ReplayResult]) -> str:
    return "".join("x" if outcome.dropped else "." for outcome in outcomes)


def test_every_third_packet_of_a_connection_is_lost() -> None:
    assert (
        dropped(run("lose_every_third", [HELLO, BACK, OTHER, HELLO, BACK, HELLO, HELLO, OTHER, OTHER])) == "...x..x.x"
    )


def test_delay_follows_size() -> None:
    outcomes = run("delay_by_size", ["n1->n2 bytes 60", "n1->n2 tcp 1->2 bytes 960"])
    assert [outcome.delays_ms for outcome in outcomes] == [(1,), (10,)]
    assert run("delay_by_size", ["n1->n2 bytes 960"], bytes_per_ms="500")[0].delays_ms == (2,)


def test_one_byte_in_the_middle_of_some_large_messages_is_flipped() -> None:
    outcomes = run("flip_a_byte", ["n1->n2 bytes 300"] * 1000)
    changed = [outcome for outcome in outcomes if outcome.data != (outcome.sample.data,)]
    assert 5 < len(changed) < 50
    payload = PacketView(changed[0].data[0]).payload
    assert (payload[:150], payload[150], payload[151:]) == (b"x" * 150, ord("x") ^ 0xFF, b"x" * 149)
    small = run("flip_a_byte", [HELLO] * 500)
    assert all(outcome.data == (outcome.sample.data,) for outcome in small)


def test_a_candidate_is_cut_off_from_its_first_vote_request() -> None:
    heartbeat = r'n3->n2 "\x08\x08\x10 a small message of another kind"'
    vote = r'n3->n2 "\x08\x05\x10 a message that asks for a vote"'
    assert dropped(run("cut_at_first_vote", [heartbeat, HELLO, vote, heartbeat, "n3->n1", HELLO])) == "..xxx."


def test_only_handshakes_are_recorded() -> None:
    outcomes = run("only_handshakes", ["n1->n2 syn", "n2->n1 syn ack", HELLO, BACK, "n1->n2 fin ack", "n1->n2 rst"])
    assert [outcome.verdict.record for outcome in outcomes] == [True, True, False, False, True, True]
    assert dropped(outcomes) == "......"


def test_n_packets_pass_then_the_link_is_cut_for_a_while() -> None:
    packets = [f"{ms}ms {HELLO}" for ms in range(0, 120, 10)]
    assert dropped(run("let_n_through_then_cut", packets, packets="3", cut_s="0.05")) == "...xxxxx...x"
    both = [f"5ms {HELLO}", f"6ms {BACK}", f"7ms {HELLO}", f"8ms {BACK}"]
    assert dropped(run("let_n_through_then_cut", both, packets="1")) == "..xx"


def test_work_goes_on_while_the_first_reset_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "sockets.txt"
    ss = tmp_path / "ss"
    ss.write_text("#!/bin/sh\necho State Recv-Q\n")
    ss.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    first, second = run("work_while_held", ["n1->n2 rst", "n1->n2 rst"], sockets=str(target))
    assert isinstance(first.verdict.task, Task)
    assert len(first.verdict.copies) == 1
    assert second.verdict.task is None
    first.verdict.task.run()
    assert target.read_text() == "State Recv-Q\n"


def test_every_fifth_append_with_entries_is_lost() -> None:
    name = "lose_every_fifth_append"
    scripts = Scripts([FOLDER / f"{name}.py"], names=("n1", "n2"))
    conversation = Bench(ruleset=scripts.apply(RuleSet((), ("n1", "n2")))).stream()
    conversation.send(chunk(full(raftpb(3, log_term=2, index=9))))
    appends = [chunk(append_entries([entry(2, 10 + number)] if number % 2 else [], 9)) for number in range(20)]
    changed = [conversation.send(append).copies[0].data is not None for append in appends]
    assert [number for number, lost in enumerate(changed) if lost] == [9, 19]


def test_every_example_has_its_test() -> None:
    here = Path(__file__).read_text()
    assert [path.stem for path in FOLDER.glob("*.py") if f'"{path.stem}"' not in here] == []
