"""The commands that look at messages, as a user calls them."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from raftmon.driver.cli import main
from raftmon.driver.cli import messages as messages_command
from tests.shared import SHARED

GOLDEN = SHARED / "captures" / "etcd-3.4.23.pcap.gz"
TRUTH = GOLDEN.with_name("etcd-3.4.23.truth.json")
HEAD = Path(__file__).parents[2] / "monitor" / "raft" / "data" / "etcd-3.4.23-head.pcap.gz"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a record, a history and events."""
    folder = tmp_path_factory.mktemp("run")
    assert main(["decode", str(HEAD), "-o", str(folder / "messages.sqlite")]) == 0
    (folder / "config.json").write_text("{}")
    first = json.loads(_call_json(folder / "messages.sqlite", "--limit", "1"))[0]["time_ns"]
    begin = first + 300_000_000
    events = [
        {"index": 0, "time_ns": begin, "process": 3, "type": "invoke", "f": "write"},
        {"index": 1, "time_ns": begin + 1_000_000, "process": 4, "type": "invoke", "f": "read"},
        {"index": 2, "time_ns": begin + 2_000_000, "process": 3, "type": "ok", "f": "write"},
        {"index": 3, "time_ns": begin + 900_000_000, "process": 4, "type": "ok", "f": "read"},
    ]
    (folder / "history.jsonl").write_text("\n".join(map(json.dumps, events)) + '\n{"torn')
    said = [
        {"time_ns": begin, "event": "fault started", "fault": "kill-one", "sentence": "killed n0"},
        {"time_ns": begin + 5, "event": "status", "node": "n0", "term": 2, "role": "follower"},
    ]
    (folder / "events.jsonl").write_text("\n".join(map(json.dumps, said)))
    return folder


def _call_json(source: Path, *words: str) -> str:
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["messages", str(source), "--format", "json", *words]) == 0
    return out.getvalue()


