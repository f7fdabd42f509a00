"""A limit of processes that is too low for a run is said before the run starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftmon.driver.cli import main
from raftmon.setup.errors import RaftmonError
from raftmon.setup.limits import check_processes


@pytest.mark.parametrize("limit", [None, 10, 11, 100_000])
def test_a_limit_that_suffices_passes(limit: int | None) -> None:
    check_processes(10, limit)


@pytest.mark.parametrize("limit", [0, 4, 9])
def test_a_limit_that_is_too_low_is_refused(limit: int) -> None:
    with pytest.raises(RaftmonError, match=rf"may have {limit} processes .* needs at least 10"):
        check_processes(10, limit)


def test_a_run_under_too_low_a_limit_ends_before_it_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raftmon.driver.cli.run.process_limit", lambda: 8)
    store = tmp_path / "store"
    assert main(["run", "--system", "memory", "--store", str(store)]) == 70
    assert "this user may have 8 processes and threads (`ulimit -u`)" in capsys.readouterr().err
    assert not list(store.glob("*/*"))
