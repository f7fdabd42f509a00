"""What the page's axis shows: bounded, undelivered messages kept, everything counted in rates, times from the start."""

import orjson
import pytest

from raftmon.driver.report import story, story_messages
from raftmon.driver.report.story import build_story
from raftmon.monitor.raft.database.store import MessageStore
from tests.driver.report.test_report import MS, whole_run
from tests.monitor.raft.wire import message


def record(folder, count, *, dropped=()):
    (folder / "messages.sqlite").unlink(missing_ok=True)
    made = MessageStore(folder / "messages.sqlite")
    for number in range(1, count + 1):
        one = message("MsgApp", "n1", "n2", 2, index=number, at_ms=number)
        made.add(one, *(("drop", False) if number in dropped else ()))
    made.flush()


def results(folder):
    return orjson.loads((folder / "results.json").read_bytes())


def test_a_small_run_is_shown_whole_with_seconds_from_its_first_operation(tmp_path):
    whole_run(tmp_path)
    record(tmp_path, 50)
    found = build_story(tmp_path, results(tmp_path))
    assert found["notes"] == []
    assert found["operations"]["count"] == len(found["operations"]["rows"]) == 300
    assert sum(map(sum, found["service"]["counts"])) == 300
    assert [row[1] for row in found["messages"]["rows"][:2]] == [0.001, 0.002]
    assert (found["faults"][0]["start"], found["faults"][0]["stop"]) == (1.0, 2.0)
    assert len(found["faults"]) == 1  # the one that never started has no place on the axis


def test_what_is_too_much_is_thinned_and_said_and_undelivered_messages_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(story, "MAX_OPERATIONS", 120)
    monkeypatch.setattr(story_messages, "MAX_MESSAGES", 300)
    monkeypatch.setattr(story_messages, "_RARE", 5)
    whole_run(tmp_path)
    record(tmp_path, 3000, dropped={17, 1999})
    found = build_story(tmp_path, results(tmp_path))
    shown = {row[0] for row in found["messages"]["rows"]}
    assert {17, 1999} <= shown
    assert len(shown) <= 400
    assert len(found["operations"]["rows"]) <= 130
    assert sum(map(sum, found["service"]["counts"])) == 300
    assert sum(found["rates"]["kinds"]["MsgApp"]) == 3000
    assert [note.split(" are drawn")[0].split(" of ")[1] for note in found["notes"]] == [
        "3,000 messages",
        "300 operations",
    ]


def test_an_operation_of_a_counterexample_is_marked(tmp_path):
    whole_run(tmp_path)
    blamed = results(tmp_path)
    index = 0
    blamed["checkers"]["register"]["counterexample"] = {"operations": [{"index": index}]}
    found = build_story(tmp_path, blamed)
    assert [row[2] for row in found["operations"]["rows"]].count(3) == 1


def test_a_live_run_without_results_has_its_faults_from_the_log(tmp_path):
    whole_run(tmp_path)
    lines = [
        {"time_ns": 500 * MS, "event": "fault started", "fault": "kill-n1", "component": "driver"},
        {"time_ns": 900 * MS, "event": "fault healed", "fault": "kill-n1", "component": "driver"},
        {"time_ns": 950 * MS, "event": "health after fault", "fault": "kill-n1", "component": "driver"},
    ]
    (tmp_path / "events.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines) + b'{"torn')
    (fault,) = build_story(tmp_path, {})["faults"]
    assert (fault["name"], fault["start"], fault["stop"]) == ("kill-n1", 0.5, 0.9)


@pytest.mark.parametrize("bad", [{"faults": [7], "outages": "x", "checkers": [], "began_ns": "y"}, {}])
def test_results_of_strange_types_leave_their_part_out(tmp_path, bad):
    whole_run(tmp_path)
    assert build_story(tmp_path, bad)["faults"] == []
