"""Node data goes after a valid run, and keeps its content without its zeros after another."""

from pathlib import Path

import pytest

from raftmon.driver.run.node_data import make_sparse, tidy
from raftmon.driver.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder.create(tmp_path / "store", "x")
    node = made.node("n1")
    (node / "stdout.log").write_text("hello")
    (node / "data" / "wal").mkdir(parents=True)
    (node / "data" / "wal" / "0.wal").write_bytes(b"entry" + bytes(8 << 20) + b"end")
    (node / "conf").write_text("x")
    return made


def blocks(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_after_a_valid_run_only_what_the_nodes_said_is_left(folder: RunFolder) -> None:
    tidy(folder, valid=True, keep=False)
    assert [path.name for path in (folder.path / "nodes" / "n1").iterdir()] == ["stdout.log"]


@pytest.mark.parametrize(("valid", "keep"), [(False, False), (True, True)])
def test_otherwise_it_is_kept_without_its_zeros(folder: RunFolder, valid: bool, keep: bool) -> None:
    wal = folder.path / "nodes" / "n1" / "data" / "wal" / "0.wal"
    content, before = wal.read_bytes(), blocks(wal)
    tidy(folder, valid=valid, keep=keep)
    assert wal.read_bytes() == content
    assert blocks(wal) < before / 4


def test_a_small_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(1000))
    assert make_sparse(tmp_path / "x") == 0


def test_links_out_of_the_folder_are_not_followed(folder: RunFolder, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "precious").write_text("x")
    (folder.path / "nodes" / "n1" / "away").symlink_to(mine)
    (folder.path / "nodes" / "n9").symlink_to(mine)
    tidy(folder, valid=True, keep=False)
    assert (mine / "precious").read_text() == "x"
