"""A recorded run may be somebody else's: its code runs only where it is trusted, its values are checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raftmon.driver.cli import main
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run.replayed import replayed
from raftmon.driver.run_folder import CONFIG, RunFolder
from raftmon.setup.errors import InputError
from raftmon.setup.servers import cache_folder


def recorded(folder: Path, **values: Any) -> RunFolder:
    run = RunFolder.create(folder / "store", "theirs")
    run.save(CONFIG, {"config": {**RunConfig().to_json(), **values}})
    return run


@pytest.mark.parametrize(
    "values",
    [
        {"scripts": ["/tmp/evil.py"]},
        {"system": "/tmp/evil.py"},
        {"workload": "/tmp/evil.py"},
        {"server": "/tmp/evil"},
        {"options": {"server": "/tmp/evil"}},
        {"server": str(cache_folder() / ".." / ".." / "evil")},
    ],
)
def test_code_is_named_and_runs_only_where_it_is_trusted(values: dict[str, Any], tmp_path: Path):
    run = recorded(tmp_path, **values)
    with pytest.raises(InputError, match=r"evil.*--trust"):
        replayed(run, trusted=False)
    assert replayed(run, trusted=True).seed == "0"


def test_a_run_without_code_needs_no_trust(tmp_path: Path):
    server = str(cache_folder() / "etcd@3.4.23" / "usr" / "bin" / "etcd")
    config = replayed(recorded(tmp_path, server=server, seed="7", rules=["n1->n2 drop"]), trusted=False)
    assert (config.seed, config.server, config.rules) == ("7", server, ("n1->n2 drop",))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"nodes": "3"}, "nodes"),
        ({"nodes": True}, "nodes"),
        ({"seed": 5}, "seed"),
        ({"scripts": "x.py"}, "scripts"),
        ({"rules": [1]}, "rules"),
        ({"options": []}, "options"),
        ({"duration_s": None}, "duration_s"),
    ],
)
def test_a_value_of_another_kind_is_named(values: dict[str, Any], field: str, tmp_path: Path):
    with pytest.raises(InputError, match=f"{field} is .*no run of raftmon writes"):
        replayed(recorded(tmp_path, **values), trusted=True)


@pytest.mark.parametrize("content", [[], {"config": []}, {}, "text"])
def test_a_configuration_that_is_none_is_said(content: Any, tmp_path: Path):
    run = RunFolder.create(tmp_path / "store", "theirs")
    run.save(CONFIG, content)
    with pytest.raises(InputError, match=r"no config\.json that can be read"):
        replayed(run, trusted=True)


def test_the_name_of_a_recorded_run_is_not_believed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = recorded(tmp_path, system="memory", faults="none", name="../../elsewhere")
    assert main(["run", "--replay", str(run.path), "--store", str(tmp_path / "mine")]) == 64
    assert "../../elsewhere" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()
