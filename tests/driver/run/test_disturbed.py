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
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        below = psutil.Process(process.pid).children(recursive=True)
        monitors = [one for one in below if _is(one, "raftmon.monitor")]
        if monitors and any(_is(one, "raftmon.driver.clients") for one in below):
            return monitors[0]
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
