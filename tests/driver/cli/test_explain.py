"""``raftmon explain`` on folders of runs: what is printed, what results and report have of it."""

import json

import pytest

from raftmon.driver.cli import main
from raftmon.driver.report.report import render_report
from raftmon.driver.results.facts import RunFacts
from raftmon.driver.results.summary import summary
from raftmon.driver.results.verdict import judge_run
from raftmon.driver.run_folder import RunFolder
from tests.driver.cli.test_output import EVIL

MS = 1_000_000


def folder_of(tmp_path, second_expected):
    """A run in which process 0 replaced 1 by 2 and process 1 replaced ``second_expected`` by 3."""
    folder = RunFolder.create(tmp_path, "run")
    rows = [
        (0, 1, "invoke", 0, "write", 1), (1, 2, "ok", 0, "write", 1),
        (2, 3, "invoke", 0, "cas", [1, 2]), (3, 4, "invoke", 1, "cas", [second_expected, 3]),
        (4, 5, "ok", 0, "cas", [1, 2]), (5, 6, "ok", 1, "cas", [second_expected, 3]),
    ]  # fmt: skip
    with folder.history.open("w") as out:
        for index, time_ms, kind, process, f, value in rows:
            event = {"index": index, "time_ns": time_ms * MS, "process": process, "type": kind, "f": f, "key": "k"}
            out.write(json.dumps({**event, "value": value, "node": f"n{process + 1}"}) + "\n")
    folder.save("config.json", {"config": {"workload": "register", "system": "memory"}})
    return folder


def test_an_anomaly_is_explained_and_is_exit_status_1(tmp_path, capsys):
    folder = folder_of(tmp_path, 1)
    assert main(["explain", str(folder.path), "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert "several compare-and-sets of one value win: 2 replaced 1" in found["blame"]
    assert any("process 1 cas k" in line and "through n2" in line for line in found["clients"])
    assert found["wire"] == ["no Raft message was decoded"]
    assert main(["explain", str(folder.path)]) == 1
    assert "blame: the server let several" in capsys.readouterr().out


def test_where_nothing_is_wrong_there_is_nothing_to_explain(tmp_path, capsys):
    assert main(["explain", str(folder_of(tmp_path, 2).path)]) == 0
    assert "nothing to explain" in capsys.readouterr().out


def test_a_folder_without_a_run_is_refused(tmp_path):
    assert main(["explain", str(tmp_path / "none"), "--store", str(tmp_path)]) == 64


@pytest.mark.parametrize("second_expected", [1, 2])
def test_results_summary_and_report_have_the_blame_where_there_is_one(tmp_path, second_expected):
    folder = folder_of(tmp_path, second_expected)
    results = judge_run(folder, RunFacts(began_ns=MS, ended_ns=7 * MS))
    folder.save("results.json", results.to_json())
    assert [one["checker"] for one in results.explanations] == (["register"] if second_expected == 1 else [])
    page = render_report(folder.path)
    assert ("Who is to blame" in page) == (second_expected == 1)
    assert summary(results, "x")


def test_a_torn_or_odd_record_of_events_does_not_matter(tmp_path, capsys):
    folder = folder_of(tmp_path, 1)
    (folder.path / "events.jsonl").write_bytes(b'{"event": "node killed", "node": "n1", "time_ns": 3}\n[1]\n{"ev')
    (folder.path / "messages.sqlite").write_text(EVIL.encode("utf-8", "replace").decode())
    assert main(["explain", str(folder.path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["wire"] == ["no Raft message was decoded"]
