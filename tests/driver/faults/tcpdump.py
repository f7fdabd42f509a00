"""Packets as tcpdump sees them on an interface of this namespace: a witness that is not ours."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from raftmon.driver.testing.waiting import eventually

__all__ = ["tcpdump"]


@contextlib.contextmanager
def tcpdump(interface: str, file: Path, direction: str = "in", what: str = "ip") -> Iterator[None]:
    """Write what comes in (or goes out) on an interface to ``file``, from the start of the block until its end."""
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed here")
    log = file.with_suffix(".log")
    argv = ["tcpdump", "-i", interface, "-Q", direction, "-U", "--immediate-mode", "-s0", "-B", "32768", "-Z", "root"]
    with log.open("wb") as errors:
        process = subprocess.Popen([*argv, "-w", str(file), what], stderr=errors)
    try:
        eventually(lambda: b"listening on" in log.read_bytes(), "tcpdump listening")
        yield
    finally:
        process.terminate()
        process.wait()
    assert b"\n0 packets dropped by kernel" in log.read_bytes()
