"""How the monitor's process is watched; what it does inside is tests/monitor's."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from raftmon.driver.cluster import monitor_process
from raftmon.driver.cluster.monitor_process import MonitorProcess
from raftmon.driver.cluster.options import ClusterOptions
from raftmon.driver.run_folder import RunFolder
from raftmon.setup.errors import InputError
from raftmon.setup.eventlog import open_event_log
from raftmon.setup.topology import Topology


class FakeClient:
    def add(self, _rule: str) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, died: threading.Event) -> MonitorProcess:
    """A process that runs ``body`` in the monitor's place; it counts as ready at once."""
    folder = RunFolder.create(tmp_path / "store", "r")
    monkeypatch.setattr(monitor_process, "module_command", lambda _module: [sys.executable, "-c", body])
    monkeypatch.setattr(monitor_process, "wait_until_ready", lambda *_arguments: FakeClient())
    log = open_event_log(folder.events, "driver")
    made = MonitorProcess(folder, ClusterOptions(scripts=("/x/mine.py",)), log, died.set)
    made.launch(Topology.star(3), "etcd")
    made.wait_until_ready()
    return made


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("import sys; sys.exit('boom')", "ended with status 1"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
    ],
)
def test_a_monitor_that_dies_unasked_is_told_of_at_once_and_says_why(tmp_path, monkeypatch, body, how):
    died = threading.Event()
    process = started(tmp_path, monkeypatch, body, died)
    assert died.wait(30)
    why = process.why_died()
    assert why is not None
    assert why.startswith(f"the monitor {how} in the middle of the run")
    assert "mine.py" in why
    assert ("boom" in why) == ("boom" in body)
    process.stop()
    assert process.why_died() is None


def test_one_that_was_told_to_end_did_not_die(tmp_path, monkeypatch):
    died = threading.Event()
    monkeypatch.setattr(monitor_process, "STOP_TIMEOUT_S", 0.1)
    process = started(tmp_path, monkeypatch, "import time; time.sleep(600)", died)
    assert process.why_died() is None
    process.stop()  # it does not listen, and is killed
    assert process.why_died() is None
    assert not died.is_set()


def test_a_monitor_that_refuses_its_rules_is_the_users_to_change(tmp_path, monkeypatch):
    folder = RunFolder.create(tmp_path / "store", "r")
    body = "import sys; print('raftmon monitor: n9 is no node', file=sys.stderr); sys.exit(64)"
    monkeypatch.setattr(monitor_process, "module_command", lambda _module: [sys.executable, "-c", body])
    process = MonitorProcess(folder, ClusterOptions(), open_event_log(folder.events, "driver"))
    process.launch(Topology.star(3), "etcd")
    with pytest.raises(InputError, match=r"^n9 is no node$"):
        process.wait_until_ready()
    process.stop()


def test_one_that_never_started_can_be_stopped(tmp_path):
    folder = RunFolder.create(tmp_path / "store", "r")
    process = MonitorProcess(folder, ClusterOptions(), open_event_log(folder.events, "driver"))
    process.stop()
    assert process.why_died() is None


_BEATS_ONCE = """
import mmap, os, sys, time
mmap.mmap(int(sys.argv[2]), mmap.PAGESIZE)[:8] = time.monotonic_ns().to_bytes(8, "little")
time.sleep(300)
"""


def test_a_monitor_that_lives_and_does_not_move_is_killed_and_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(monitor_process, "STILL_S", 0.2)
    process = started(tmp_path, monkeypatch, _BEATS_ONCE, threading.Event())
    assert until(process.why_died, 30).startswith("the monitor had not moved for")
    process.stop()
    assert process.why_died() is None


def until(ask, timeout_s):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (found := ask()) is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen")
