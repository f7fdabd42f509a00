from pathlib import Path

import orjson
import pytest

from raftmon.driver import run_list
from raftmon.driver.cli import main
from raftmon.driver.run_folder import CONFIG, RESULTS, RunFolder
from raftmon.driver.run_list import select_runs
from raftmon.setup.errors import InputError


def recorded(store: Path, system: str, verdict: str | None, nodes: object = 3) -> str:
    run = RunFolder.create(store, f"{system}-register")
    run.save(CONFIG, {"config": {"system": system, "nodes": nodes, "workload": "register", "faults": "kill-leader"}})
    if verdict is not None:
        run.save(RESULTS, {"valid": verdict})
    return str(run.path)


def test_runs_are_chosen_by_what_they_were_and_how_they_ended(tmp_path: Path):
    wrong = recorded(tmp_path, "nats", "invalid")
    right = recorded(tmp_path, "nats", "valid", nodes=5)
    broken = recorded(tmp_path, "etcd", None)
    (tmp_path / "projects" / "app").mkdir(parents=True)
    (tmp_path / "projects" / "app" / CONFIG).write_text("{}")  # no run: it bears no mark

    def paths(where: str | None = None) -> list[str]:
        return [run["path"] for run in select_runs(tmp_path, where)]

    assert paths() == [wrong, right, broken]
    assert paths('verdict = "invalid" and system = "nats"') == [wrong]
    assert paths("nodes > 3 or verdict = none") == [right, broken]
    assert paths('not (system in ("nats", "etcd"))') == []
    assert paths('fault ~ "leader" and size_mb < 1000') == [wrong, right, broken]


def test_a_field_that_is_none_is_named_and_values_of_other_kinds_are_null(tmp_path: Path):
    recorded(tmp_path, "etcd", "valid", nodes={"n": 1})
    assert [run["nodes"] for run in select_runs(tmp_path)] == [None]
    with pytest.raises(InputError, match="expected one of path, name"):
        select_runs(tmp_path, "kind = x")
    with pytest.raises(InputError, match="column 11"):
        select_runs(tmp_path, "nodes = 3 ; DROP TABLE runs")


def test_the_command_prints_json_and_a_table_with_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = recorded(tmp_path, "nats", "invalid")
    assert main(["runs", "--store", str(tmp_path), "--where", "verdict = invalid", "--format", "json"]) == 0
    (found,) = orjson.loads(capsys.readouterr().out)
    assert (found["path"], found["verdict"]) == (path, "invalid")
    assert main(["runs", "--store", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert path in said
    assert "1 run in" in said
    assert "MB" in said


def test_the_index_is_kept_and_follows_what_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = recorded(tmp_path, "nats", "valid"), recorded(tmp_path, "etcd", "valid")
    assert len(select_runs(tmp_path)) == 2
    assert (tmp_path / run_list.INDEX).exists()
    looked: list[str] = []
    row = run_list._row
    monkeypatch.setattr(run_list, "_row", lambda run: looked.append(str(run.path)) or row(run))
    assert len(select_runs(tmp_path)) == 2
    assert looked == []  # nothing changed: no file of a run was read
    RunFolder(Path(first)).save(RESULTS, {"valid": "invalid"})
    assert [run["verdict"] for run in select_runs(tmp_path)] == ["invalid", "valid"]
    assert looked == [first]
    RunFolder(Path(second)).remove()
    assert [run["path"] for run in select_runs(tmp_path)] == [first]


def test_an_index_that_is_none_or_cannot_be_written_costs_nothing(tmp_path: Path):
    recorded(tmp_path, "nats", "valid")
    (tmp_path / run_list.INDEX).write_bytes(b"no database at all, but a file of some length")
    assert len(select_runs(tmp_path)) == 1
    assert select_runs(tmp_path / "no-store") == []
