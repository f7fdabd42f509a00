"""Signals to a live run of etcd, as a user sends them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.servers


@pytest.fixture
def working(tmp_path: Path):
    """A run in whose middle a node stands still, with time-outs and keys that would take an hour; its store."""
    words = ["--duration", "600", "--op-timeout", "1h", "--keys", "100000", "--fault", "pause-leader@1s..500s"]
    command = [sys.executable, "-u", "-m", "raftmon.driver.cli", "run", *words, "--store", str(tmp_path / "store")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=_signals_as_usual
    )
    try:
        wait_for(process, "paused n")
        yield process
    finally:
        process.kill()
        process.communicate()


def _signals_as_usual() -> None:
    """Under nohup, and in a shell's background, signals are ignored, and a run leaves ignored ones ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    seen = []
    for line in process.stdout:
        seen.append(line)
        if words in line:
            return
    raise AssertionError("".join(seen))


def results(tmp_path: Path) -> dict:
    (path,) = (tmp_path / "store").glob("etcd-register/*/results.json")
    return json.loads(path.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_with_a_verdict_on_what_there_is(working, tmp_path, number):
    working.send_signal(number)
    out, _ = working.communicate(timeout=60)
    assert working.returncode == 2, out
    found = results(tmp_path)
    assert (found["valid"], found["interrupted"]) == ("unknown", True)
    assert found["operations"]
    assert "given up" not in out.replace("once more, and it is given up at once", "")


def test_a_second_signal_ends_it_at_once_with_a_line(working, tmp_path):
    working.send_signal(signal.SIGTERM)
    wait_for(working, "interrupted: the run ends within 10 s")
    working.send_signal(signal.SIGINT)
    out, _ = working.communicate(timeout=60)
    assert working.returncode == 130, out
    assert "raftmon: interrupted, and given up at once (a second SIGINT); what was recorded is in" in out
    found = results(tmp_path)
    assert (found["valid"], found["interrupted"]) == ("unknown", True)