def test_messages_of_a_capture_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["messages", str(HEAD), "--kind", "MsgVote"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "n2 -> n0" in lines[1]


def test_filters_are_joined(run: Path) -> None:
    found = json.loads(_call_json(run, "--kind", "MsgVote", "--kind", "MsgVoteResp", "--from", "n2", "--to", "n1"))
    assert [(one["kind"], one["from"], one["to"]) for one in found] == [("MsgVote", "n2", "n1")]
    assert json.loads(_call_json(run, "--term", "77")) == []
    late = json.loads(_call_json(run, "--since", "0.1", "--limit", "3"))
    assert len(late) == 3
    assert all(one["at_s"] >= 0.1 for one in late)


def test_messages_around_an_operation(run: Path) -> None:
    found = json.loads(_call_json(run, "--around", "0"))
    assert found
    assert all(0.294 <= one["at_s"] <= 0.308 for one in found)


@pytest.fixture
def begun(run: Path, tmp_path: Path) -> Path:
    """The same run, whose clients began 0.2 s after the first message."""
    folder = tmp_path / "begun"
    shutil.copytree(run, folder)
    first = json.loads(_call_json(folder / "messages.sqlite", "--limit", "1"))[0]["time_ns"]
    began = {"time_ns": first, "event": "workload began", "begin_ns": first + 200_000_000}
    with (folder / "events.jsonl").open("a") as events:
        events.write("\n" + json.dumps(began) + "\n")
    return folder


def test_seconds_count_from_the_clients_first_operation(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (first,) = json.loads(_call_json(begun, "--limit", "1"))
    assert first["at_s"] == -0.2
    assert json.loads(_call_json(begun, "--since", "-0.2", "--limit", "1")) == [first]
    assert json.loads(_call_json(begun, "--where", "time < -0.19", "--limit", "1")) == [first]
    assert all(one["at_s"] >= 0 for one in json.loads(_call_json(begun, "--where", "time >= 0", "--limit", "9")))
    assert main(["timeline", str(begun)]) == 0
    out, err = capsys.readouterr()
    assert "+0.100 s  fault   fault started: kill-one" in out
    assert "workload began" in out
    assert "seconds count" not in err
    (begun / "results.json").write_text(json.dumps({"began_ns": first["time_ns"] + 300_000_000}))
    assert json.loads(_call_json(begun, "--limit", "1"))[0]["at_s"] == -0.3
    elections = [json.loads(_call_json(path, "--stats"))["elections"] for path in (begun, HEAD)]
    assert [one["at_s"] for one in elections[0]] == pytest.approx([one["at_s"] - 0.3 for one in elections[1]])
    assert elections[0]


def test_a_capture_says_that_its_seconds_count_from_the_first_message(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("timeline", "messages"):
        assert main([command, str(HEAD)]) == 0
        assert f"raftmon {command}: this is no run, so seconds count from the first" in capsys.readouterr().err


def test_around_needs_an_invocation(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["messages", str(run), "--around", "2"]) == 64
    assert main(["messages", str(run), "--around", "99"]) == 64
    assert main(["messages", str(HEAD), "--around", "0"]) == 64
    assert "name a run's folder" in capsys.readouterr().err


def test_csv_has_one_line_a_message(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["messages", str(run), "--format", "csv", "--limit", "5"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == 5
    assert rows[0]["kind"] == "MsgVote"


def test_following_a_finished_record_ends(run: Path) -> None:
    lines = _call_json(run, "--follow", "--kind", "MsgVote").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["MsgVote"] * 2


def test_statistics_as_an_object_and_for_reading(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(_call_json(run, "--stats"))
    assert {"kinds", "unparsed_bytes", "puts"} <= found.keys()
    assert main(["messages", str(run), "--stats"]) == 0
    text = capsys.readouterr().out
    for word in ("heartbeat interval", "append round trip", "elections", "invariants", "not visible"):
        assert word in text


def test_a_wrong_expression_is_status_64_with_its_column(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["messages", str(run), "--where", "kind ="]) == 64
    assert "column 7" in capsys.readouterr().err


def test_the_timeline_joins_wire_status_faults_and_clients(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", str(run)]) == 0
    text = capsys.readouterr().out
    assert "n2 LEADS term 2" in text
    assert "election of term 2: n2 is a candidate (start), votes of n0, n1" in text
    assert "fault started: kill-one, killed n0" in text
    assert "status  n0 reports term 2, role follower" in text
    assert "no operation succeeded for 898 ms" in text


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_shows_the_messages_of_an_export(tmp_path: Path) -> None:
    target = tmp_path / "raft.pcapng"
    assert main(["export", str(HEAD), "--pcapng", str(target)]) == 0
    shown = subprocess.run(
        ["tshark", "-r", str(target), "-Y", 'frame.comment contains "MsgVote "', "-T", "fields", "-e", "frame.comment"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.split("\n")[0].startswith("MsgVote n2->n0 term 2")
    assert shown.stdout.count("MsgVote ") == 2


def test_what_is_no_capture_is_status_64(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("hello")
    assert main(["decode", str(notes)]) == 64
    assert main(["messages", str(notes)]) == 64
    assert main(["export", str(notes), "--pcapng", str(tmp_path / "x")]) == 64
    assert "is not a capture" in capsys.readouterr().err


def test_decode_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", str(HEAD), "-o", str(tmp_path / "m.sqlite"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["unparsed_bytes"] == 0
    assert found["invariants"]["one_vote"]["broken"] == 0


def _kinds(source: Path, *words: str) -> dict[str, int]:
    found: dict[str, int] = json.loads(_call_json(source, "--stats", *words))["kinds"]
    return found


@pytest.mark.skipif(not GOLDEN.exists(), reason=f"{GOLDEN} is not here")
def test_only_connections_to_the_given_ports_are_decoded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = json.loads(TRUTH.read_bytes())["messages"]
    target = tmp_path / "m.sqlite"
    assert main(["decode", str(GOLDEN), "-o", str(target), "--port", "12380,22380,32380"]) == 0
    assert "ignored (other ports): " in capsys.readouterr().out
    assert _kinds(target) == truth
    # The member added near the end, whose connections the truth leaves out.
    assert main(["decode", str(GOLDEN), "-o", str(target)]) == 0
    capsys.readouterr()
    assert sum(_kinds(target).values()) == sum(truth.values()) + 51
    added = _kinds(GOLDEN, "--port", "42380")
    assert added == {"MsgHeartbeatResp": 49, "MsgHeartbeat": 1, "MsgSnap": 1}


def test_ports_choose_among_a_captures_connections_and_not_a_records(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _kinds(HEAD, "--port", "1") == {}
    assert main(["timeline", str(HEAD), "--port", "1"]) == 0
    assert "no message was decoded" in capsys.readouterr().out
    assert main(["messages", str(run / "messages.sqlite"), "--port", "12380"]) == 64
    assert main(["messages", str(run), "--port", "12380"]) == 64
    assert "packets.pcapng, which --port needs" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["messages", str(HEAD), "--port", "http"])
    assert left.value.code == 64


def test_a_run_decoded_from_its_packets_has_one_time_base(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """packets.pcapng has UTC times, events and history CLOCK_MONOTONIC: config.json has the pair that joins them."""
    first = json.loads(_call_json(HEAD, "--limit", "1"))[0]["time_ns"]
    shutil.copy(run / "messages.sqlite", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"monotonic_ns": 5_000_000_000, "wall_ns": first}))
    said = {"time_ns": 5_250_000_000, "event": "status", "node": "n0", "role": "silent"}
    (tmp_path / "events.jsonl").write_text(json.dumps(said))
    operation = [
        {"index": 0, "time_ns": 5_300_000_000, "process": 3, "type": "invoke", "f": "write"},
        {"index": 1, "time_ns": 5_302_000_000, "process": 3, "type": "ok", "f": "write"},
    ]
    (tmp_path / "history.jsonl").write_text("\n".join(map(json.dumps, operation)))
    assert main(["timeline", str(tmp_path)]) == 0
    assert "+0.250 s  status  n0 does not respond" in capsys.readouterr().out
    assert _call_json(tmp_path, "--around", "0") == _call_json(run, "--around", "0")


def test_a_misspelt_kind_is_no_empty_answer(tmp_path, capsys):
    from raftmon.driver.cli import main

    capture = Path(__file__).parents[2] / "monitor" / "raft" / "data"
    file = next(path for path in sorted(capture.iterdir()) if ".pcap" in path.name)
    assert main(["messages", str(file), "--kind", "MsgVot"]) == 64
    assert "unknown message 'MsgVot'; did you mean MsgVote" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_node_that_is_not_there_is_no_empty_answer(
    run: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["messages", str(run), option, "n9"]) == 64
    error = capsys.readouterr().err
    assert "unknown node 'n9' in this record (available: n0, n1, n2)" in error
    assert main(["messages", str(run), option, "n1", "--limit", "1"]) == 0


def test_a_misspelt_kind_in_where_is_no_empty_answer_and_no_table(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for where in ("kind = MsgVot", "kind in (MsgApp, 'MsgVot')", "not kind != MsgVot"):
        assert main(["messages", str(run), "--where", where]) == 64
        said = capsys.readouterr()
        assert "there is no such kind of message; did you mean MsgVote" in said.err
        assert said.out == ""
    assert main(["messages", str(run), "--where", "kind ~ Vot", "--limit", "1"]) == 0


def test_where_nothing_fits_that_is_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["messages", str(run), "--term", "99"]) == 0
    assert capsys.readouterr().err == "raftmon messages: no message of this record is like that\n"
    assert main(["messages", str(run), "--limit", "1"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("context", "shown"),
    [
        (b"CampaignTransfer", "CampaignTransfer"),
        ((300).to_bytes(8, "little"), "300"),
        (bytes.fromhex("16a1b2c3d4e5f607"), "0x16a1b2c3d4e5f607"),
    ],
)
def test_a_context_is_shown_as_text_as_a_counter_or_as_bytes_that_a_rule_takes(context: bytes, shown: str) -> None:
    assert messages_command._readable(context.hex()) == shown
