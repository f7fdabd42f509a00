"""A live view is what the counters and the record say, and is drawn in one screen."""

from pathlib import Path

from raftmon.driver.cli.console import NeutralConsole
from raftmon.driver.live.screen import screen
from raftmon.driver.live.view import live_view
from raftmon.monitor.raft.database.store import MessageStore, open_store
from raftmon.monitor.raft.tracker import Tracker
from tests.monitor.raft.wire import message

STATS = {
    "packets": 300,
    "links": {"n1->n2": 200, "n2->n1": 100, "n1->n3": 0},
    "rules": {"slow": {"packets": 9, "hits": 4}, "gone": {"packets": 1, "hits": 1, "removed": True}},
    "queue_length": 3,
}
BEFORE = {"packets": 100, "links": {"n1->n2": 40, "n2->n1": 60}}


def record(path: Path):
    store, tracker = MessageStore(path), Tracker()
    for one in (
        message("MsgVote", "n1", "n2", 3, at_ms=1000),
        message("MsgHeartbeat", "n1", "n2", 3, at_ms=2000),
        message("MsgHeartbeatResp", "n2", "n1", 3, at_ms=2001),
    ):
        tracker.feed(one)
        store.add(one)
        store.add_states(one.time_ns, tracker)
    store.flush()
    return open_store(path)


def test_rates_are_of_the_interval_and_removed_rules_are_left_out(tmp_path: Path) -> None:
    view = live_view(STATS, BEFORE, 2.0, None, 0)
    assert [(one.link, one.per_s) for one in view.links] == [("n1->n2", 80.0), ("n2->n1", 20.0)]
    assert (view.packets, view.per_s, view.waiting) == (300, 100.0, 3)
    assert [tuple(one) for one in view.rules] == [("slow", 9, 4)]
    first = live_view(STATS, None, 0.0, None, 0)
    assert first.per_s == 0
    assert {one.per_s for one in first.links} == {0.0}


def test_nodes_and_rare_messages_come_from_the_record(tmp_path: Path) -> None:
    view = live_view(STATS, BEFORE, 1.0, record(tmp_path / "m.sqlite"), 5_000_000_000)
    assert {(one.node, one.role, one.term) for one in view.nodes} == {("n1", "leader", 3), ("n2", "follower", 3)}
    assert [(one.kind, one.link, one.ago_s) for one in view.messages] == [("MsgVote", "n1->n2", 4.0)]
    console = NeutralConsole(width=100, record=True, file=(tmp_path / "out").open("w"))
    console.print(screen(view, "a run"))
    text = console.export_text()
    assert "★ leader" in text
    assert "MsgVote" in text
    assert "3 waiting in the queue" in text


def test_an_empty_view_can_be_drawn(tmp_path: Path) -> None:
    console = NeutralConsole(width=80, record=True, file=(tmp_path / "out").open("w"))
    console.print(screen(live_view({}, None, 0.0, None, 0), "a run"))
    assert "no Raft message decoded yet" in console.export_text()
