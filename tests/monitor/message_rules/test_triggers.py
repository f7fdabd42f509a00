"""Triggers fire on what they name, once, and say when and why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from raftmon.monitor.message_rules.scanner import MessageHead
from raftmon.monitor.message_rules.trigger_words import TRIGGERS, TriggerWord, parse_trigger, triggers_help
from raftmon.monitor.message_rules.triggers import Armed, TriggerWatch
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

NAMES = ("n1", "n2", "n3")
MS = 1_000_000


def seen(kind: str, term: int = 2, index: int = 0, entries: int = 0, commit: int = 0) -> MessageHead:
    return MessageHead(kind, "message", term=term, index=index, entries=entries, commit=commit)


def fired_at(trigger: str, *messages: tuple[int, str, str, MessageHead]) -> int | None:
    """Which of the messages (at ms, from, to, head) fires it, None where none does."""
    watch = TriggerWatch()
    told: list[Armed] = []
    watch.arm(parse_trigger(trigger, NAMES), 0, told.append)
    for number, (at_ms, source, target, frame) in enumerate(messages):
        watch.feed(Link(source, target), frame, at_ms * MS)
        if told:
            assert told[0].fired_ns == at_ms * MS
            assert not watch.waiting
            return number
    return None


SNAP, BEAT = seen("MsgSnap"), seen("MsgHeartbeat")


@pytest.mark.parametrize(
    ("trigger", "messages", "expected"),
    [
        ("when MsgSnap -> n3", [(0, "n1", "n2", SNAP), (1, "n1", "n3", BEAT), (2, "n1", "n3", SNAP)], 2),
        ("n1->n3 MsgSnap", [(0, "n2", "n3", SNAP), (1, "n1", "n3", SNAP)], 1),
        ("when MsgVote and term > 5", [(0, "n1", "n2", seen("MsgVote", 5)), (1, "n1", "n2", seen("MsgVote", 6))], 1),
        ("when leader changes", [(0, "n1", "n2", BEAT), (1, "n1", "n3", seen("MsgHeartbeat", 3))], None),
        ("when leader changes", [(0, "n1", "n2", BEAT), (1, "n2", "n3", seen("MsgApp", 3))], 1),
        ("when term > 5", [(0, "n1", "n2", seen("MsgVote", 5)), (1, "n1", "n2", seen("MsgVote", 6))], 1),
        ("when term > 5", [(0, "n1", "n2", seen("MsgPreVote", 6))], None),
        ("when MsgHeartbeat nth 3", [(n, "n1", "n2", BEAT) for n in range(5)], 2),
        ("when MsgSnap -> n3 within 5ms", [(6, "n1", "n3", SNAP)], None),
        ("when MsgHeartbeat nth 2 within 5ms", [(1, "n1", "n3", BEAT), (4, "n1", "n3", BEAT)], 1),
    ],
)
def test_what_fires(trigger: str, messages: list[tuple[int, str, str, MessageHead]], expected: int | None) -> None:
    assert fired_at(trigger, *messages) == expected


def test_a_node_is_catching_up_when_it_is_behind_and_entries_flow_to_it() -> None:
    far = seen("MsgApp", index=500, entries=1)
    near = seen("MsgApp", index=10, entries=5)
    answer = seen("MsgAppResp", index=10)
    flow = [(0, "n1", "n2", far), (1, "n3", "n1", answer), (2, "n1", "n3", near)]
    assert fired_at("when n3 is catching up by 400", *flow) == 2
    assert fired_at("when n3 is catching up by 600", *flow) is None
    assert fired_at("when n2 is catching up by 400", *flow) is None


def test_what_fired_says_when_and_why() -> None:
    watch = TriggerWatch()
    armed = watch.arm(parse_trigger("when MsgSnap -> n3", NAMES), 0)
    assert armed.to_json()["state"] == "waiting"
    watch.feed(Link("n1", "n3"), seen("MsgSnap", 7), 5 * MS)
    found = armed.to_json()
    assert (found["state"], found["fired_ns"]) == ("fired", 5 * MS)
    assert found["message"].startswith("MsgSnap n1->n3 term 7")


def test_a_wait_can_be_called_off_and_what_fired_forgotten() -> None:
    watch = TriggerWatch()
    one, other = (watch.arm(parse_trigger("when MsgSnap -> n3", NAMES), 0) for _ in range(2))
    assert watch.disarm(one.name)
    assert not watch.disarm(one.name)
    watch.feed(Link("n1", "n3"), seen("MsgSnap", 7), 5 * MS)
    assert (one.fired_ns, other.fired_ns) == (None, 5 * MS)
    assert watch.disarm(other.name)
    assert not watch.disarm(other.name)


def test_a_wait_that_ends_is_told() -> None:
    watch = TriggerWatch()
    armed = watch.arm(parse_trigger("when MsgSnap -> n3 within 1s", NAMES), 0)
    watch.expire(2_000_000_000)
    assert armed.to_json()["state"] == "expired"
    assert not watch.waiting


@pytest.mark.parametrize(
    "text", ["when", "when pigs fly", "when MsgSnap -> n9", "when n9 is catching up", "when port 3", "MsgVote nth 0"]
)
def test_what_cannot_be_read_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError):
        parse_trigger(text, NAMES)


def test_waiting_triggers_are_bounded() -> None:
    watch = TriggerWatch()
    trigger = parse_trigger("when leader changes", NAMES)
    for _ in range(1000):
        watch.arm(trigger, 0)
    with pytest.raises(InputError, match="1000 triggers wait"):
        watch.arm(trigger, 0)


def test_a_term_that_was_reached_before_fires_with_the_next_message() -> None:
    watch = TriggerWatch()
    watch.arm(parse_trigger("leader changes", NAMES), 0)  # keeps watching
    watch.feed(Link("n1", "n2"), seen("MsgHeartbeat", 7), 1 * MS)
    armed = watch.arm(parse_trigger("term > 5", NAMES), 2 * MS)
    twice = watch.arm(parse_trigger("term > 5 nth 2", NAMES), 2 * MS)
    watch.feed(Link("n1", "n2"), seen("MsgHeartbeat", 7), 3 * MS)
    watch.feed(Link("n1", "n2"), seen("MsgHeartbeat", 7), 4 * MS)
    assert armed.fired_ns == 3 * MS
    assert twice.fired_ns is None
    watch.feed(Link("n1", "n2"), seen("MsgVote", 8), 5 * MS)
    assert twice.fired_ns == 5 * MS


def test_what_was_known_before_nothing_was_watched_makes_no_leader_change() -> None:
    watch = TriggerWatch()
    watch.arm(parse_trigger("MsgHeartbeat", NAMES), 0)
    watch.feed(Link("n1", "n2"), BEAT, 1 * MS)
    assert not watch.waiting
    armed = watch.arm(parse_trigger("leader changes", NAMES), 900 * MS)
    watch.feed(Link("n2", "n1"), seen("MsgHeartbeat", 3), 901 * MS)  # leads since long before
    assert armed.fired_ns is None
    watch.feed(Link("n3", "n1"), seen("MsgHeartbeat", 4), 902 * MS)
    assert armed.fired_ns == 902 * MS


def test_the_table_in_the_docs_has_every_trigger_and_no_other() -> None:
    text = (Path(__file__).parents[3] / "docs" / "raft.md").read_text().split("## Triggers\n")[1].split("\n## ")[0]
    table = re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, re.MULTILINE)
    assert table == [(row.form, row.help) for row in TRIGGERS]
    assert all(row.form in triggers_help() and row.help in triggers_help() for row in TRIGGERS)


@pytest.mark.parametrize("row", TRIGGERS, ids=lambda row: row.kind)
def test_a_trigger_is_read_from_the_form_that_its_row_shows(row: TriggerWord) -> None:
    assert parse_trigger(f"when {row.form}", NAMES).kind == row.kind


def times_fired(trigger: str, *messages: tuple[int, str, str, MessageHead]) -> int:
    watch = TriggerWatch()
    one = watch.arm(parse_trigger(trigger, NAMES), 0)
    for at_ms, source, target, head in messages:
        watch.feed(Link(source, target), head, at_ms * MS)
    assert one.trigger.repeat == (one.to_json()["state"] == "waiting")
    return one.fired


@pytest.mark.parametrize(
    ("trigger", "times"),
    [("leader changes", 1), ("leader changes repeat", 3), ("leader changes nth 2 repeat", 1), ("term > 3 repeat", 2)],
)
def test_a_trigger_that_repeats_is_armed_again(trigger: str, times: int) -> None:
    leaders = [(at, f"n{at % 3 + 1}", "n2", seen("MsgApp", 2 + at // 2)) for at in range(8)]
    assert times_fired(trigger, *leaders) == times


def test_a_node_that_lags_fires_again_only_after_it_had_caught_up() -> None:
    def append(index: int, at: int) -> tuple[int, str, str, MessageHead]:
        return at, "n1", "n3", seen("MsgApp", index=index, entries=1)

    def answer(index: int, at: int) -> tuple[int, str, str, MessageHead]:
        return at, "n3", "n1", seen("MsgAppResp", index=index)

    lags = [answer(0, 0), append(200, 1), append(201, 2), append(202, 3)]
    caught_up = [answer(203, 4), append(203, 5), append(400, 6), append(401, 7)]
    assert times_fired("n3 is catching up by 100 repeat", *lags, *caught_up) == 2
