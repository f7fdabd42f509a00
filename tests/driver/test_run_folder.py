from __future__ import annotations

import stat
from pathlib import Path

import psutil
import pytest

from raftmon.driver.run_folder import CONFIG, LIVE, MARK, RunFolder, check_name, find_run, list_runs, remove_runs
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


def test_two_drivers_with_one_pid_set_latest_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each sandbox has pids of its own, so that they are no names for files in a store that sandboxes share."""
    names = set()
    real = Path.symlink_to

    def symlink_to(link: Path, target: str) -> None:
        assert link.name not in names
        names.add(link.name)
        real(link, target)

    monkeypatch.setattr(Path, "symlink_to", symlink_to)
    for _ in range(3):
        made(tmp_path)
    assert len(names) == 3


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


def _clean(store, keep=0):
    doomed, live = remove_runs(store, keep)
    for run in doomed:
        run.remove()
    return len(doomed), len(live)


def test_clean_keeps_the_newest_and_leaves_strangers_alone(tmp_path: Path):
    for _ in range(3):
        newest = made(tmp_path)
    (tmp_path / "etcd" / "notes").mkdir()
    (tmp_path / "etcd" / "notes" / "mine.txt").write_text("keep")
    assert _clean(tmp_path, keep=1) == (2, 0)
    assert [run.path for run in list_runs(tmp_path)] == [newest.path]
    assert _clean(tmp_path) == (1, 0)
    assert not (tmp_path / "latest").is_symlink()
    assert (tmp_path / "etcd" / "notes" / "mine.txt").read_text() == "keep"


def test_a_folder_with_a_config_of_its_own_is_no_run(tmp_path: Path):
    project = tmp_path / "projects" / "app"
    (project / "src").mkdir(parents=True)
    (project / CONFIG).write_text("{}")
    assert list(list_runs(tmp_path)) == []
    assert _clean(tmp_path) == (0, 0)


def test_symbolic_links_to_runs_are_not_followed(tmp_path: Path):
    elsewhere = made(tmp_path / "other")
    store = tmp_path / "store"
    (store / "etcd").mkdir(parents=True)
    (store / "etcd" / "linked").symlink_to(elsewhere.path)
    (store / "all").symlink_to(elsewhere.path.parent)
    (store / "etcd" / "marked").mkdir()
    (store / "etcd" / "marked" / MARK).symlink_to(elsewhere.path / MARK)
    assert list(list_runs(store)) == []
    assert elsewhere.path.is_dir()


def test_a_live_run_stays_and_a_stale_mark_of_life_is_recognised(tmp_path: Path):
    live, dead = made(tmp_path), made(tmp_path)
    me = psutil.Process()
    live.save(LIVE, {"outer_pid": me.pid, "started": me.create_time()})
    dead.save(LIVE, {"outer_pid": me.pid, "started": me.create_time() - 1000})
    assert _clean(tmp_path) == (1, 1)
    assert [run.path for run in list_runs(tmp_path)] == [live.path]


def test_a_run_s_folder_is_its_owner_s_alone(tmp_path: Path):
    assert stat.S_IMODE(made(tmp_path).path.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b/c", ".", "..", "latest", "", "a\nb", "-rf", "x" * 101])
def test_a_name_that_is_no_plain_name_is_refused(name: str, tmp_path: Path):
    with pytest.raises(InputError, match="is no name for a run"):
        check_name(name)
    with pytest.raises(InputError, match="is no name for a run"):
        RunFolder.create(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_store_whose_folders_come_and_go_or_may_not_be_read_has_no_runs():
    assert list(list_runs(Path("/proc"))) == []
