"""A run whose monitor stood still, hung or died is never called valid, and says what happened."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.servers


def _start(store, *words):
    command = [sys.executable, "-m", "raftmon.driver.cli", "run", "--fault", "none", "--store", str(store), "--json"]
    return subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _monitor(process):
    """The monitor of a run, once its clients work."""
    return _working(process)["raftmon.monitor"]


def _working(process):
    """The processes of a run by their module, once its clients work."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        below = psutil.Process(process.pid).children(recursive=True)
        modules = ("raftmon.monitor", "raftmon.monitor.recorder", "raftmon.driver.cli", "raftmon.driver.clients")
        found = {module: one for one in below for module in modules if _is(one, module) and one.ppid() != process.pid}
        if len(found) == len(modules):
            return found
        time.sleep(0.05)
    raise AssertionError(process.communicate()[1])


def _is(process, module):
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return module in words


def test_a_monitor_that_was_stopped_for_seconds_makes_the_run_unknown(tmp_path):
    process = _start(tmp_path, "--duration", "5")
    monitor = _monitor(process)
    time.sleep(1)  # into the work; any moment will do
    os.kill(monitor.pid, signal.SIGSTOP)
    time.sleep(2)
    os.kill(monitor.pid, signal.SIGCONT)
    out, _ = process.communicate(timeout=90)
    assert process.returncode == 2
    assert "the monitor stood still for" in json.dumps(json.loads(out)["sentences"])


def test_a_standstill_of_each_process_is_seen_from_outside_and_measured(tmp_path):
    process = _start(tmp_path, "--duration", "6")
    working = _working(process)
    for module in ("raftmon.monitor", "raftmon.monitor.recorder", "raftmon.driver.cli"):
        os.kill(working[module].pid, signal.SIGSTOP)
        time.sleep(1.3)
        os.kill(working[module].pid, signal.SIGCONT)
    out, _ = process.communicate(timeout=90)
    stalls = json.loads(out)["monitor"]["stalls_ms"]
    assert all(1000 < stalls[name] < 60_000 for name in ("monitor", "recorder", "driver")), stalls


def test_a_rule_that_never_returns_is_named_in_the_verdict(tmp_path):
    rules = tmp_path / "endless.py"
    rules.write_text("def packet(view):\n    while view.payload_size > 100:\n        pass\n")
    process = _start(tmp_path / "store", "--duration", "4", "--rules", str(rules))
    out, error = process.communicate(timeout=90)
    assert process.returncode == 2, error
    assert "rule endless did not return and was taken out" in out


@pytest.mark.parametrize(
    ("body", "how"),
    [("__import__('os')._exit(3)", "ended with status 3"), ("__import__('ctypes').string_at(0)", "SIGSEGV")],
)
def test_a_rule_that_ends_the_monitor_is_said_so_within_seconds(tmp_path, body, how):
    rules = tmp_path / "deadly.py"
    rules.write_text(f"def packet(view):\n    if view.payload_size > 100:\n        {body}\n")
    began = time.monotonic()
    process = _start(tmp_path / "store", "--duration", "60", "--rules", str(rules))
    _, error = process.communicate(timeout=90)
    assert process.returncode == 70
    assert f"the monitor {'was killed by ' if how.startswith('SIG') else ''}{how}" in error
    assert "deadly.py" in error
    assert time.monotonic() - began < 50  # not after the workload's 60 s
    (folder,) = (path for path in (tmp_path / "store").glob("etcd-register/*") if Path(path).is_dir())
    assert (folder / "results.json").exists()
