"""What is written for other tools is what those tools read, and says what the run's own files say."""

import csv
import io
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest

import raftmon
from raftmon.driver.cli import main
from raftmon.driver.exports.packed import pack, unpack
from raftmon.driver.exports.perfetto import trace_events
from raftmon.driver.exports.rows import TABLES, RunRows
from raftmon.driver.exports.spans import jaeger, otlp
from raftmon.driver.run_folder import CONFIG, RESULTS, RunFolder
from raftmon.monitor.packets.pcapng_writer import PcapngWriter
from raftmon.monitor.raft.database.store import MessageStore
from raftmon.setup.errors import InputError
from tests.monitor.raft.wire import message

SECOND = 1_000_000_000


def event(time_s: float, process: int, kind: str, value: Any, f: str = "write", **more: Any) -> bytes:
    base = {"index": 0, "time_ns": round(time_s * SECOND), "process": process, "type": kind, "f": f, "key": "k"}
    return orjson.dumps({**base, "value": value, **more}) + b"\n"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder.create(tmp_path / "store", "etcd-register")
    made.save(
        CONFIG, {"config": {"system": "etcd", "workload": "register"}, "wall_ns": 50 * SECOND, "monotonic_ns": SECOND}
    )
    fault = {
        "name": "halves",
        "did": "cut <n1>",
        "start_ns": 11 * SECOND,
        "stop_ns": 12 * SECOND,
        "nodes": ["n1"],
        "links": [],
    }
    made.save(RESULTS, {"valid": "valid", "began_ns": 10 * SECOND, "ended_ns": 13 * SECOND, "faults": [fault]})
    made.history.write_bytes(
        event(10, 0, "invoke", {"a": '"<'}, node="n1", host="c1")
        + event(10.5, 0, "ok", {"a": '"<'})
        + event(11, 1, "invoke", None, "read", node="n2", host="c1")
    )
    made.events.write_bytes(b'{"component":"driver","event":"cluster down","time_ns":12000000000,"more":1}\n{"torn')
    record = MessageStore(made.path / "messages.sqlite")
    record.add(message("MsgVote", "n1", "n2", 3, at_ms=10_100, packet=1), None, True)
    record.add(message("MsgApp", "n1", "n2", 3, at_ms=10_200, packet=2), "drop", False)
    record.flush()
    return made


def test_rows_have_one_zero_and_every_column(folder: RunFolder) -> None:
    rows = RunRows(folder)
    for name, columns in TABLES.items():
        assert all(len(row) == len(columns) for row in rows.table(name))
    first, second = rows.operations()
    assert first[:6] == (0.0, 500.0, 0, "n1", "c1", "write")
    assert (second[0], second[1], second[8]) == (1.0, None, "info")
    assert [(round(row[0], 3), row[1], row[14]) for row in rows.messages()] == [(0.1, "MsgVote", 1), (0.2, "MsgApp", 0)]
    assert [row[:3] for row in rows.events()] == [(2.0, "driver", "cluster down")]


def test_csv_and_parquet_hold_the_same(folder: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(folder.path), "--csv", str(tmp_path / "csv")]) == 0
    for name, columns in TABLES.items():
        rows = list(csv.reader(io.StringIO((tmp_path / "csv" / f"{name}.csv").read_text())))
        assert tuple(rows[0]) == columns
        assert len(rows) - 1 == len(list(RunRows(folder).table(name)))
    assert main(["export", str(folder.path), "--csv", str(tmp_path / "csv")]) == 64  # nothing is overwritten
    assert "exists" in capsys.readouterr().err
    parquet = pytest.importorskip("pyarrow.parquet")
    assert main(["export", str(folder.path), "--parquet", str(tmp_path / "parquet")]) == 0
    table = parquet.read_table(tmp_path / "parquet" / "operations.parquet")
    assert table.column("value").to_pylist() == [row[7] for row in RunRows(folder).operations()]


def test_a_dropped_message_has_no_arrow_in_the_trace(folder: RunFolder) -> None:
    left_out = [0]
    events = list(trace_events(RunRows(folder), 100, left_out))
    flows = [one for one in events if one["ph"] in "sf"]
    assert [(one["ph"], one["name"]) for one in flows] == [("s", "MsgVote"), ("f", "MsgVote")]
    assert [one["name"] for one in events if one.get("cat") == "fault"] == ["cut <n1>"]
    operations = [one for one in events if one.get("cat", "").startswith("operation")]
    assert [(one["ts"], one["dur"]) for one in operations] == [(0.0, 500_000.0), (1_000_000.0, 0.0)]
    assert all({"pid", "tid", "ph"} <= set(one) for one in events)
    list(trace_events(RunRows(folder), 1, left_out))
    assert left_out == [1]


def test_the_trace_is_one_json_document(folder: RunFolder, tmp_path: Path) -> None:
    assert main(["export", str(folder.path), "--perfetto", str(tmp_path / "t.json")]) == 0
    assert len(orjson.loads((tmp_path / "t.json").read_bytes())["traceEvents"]) > 10


