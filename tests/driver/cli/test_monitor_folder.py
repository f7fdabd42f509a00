"""The temporary folder of a monitor without --record, and what a killed monitor left of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from raftmon.driver.cli.monitor_folder import remove_abandoned, temporary_folder

_LATER_S = 4e9  # every folder made today is older than a minute then


def _left(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    (folder / "monitor.log").write_text("a line")
    return folder


def test_what_a_killed_monitor_left_goes_and_everything_else_stays(tmp_path: Path) -> None:
    abandoned = _left(tmp_path, "raftmon-monitor-a")
    others = _left(tmp_path, "raftmon-else")
    target = _left(tmp_path, "elsewhere")
    (tmp_path / "raftmon-monitor-link").symlink_to(target)
    (tmp_path / "raftmon-monitor-file").write_text("a file")
    assert remove_abandoned(tmp_path, _LATER_S) == [abandoned]
    assert not abandoned.exists()
    assert others.is_dir()
    assert (target / "monitor.log").exists()
    assert (tmp_path / "raftmon-monitor-file").exists()


def test_a_young_folder_stays_since_its_monitor_may_not_have_locked_it(tmp_path: Path) -> None:
    young = _left(tmp_path, "raftmon-monitor-a")
    assert remove_abandoned(tmp_path, os.stat(young).st_mtime + 1) == []
    assert young.is_dir()


def test_a_running_monitors_folder_stays_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder() as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        assert remove_abandoned(tmp_path, _LATER_S) == []
        assert folder.is_dir()
    assert not folder.exists()
