"""A disk that is full: the run ends at once, says so, and keeps ``results.json``."""

import errno
import os
import subprocess
import sys

import pytest

from raftmon.driver import run_folder
from raftmon.driver.run_folder import RunFolder
from raftmon.setup.eventlog import open_event_log


def test_results_are_saved_in_the_room_that_was_kept_for_them(tmp_path, monkeypatch):
    folder = RunFolder.create(tmp_path, "r")
    folder.reserve()
    kept = folder.path / run_folder._RESERVE
    assert kept.stat().st_size == 128 << 10
    real = run_folder.Path.write_bytes

    def write_bytes(path, data):
        if kept.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(run_folder.Path, "write_bytes", write_bytes)
    folder.save("results.json", {"valid": "unknown"})
    assert folder.load("results.json") == {"valid": "unknown"}
    assert not kept.exists()


def test_the_room_goes_when_the_results_are_there(tmp_path):
    folder = RunFolder.create(tmp_path, "r")
    folder.reserve()
    folder.save("results.json", {})
    assert sorted(one.name for one in folder.path.iterdir()) == [".raftmon-run", "nodes", "results.json"]


def test_a_log_line_that_finds_no_room_is_no_failure(tmp_path, monkeypatch):
    log = open_event_log(tmp_path / "events.jsonl", "driver")

    def full(_descriptor, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    log.info("lost")


_IN_A_SMALL_DISK = """
import ctypes, os, subprocess, sys
from raftmon.setup import sandbox_init
def body():
    os.environ.pop(sandbox_init.MARKER_VARIABLE)
    size, store, *command = sys.argv[1:]
    os.makedirs(store)
    assert ctypes.CDLL(None).mount(b"none", store.encode(), b"tmpfs", 0, f"size={size}".encode()) == 0
    done = subprocess.run([*command, "--store", store + "/s"], capture_output=True, text=True)
    print(done.returncode, done.stderr)
    print(*(line for path, _, names in os.walk(store) for line in names))
    for path, _, names in os.walk(store):
        print(*(open(os.path.join(path, name)).read() for name in names if name == "results.json"))
sandbox_init.run(body)
"""


@pytest.mark.net
@pytest.mark.parametrize("size", ["400k", "40k"])
def test_a_run_on_a_disk_that_fills_up_ends_unknown_and_says_why(tmp_path, size):
    command = [sys.executable, "-m", "raftmon.driver.cli", "run", "--system", "memory", "--duration", "60"]
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_SMALL_DISK, size, str(tmp_path / "disk"), *command], capture_output=True, text=True
    )
    assert done.stdout.startswith("70 "), done.stdout + done.stderr
    assert "are free on the disk that holds" in done.stdout
    assert "make room, or give --store a folder on another disk" in done.stdout
    assert "Traceback" not in done.stdout
    if size == "400k":
        assert '"valid": "unknown"' in done.stdout
