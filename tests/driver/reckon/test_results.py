from __future__ import annotations

import orjson

from raftmon.driver.reckon import reckon_results, write_results
from raftmon.driver.run_folder import CONFIG, RunFolder

EVENTS = [
    {"time_ns": 10, "process": 0, "type": "invoke", "f": "write", "node": "n2", "host": "c1", "due_ns": 5},
    {"time_ns": 20, "process": 1, "type": "invoke", "f": "read", "node": "n3", "host": "c2"},
    {"time_ns": 30, "process": 0, "type": "ok", "f": "write"},
    {"time_ns": 40, "process": 1, "type": "info", "f": "read", "error": "DEADLINE_EXCEEDED"},
    {"time_ns": 50, "process": 2, "type": "invoke", "f": "write", "node": "n1", "host": "c1"},
    {"time_ns": 60, "process": 1000000000, "type": "invoke", "f": "read", "node": "n1", "host": "driver"},
    {"time_ns": 70, "process": 1000000000, "type": "ok", "f": "read"},
]


def test_each_operation_that_ended_is_an_entry_in_unix_seconds():
    first, second = reckon_results(EVENTS, 1_000_000_000_000)
    assert first == {
        "kind": "result",
        "t_submitted": 1000.00000001,
        "t_result": 1000.00000003,
        "result": "Success",
        "op_kind": "write",
        "clientid": "0",
        "other": {"target": "n2", "expected_start": 1000.000000005},
    }
    assert (second["result"], second["clientid"], second["op_kind"]) == ("DEADLINE_EXCEEDED", "1", "read")
    assert second["other"]["expected_start"] == second["t_submitted"]


def test_the_file_is_a_json_list_beside_the_run(tmp_path):
    folder = RunFolder.create(tmp_path / "store", "run")
    folder.save(CONFIG, {"monotonic_ns": 0, "wall_ns": 7_000_000_000})
    folder.history.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in EVENTS) + b'{"time_ns": 80, "pro')
    assert write_results(folder, tmp_path / "test.res") == 2
    entries = orjson.loads((tmp_path / "test.res").read_bytes())
    assert [entry["result"] for entry in entries] == ["Success", "DEADLINE_EXCEEDED"]
    assert entries[0]["t_submitted"] == 7.00000001
