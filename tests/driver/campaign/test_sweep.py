"""A sweep can be cut short and resumed, counts nothing twice, and says in its exit status what came of it."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from raftmon.driver.campaign.matrix import Cell, Matrix
from raftmon.driver.campaign.sweep import exit_status, open_sweep
from raftmon.driver.campaign.tables import csv_text, junit
from raftmon.driver.campaign.trial import row_of
from raftmon.driver.campaign.workers import LocalWorkers
from raftmon.driver.run_folder import RunFolder
from raftmon.setup.errors import InputError

MATRIX = Matrix(systems=("memory",), workloads=("register", "set"), repeat=3)


def row(verdict: str = "valid", **more: Any) -> dict[str, Any]:
    return {**row_of({"valid": verdict, "sentences": [f"{verdict}: so it is"]}), "seconds": 0.1, **more}


class Given:
    """Workers whose rows are known beforehand; they stop after ``most``, as Ctrl-C does."""

    def __init__(self, most: int = 99, verdict: str = "valid") -> None:
        self.most, self.verdict, self.seen = most, verdict, []

    def run(self, cells: Sequence[Cell], store: Path, timeout_s: float) -> Iterator[tuple[Cell, dict[str, Any]]]:
        for cell in cells:
            if len(self.seen) == self.most:
                raise KeyboardInterrupt
            self.seen.append(cell.key)
            yield cell, row(self.verdict)


def say(*_: object) -> None:
    """Nobody listens."""


def test_what_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    sweep = open_sweep(tmp_path, None, MATRIX, resume=False)
    first, second = Given(most=4), Given()
    with pytest.raises(KeyboardInterrupt):
        sweep.run(first, tmp_path, 1.0, "all", say)
    sweep.close()
    assert exit_status(sweep_rows := list(open_sweep(tmp_path, None, MATRIX, resume=True).rows()), MATRIX.count) == 2
    assert len(sweep_rows) == 4
    again = open_sweep(tmp_path, f"sweep-{MATRIX.digest}", None, resume=True)
    again.run(second, tmp_path, 1.0, "all", say)
    assert sorted(first.seen + second.seen) == sorted(cell.key for cell in MATRIX.cells())
    assert exit_status(again.rows(), MATRIX.count) == 0


def test_a_run_that_comes_twice_is_counted_once(tmp_path: Path) -> None:
    sweep = open_sweep(tmp_path, "s", MATRIX, resume=False)
    cell = next(MATRIX.cells())
    assert sweep.ledger.add(cell, row())
    assert not sweep.ledger.add(cell, row("invalid"))
    assert [one["verdict"] for one in sweep.rows()] == ["valid"]


def test_a_sweep_is_neither_begun_twice_nor_mixed_with_another(tmp_path: Path) -> None:
    open_sweep(tmp_path, "s", MATRIX, resume=False).close()
    with pytest.raises(InputError, match="--resume goes on with it"):
        open_sweep(tmp_path, "s", MATRIX, resume=False)
    with pytest.raises(InputError, match="begun with other lists"):
        open_sweep(tmp_path, "s", Matrix(), resume=True)
    with pytest.raises(InputError, match="no sweep other"):
        open_sweep(tmp_path, "other", MATRIX, resume=True)
    with pytest.raises(InputError, match="no name for a run"):
        open_sweep(tmp_path, "../s", MATRIX, resume=False)
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="exists and is no sweep"):
        open_sweep(tmp_path, "mine", MATRIX, resume=False)


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [(["valid"] * 2, 0), (["valid", "invalid"], 1), (["valid", "unknown"], 2), (["valid", "error"], 2), (["valid"], 2)],
)
def test_the_exit_status_is_that_of_the_worst_run(verdicts: list[str], status: int) -> None:
    assert exit_status([row(verdict) for verdict in verdicts], 2) == status


def test_a_run_disturbed_by_others_is_done_again_alone_and_fewer_run_at_once(tmp_path: Path) -> None:
    on, most, tries = 0, 0, []

    def once(options: tuple[str, ...], store: Path, *, timeout_s: float) -> dict[str, Any]:
        nonlocal on, most
        on += 1
        most = max(most, on)
        tries.append(options)
        deadline = time.monotonic() + 2
        while on < 2 and len(tries) < 2 and time.monotonic() < deadline:  # the first two meet
            time.sleep(0.001)
        disturbed = len(tries) == 2 and tries.count(options) == 1
        on -= 1
        return row("unknown" if disturbed else "valid", disturbed=disturbed)

    said: list[str] = []
    workers = LocalWorkers(2, said.append, once)
    cells = list(MATRIX.cells())
    done = list(workers.run(cells, tmp_path, 1.0))
    workers.close()
    assert most == 2
    assert sorted(cell.key for cell, _ in done) == sorted(cell.key for cell in cells)
    assert [one["verdict"] for _, one in done] == ["valid"] * len(cells)
    assert workers.jobs == 1
    assert "disturbed by the runs beside it" in said[0]


def test_valid_runs_go_and_the_others_stay_where_only_failed_ones_are_kept(tmp_path: Path) -> None:
    folders = {verdict: RunFolder.create(tmp_path, verdict) for verdict in ("valid", "invalid")}
    matrix = Matrix(systems=("memory",), workloads=("register", "set"))

    class Two:
        def run(self, cells: Sequence[Cell], *_: object) -> Iterator[tuple[Cell, dict[str, Any]]]:
            for cell, verdict in zip(cells, folders, strict=True):
                yield cell, row(verdict, path=str(folders[verdict].path))

    sweep = open_sweep(tmp_path, "s", matrix, resume=False)
    sweep.run(Two(), tmp_path, 1.0, "failed", say)
    assert not folders["valid"].path.exists()
    assert folders["invalid"].is_run
    assert [one["path"] for one in sweep.rows()] == [None, str(folders["invalid"].path)]


def test_the_tables_hold_every_run_and_junit_counts_them(tmp_path: Path) -> None:
    sweep = open_sweep(tmp_path, "s", MATRIX, resume=False)
    for number, cell in enumerate(MATRIX.cells()):
        sweep.ledger.add(cell, row(("valid", "invalid", "unknown")[number % 3], sentence='a "<\x00&'))
    rows = sweep.rows()
    assert len(csv_text(rows).splitlines()) == 7
    suite = ET.fromstring(junit(rows, "s"))
    assert [suite.get(name) for name in ("tests", "failures", "skipped", "errors")] == ["6", "2", "2", "0"]
    assert len(suite.findall("testcase/failure")) == 2
