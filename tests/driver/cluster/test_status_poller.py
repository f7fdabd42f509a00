"""What nodes say of themselves becomes an event when it changes, and only then."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import orjson

from raftmon.adapters.capabilities import Leadership
from raftmon.driver.cluster.status_poller import StatusPoller, changes
from raftmon.setup.eventlog import open_event_log

LEADS, FOLLOWS = Leadership(True, 2), Leadership(False, 2)


def test_changes_are_new_words_and_silence() -> None:
    before = {"n1": LEADS, "n2": FOLLOWS, "n3": FOLLOWS}
    now = {"n1": LEADS, "n2": Leadership(False, 3), "n3": None, "n4": FOLLOWS}
    assert changes(before, now) == {"n2": Leadership(False, 3), "n3": None, "n4": FOLLOWS}
    assert changes(before, {"n1": LEADS}) == {"n2": None, "n3": None}
    assert changes({"n1": None}, {}) == {}


def _watch(path: Path, *rounds: Any) -> list[dict[str, Any]]:
    """The events of a watch that is told these things one after the other."""
    left, done = list(rounds), threading.Event()

    def ask(_timeout_s: float) -> Any:
        if len(left) == 1:
            done.set()
        answer = left[0] if len(left) == 1 else left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with StatusPoller(ask, open_event_log(path, "test"), poll_s=0.001):
        assert done.wait(30)
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_each_change_is_one_event_with_node_term_and_role(tmp_path: Path) -> None:
    first = {"n1": LEADS, "n2": FOLLOWS}
    events = _watch(tmp_path / "e.jsonl", first, first, {"n1": None, "n2": Leadership(True, 3)})
    said = [(e["node"], e.get("term"), e["role"]) for e in events if e["event"] == "status"]
    assert said == [("n1", 2, "leader"), ("n2", 2, "follower"), ("n1", None, "silent"), ("n2", 3, "leader")]


def test_a_question_that_fails_is_told_and_asked_again(tmp_path: Path) -> None:
    events = _watch(tmp_path / "e.jsonl", OSError("no route"), {"n1": LEADS})
    assert [event["event"] for event in events] == ["status unknown", "status"]
    assert events[0]["error"] == "OSError: no route"