def test_spans_are_children_of_the_run_on_unix_time(folder: RunFolder) -> None:
    (resource,) = otlp(RunRows(folder))["resourceSpans"]
    spans = resource["scopeSpans"][0]["spans"]
    root = spans[0]
    assert {one["parentSpanId"] for one in spans[1:]} == {root["spanId"]}
    assert len({one["spanId"] for one in spans}) == len(spans) == 4
    assert root["startTimeUnixNano"] == str(59 * SECOND)
    write, read = spans[2:]
    assert int(write["endTimeUnixNano"]) - int(write["startTimeUnixNano"]) == SECOND // 2
    assert [write["status"]["code"], read["status"]["code"]] == [1, 2]


def test_jaegers_form_has_the_same_spans_in_microseconds(folder: RunFolder, tmp_path: Path) -> None:
    spans = otlp(RunRows(folder))["resourceSpans"][0]["scopeSpans"][0]["spans"]
    (trace,) = jaeger(RunRows(folder))["data"]
    assert [one["spanID"] for one in trace["spans"]] == [one["spanId"] for one in spans]
    assert {one["processID"] for one in trace["spans"]} == set(trace["processes"])
    root, *others = trace["spans"]
    assert root["references"] == []
    assert {one["references"][0]["spanID"] for one in others} == {root["spanID"]}
    assert root["startTime"] == 59_000_000
    assert others[1]["duration"] == 500_000
    assert [any(tag["key"] == "error" for tag in one["tags"]) for one in others[1:]] == [False, True]
    assert main(["export", str(folder.path), "--jaeger", str(tmp_path / "j.json")]) == 0
    assert orjson.loads((tmp_path / "j.json").read_bytes())["data"][0]["traceID"] == trace["traceID"]


def test_a_packed_run_is_checked_like_the_run(
    folder: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.node("n1") / "data").write_bytes(b"x" * 1000)
    target = tmp_path / "run.zip"
    assert main(["export", str(folder.path), "--zip", str(target)]) == 0
    assert not any("data" in name for name in zipfile.ZipFile(target).namelist())
    capsys.readouterr()
    statuses = [main(["check", str(what)]) for what in (folder.path, target)]
    assert statuses[0] == statuses[1]
    said = capsys.readouterr().out
    assert said.count("verdict: ") == 2
    with pytest.raises(InputError, match="exists"):
        pack(folder, target)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a/b/../../../x", "a/b/config.json"], "outside"),
        (["a/b/x"], "no zip of a run"),
        (["a/b/config.json", "c/d/x"], "no zip"),
    ],
)
def test_a_zip_that_is_none_of_ours_is_refused(tmp_path: Path, names: list[str], said: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in names:
            archive.writestr(name, b"{}")
    with pytest.raises(InputError, match=said):
        unpack(tmp_path / "x.zip", tmp_path / "into")
    assert not (tmp_path / "x").exists()


def test_load_gives_data_frames(folder: RunFolder) -> None:
    pytest.importorskip("pandas")
    run = raftmon.load(folder.path)
    assert (run.verdict, len(run.operations), len(run.messages), len(run.events)) == ("valid", 2, 2, 1)
    assert list(run.messages.columns) == list(TABLES["messages"])
    with pytest.raises(InputError, match="no folder"):
        raftmon.load("no-such", store=folder.path.parent.parent)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_filters_by_the_fields_of_the_comments(tmp_path: Path) -> None:
    writer = PcapngWriter((), 0, "test")
    packet = bytes.fromhex("4500001c00010000401100000a4d01020a4d0202") + bytes(8)
    texts = [
        "MsgVote n1->n2 term 3 index 7 commit 4",
        "MsgApp n1->n2 term 3 index 7 entries 8..9; MsgSnap n1->n3 term 4 snapshot 9",
    ]
    blocks = [writer.header, writer.interface("n1"), *(writer.packet(0, 1, packet, text) for text in texts)]
    (tmp_path / "x.pcapng").write_bytes(b"".join(blocks))
    assert main(["export", "--lua", str(tmp_path / "raft.lua")]) == 0

    def asked(what: str) -> str:
        command = ["tshark", "-X", f"lua_script:{tmp_path / 'raft.lua'}", "-r", str(tmp_path / "x.pcapng"), "-Y", what]
        options = ["-T", "fields", "-e", "raft.kind", "-e", "raft.term", "-e", "raft.entries"]
        return subprocess.run([*command, *options], capture_output=True, text=True, check=True).stdout

    assert asked("raft.kind == MsgVote && raft.index == 7") == "MsgVote\t3\t\n"
    assert asked("raft.term > 3") == "MsgApp,MsgSnap\t3,4\t8..9\n"


def test_nothing_asked_for_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export"]) == 64
    assert "say what to write" in capsys.readouterr().err
