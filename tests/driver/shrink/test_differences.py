"""Two runs of one plan: what is said is what differed, whoever played which part; and faults that wait for messages."""

from pathlib import Path
from typing import Any

import pytest

from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.run_folder import RESULTS, RunFolder
from raftmon.driver.shrink.differences import differences, first_difference, likeliest_naming
from raftmon.driver.shrink.triggers import counted, triggered
from raftmon.monitor.raft.database.store import MessageStore
from raftmon.monitor.raft.tracker import ClusterChange
from tests.monitor.raft.wire import message

ELECTION = [("MsgVote", "n1", "n2"), ("MsgVote", "n1", "n3"), ("MsgVoteResp", "n2", "n1"), ("MsgApp", "n1", "n2")]
RESULT: dict[str, Any] = {"valid": "valid", "checkers": {"register": {"valid": "valid"}}, "faults": [], "began_ns": 0}


def run(store: Path, messages: list[tuple[str, str, str]], leader: str, results: dict[str, Any] = RESULT) -> RunFolder:
    folder = RunFolder.create(store, "x")
    record = MessageStore(folder.path / "messages.sqlite")
    for number, (kind, source, target) in enumerate(messages, 1):
        record.add(message(kind, source, target, at_ms=100 * number, packet=number))
    record.add_changes([ClusterChange(1, "", "leader", leader, 2, 1)])
    record.flush()
    folder.save(RESULTS, results)
    return folder


def renamed(messages: list[tuple[str, str, str]], names: dict[str, str]) -> list[tuple[str, str, str]]:
    return [(kind, names[source], names[target]) for kind, source, target in messages]


def test_the_same_again_differs_in_nothing(tmp_path: Path) -> None:
    assert differences(run(tmp_path, ELECTION, "n1"), run(tmp_path, ELECTION, "n1")) == []


def test_the_same_with_other_nodes_in_the_parts_is_said_once(tmp_path: Path) -> None:
    names = {"n1": "n3", "n3": "n2", "n2": "n1"}
    found = differences(run(tmp_path, ELECTION, "n1"), run(tmp_path, renamed(ELECTION, names), "n3"))
    assert found == ["nodes took each other's parts: n1 of then is n3 now, n2 of then is n1 now, n3 of then is n2 now"]
    assert likeliest_naming(ELECTION, renamed(ELECTION, names)) == names


def test_the_first_message_out_of_order_is_named(tmp_path: Path) -> None:
    other = [*ELECTION[:2], ("MsgVoteResp", "n3", "n1"), ("MsgVoteResp", "n2", "n1"), ("MsgSnap", "n1", "n2")]
    found = differences(run(tmp_path, ELECTION[:3], "n1"), run(tmp_path, other, "n1"))
    assert any("the first 2 alike, then MsgVoteResp n3->n1, it was MsgVoteResp n2->n1" in one for one in found)
    assert "MsgSnap: 1 messages, there were 0" in found


def test_verdicts_and_times_of_faults_are_compared(tmp_path: Path) -> None:
    fault = {"did": "killed n1", "start_ns": 1_000_000_000}
    late = {**RESULT, "valid": "invalid", "checkers": {"register": {"valid": "invalid"}}}
    before = run(tmp_path, [], "n1", {**RESULT, "faults": [fault]})
    after = run(tmp_path, [], "n1", {**late, "faults": [{**fault, "start_ns": 2_000_000_000}]})
    assert differences(before, after) == [
        "the verdict: invalid, it was valid",
        "the checker register: invalid, it was valid",
        "fault 1 (killed n1) at 2.00 s, it was 1.00 s",
    ]


@pytest.mark.parametrize(("a", "b", "at"), [("abc", "abc", None), ("abc", "abd", 2), ("ab", "abc", 2), ("", "x", 0)])
def test_first_difference(a: str, b: str, at: int | None) -> None:
    assert first_difference(a, b) == at


def test_a_fault_waits_for_the_rare_message_before_it_or_counts_appends(tmp_path: Path) -> None:
    appends = [("MsgApp", "n1", "n2")] * 5
    folder = run(tmp_path, [*appends[:2], ("MsgVote", "n2", "n3"), *appends], "n1")
    fault = PlannedFault("halves", 0.3, 1.3)
    row = {"start_ns": 450_000_000}
    found = [one.when for one in triggered(folder, fault, row)]
    assert found == ["n2->n3 MsgVote", "n1->n2 MsgApp"]
    assert all(one.stop_s == 1.0 for one in triggered(folder, fault, row))
    assert counted(folder, fault, row, 0).when == "MsgVote"
    assert counted(folder, fault, {"start_ns": 5_000_000_000}, 0) is None  # nothing of late
    assert counted(folder, fault, {"start_ns": 250_000_000}, 150_000_000).when == "MsgApp"
    assert counted(folder, fault, {"start_ns": 250_000_000}, 0).when == "MsgApp nth 2"
