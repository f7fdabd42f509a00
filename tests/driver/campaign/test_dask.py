"""Runs on Dask workers: what a worker that dies had in hand is done by another, and every run comes back once."""

import os
import signal
from pathlib import Path

import pytest

from raftmon.driver.campaign.matrix import Matrix
from raftmon.driver.campaign.sweep import open_sweep
from raftmon.driver.campaign.workers import DaskWorkers
from raftmon.driver.histories.formats import read_history
from raftmon.setup.errors import InputError

pytest.importorskip("distributed")
MATRIX = Matrix(systems=("memory",), repeat=4, options=("--duration", "1s", "--clients", "2"))


def test_two_workers_one_killed_every_run_once(tmp_path: Path) -> None:
    pool = DaskWorkers("local:2", lambda _text: None)
    sweep = open_sweep(tmp_path, "s", MATRIX, resume=False)
    pids = list(pool.client.run(os.getpid).values())
    told: list[str] = []

    def say(cell, row, _where) -> None:
        told.append(cell.key)
        if len(told) == 1:
            os.kill(pids[0], signal.SIGKILL)

    try:
        sweep.run(pool, tmp_path, 60.0, "all", say)
    finally:
        pool.close()
    rows = sweep.rows()
    sweep.close()
    assert len(told) == len(set(told)) == len(rows) == MATRIX.count
    assert {row["verdict"] for row in rows} == {"valid"}, rows
    assert all(len(read_history(Path(row["path"]))) for row in rows)


def test_an_address_where_nobody_answers_is_said() -> None:
    with pytest.raises(InputError, match="write local:4"):
        DaskWorkers("local:many", lambda _text: None)


def test_a_run_on_a_worker_comes_back_with_its_results(tmp_path: Path) -> None:
    pool = DaskWorkers("local:1", lambda _text: None)
    try:
        assert pool.count == 1
        row = pool.once(["--system", "memory", "--duration", "1s", "--fault", "none"], tmp_path, timeout_s=60)
    finally:
        pool.close()
    assert row["verdict"] == "valid"
    assert row["results"]["valid"] == "valid"
    assert Path(row["path"]).is_relative_to(tmp_path)
