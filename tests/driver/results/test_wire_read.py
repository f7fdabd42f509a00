from __future__ import annotations

import pytest

from raftmon.driver.results.facts import RunFacts
from raftmon.driver.results.verdict import judge_run
from raftmon.driver.results.wire import unread_wire
from raftmon.driver.run_folder import CONFIG, RunFolder


def counters(messages):
    return {"recorder": {"packets": 1234, "sinks": {"messages": {"messages": messages}}}}


@pytest.mark.parametrize("system", ["etcd", "etcd-pre-vote", "etcd-no-pre-vote", "nats", "pysyncobj"])
def test_no_message_of_a_system_whose_raft_is_read_is_said(system):
    assert unread_wire(counters(0), system).startswith("0 Raft messages decoded in 1,234 packets")
    assert unread_wire(counters(7), system) is None


def test_nothing_is_said_where_no_message_was_promised_or_recorded():
    assert unread_wire(counters(0), "memory") is None
    assert unread_wire(counters(0), "./mine.py") is None
    assert unread_wire({"recorder": {"packets": 5, "sinks": {}}}, "nats") is None
    assert unread_wire(None, "nats") is None


def test_the_box_has_the_sentence(tmp_path):
    folder = RunFolder.create(tmp_path, "run")
    folder.save(CONFIG, {"config": {"system": "nats", "workload": "register"}})
    folder.save("monitor.json", counters(0))
    (folder.path / "history.jsonl").write_text("")
    sentences = judge_run(folder, RunFacts()).sentences
    assert [one for one in sentences if one.startswith("0 Raft messages decoded")]
