from __future__ import annotations

from pathlib import Path

import pytest

from raftmon.driver.run_folder import CONFIG, RunFolder, find_run, list_runs, remove_runs
from raftmon.setup.errors import InputError


def made(store: Path, name: str = "etcd") -> RunFolder:
    folder = RunFolder.create(store, name)
    folder.save(CONFIG, {})
    return folder


def test_latest_points_at_the_newest_run(tmp_path: Path):
    made(tmp_path)
    second = made(tmp_path)
    assert find_run(None, tmp_path).path == second.path.resolve()
    assert (tmp_path / "latest").readlink() == Path("etcd") / second.path.name


def test_latest_goes_back_to_the_run_before_when_the_newest_is_removed(tmp_path: Path):
    first = made(tmp_path)
    made(tmp_path, "nats").remove()
    assert find_run(None, tmp_path).path == first.path.resolve()


def test_what_is_saved_is_whole_and_comes_back(tmp_path: Path):
    folder = made(tmp_path)
    folder.save("results.json", {"valid": "valid", 1: [2, None]})
    assert folder.load("results.json") == {"valid": "valid", "1": [2, None]}
    assert not list(folder.path.glob("*.partial"))


def test_what_is_missing_or_torn_is_none(tmp_path: Path):
    folder = made(tmp_path)
    (folder.path / "results.json").write_text('{"valid":')
    assert folder.load("results.json") is None
    assert folder.load("nothing.json") is None


def test_a_store_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"the store .*file/store cannot be written .*give --store a folder"):
        RunFolder.create(tmp_path / "file" / "store", "etcd")


def test_an_empty_store_says_how_to_make_a_run(tmp_path: Path):
    with pytest.raises(InputError, match="start one with `raftmon run`"):
        find_run(None, tmp_path)


def test_a_run_is_found_by_a_part_of_its_name_if_only_one_fits(tmp_path: Path):
    first, second = made(tmp_path), made(tmp_path, "nats")
    assert find_run("nats/", tmp_path).path == second.path
    assert find_run(first.path.name, tmp_path).path == first.path
    with pytest.raises(InputError, match="2 runs in"):
        find_run("T", tmp_path)


def test_clean_keeps_the_newest_and_leaves_strangers_alone(tmp_path: Path):
    for _ in range(3):
        newest = made(tmp_path)
    (tmp_path / "etcd" / "notes").mkdir()
    (tmp_path / "etcd" / "notes" / "mine.txt").write_text("keep")
    assert remove_runs(tmp_path, keep=1) == 2
    assert [run.path for run in list_runs(tmp_path)] == [newest.path]
    assert remove_runs(tmp_path, keep=0) == 1
    assert not (tmp_path / "latest").is_symlink()
    assert (tmp_path / "etcd" / "notes" / "mine.txt").read_text() == "keep"
