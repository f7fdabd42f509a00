from __future__ import annotations

import contextlib
import io

import pytest
from rich.console import Console

from raftmon.driver.checkers.base import Valid
from raftmon.driver.results.facts import RunFacts
from raftmon.driver.results.results import Results
from raftmon.driver.results.summary import summary
from raftmon.driver.results.verdict import judge_run
from raftmon.driver.results.wire import Invariants, unread_wire
from raftmon.driver.run_folder import CONFIG, RunFolder
from raftmon.monitor.raft.database.store import open_store
from raftmon.monitor.recorder.message_sink import decode_capture
from tests.monitor.raft.wire import DATA


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


def test_what_a_protocol_may_do_stands_in_the_results_and_in_the_box(tmp_path):
    record = tmp_path / "messages.sqlite"
    decode_capture(DATA / "ovsdb-3.1.0.pcap.gz", record)
    with contextlib.closing(open_store(record)) as connection:
        result = Invariants(connection).check(None)
    assert result.details["deviations"] == ["ovsdb: no pre-vote before Open vSwitch 3.2"]
    results = Results(Valid.YES, RunFacts(), checkers={"invariants": result.as_json()})
    screen = Console(width=120, record=True, file=io.StringIO())
    screen.print(summary(results, "folder"))
    assert "no pre-vote before Open vSwitch 3.2 (allowed, not a violation)" in screen.export_text()
