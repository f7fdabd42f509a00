"""The recorder as a child: it is waited for while it moves, and killed where it does not."""

import os
import signal
import time

from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.heartbeats import RECORDER, Heartbeats
from raftmon.monitor.recorder import process as recorder_process
from raftmon.monitor.recorder.process import RecorderProcess
from raftmon.setup.topology import Topology


def started(tmp_path):
    config = MonitorConfig.of_topology(
        Topology.star(2), tmp_path, monotonic_ns=time.monotonic_ns(), wall_ns=time.time_ns()
    )
    path = tmp_path / "monitor-config.json"
    path.write_bytes(config.to_json())
    beats = Heartbeats.new()
    recorder = RecorderProcess(path, config.record_backlog_bytes, beats)
    recorder.begin()
    recorder.wait_until_started()
    return recorder, beats


def test_it_beats_while_it_records_and_rests_when_it_completes_its_files(tmp_path):
    recorder, beats = started(tmp_path)
    first = beats.cells[RECORDER]
    while beats.cells[RECORDER] == first:
        time.sleep(0.01)
    recorder.finish()
    assert beats.cells[RECORDER] == 0
    assert recorder.said["finished"]
    beats.close()


def test_one_that_was_stopped_is_killed_and_has_not_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_process, "_STILL_NS", 200_000_000)
    recorder, beats = started(tmp_path)
    while not beats.cells[RECORDER]:
        time.sleep(0.01)
    os.kill(recorder.pid, signal.SIGSTOP)
    recorder.finish()
    assert not recorder.said["finished"]
    assert recorder._process.returncode == -signal.SIGKILL
    beats.close()
