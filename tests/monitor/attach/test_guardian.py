"""Chains of an attached monitor go, whichever of its processes is killed, and in which order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

_MONITOR = """
import sys, time
from raftmon.monitor.attach.chains import IptablesPlan
from raftmon.monitor.attach import guardian
from raftmon.monitor.attach.guardian import installed
guardian._END_S = 0.5
chain = sys.argv[1]
with installed(IptablesPlan((("touch", chain),), (("rm", "-f", chain),))):
    print("installed", flush=True)
    sys.stdin.read()
"""
_LIMIT_S = 30.0


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A file that stands for the chains: there while they are installed."""
    return tmp_path / "chain"


@pytest.fixture
def monitor(chain: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", _MONITOR, str(chain)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"installed\n"
        yield process
        process.kill()


def _await(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.01)


def _guardians(monitor: subprocess.Popen[bytes]) -> set[int]:
    children = psutil.Process(monitor.pid).children()
    return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}


def test_the_chains_go_when_the_monitor_ends(monitor: subprocess.Popen[bytes], chain: Path) -> None:
    assert chain.exists()
    monitor.communicate()
    assert monitor.returncode == 0
    assert not chain.exists()


def test_the_chains_go_when_a_guardian_and_then_the_monitor_are_killed(
    monitor: subprocess.Popen[bytes], chain: Path
) -> None:
    os.kill(min(_guardians(monitor)), signal.SIGKILL)
    monitor.kill()
    _await(lambda: not chain.exists())


def test_killed_guardians_are_replaced_and_the_chains_go_with_the_monitor(
    monitor: subprocess.Popen[bytes], chain: Path
) -> None:
    first = _guardians(monitor)
    assert len(first) == 2
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    _await(lambda: len(_guardians(monitor) - first) == 2)
    assert chain.exists()
    second = [psutil.Process(pid) for pid in _guardians(monitor)]
    monitor.kill()
    _await(lambda: not chain.exists())
    psutil.wait_procs(second, timeout=_LIMIT_S)


def test_the_chains_go_when_a_guardian_is_stopped_and_the_monitor_is_killed(
    monitor: subprocess.Popen[bytes], chain: Path
) -> None:
    stopped = psutil.Process(min(_guardians(monitor)))
    stopped.send_signal(signal.SIGSTOP)
    monitor.kill()
    _await(lambda: not chain.exists())
    stopped.send_signal(signal.SIGCONT)
    psutil.wait_procs([stopped], timeout=_LIMIT_S)


def test_a_monitor_whose_guardians_were_all_stopped_ends_and_takes_its_chains_along(
    monitor: subprocess.Popen[bytes], chain: Path
) -> None:
    stopped = [psutil.Process(pid) for pid in _guardians(monitor)]
    for one in stopped:
        one.send_signal(signal.SIGSTOP)
    monitor.communicate(timeout=_LIMIT_S)
    assert monitor.returncode == 0
    assert not chain.exists()
    assert psutil.wait_procs(stopped, timeout=_LIMIT_S)[1] == []
