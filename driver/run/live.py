"""Finding the sandbox of a run that is still on, from outside, and going into it.

The sandbox's outer process keeps the pid that the user sees (setup/sandbox.py); the run notes it in ``live.json``. Its
only child is pid 1 inside.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import psutil

from raftmon.driver.run_folder import LIVE, RunFolder
from raftmon.setup.errors import InputError
from raftmon.setup.sandbox import inside

__all__ = ["LIVE", "OUTER_PID", "announce", "command_on_host", "remember_outer_pid", "withdraw"]

OUTER_PID = "RAFTMON_OUTER_PID"


def remember_outer_pid() -> None:
    """Note this process's pid in the environment, just before it enters the sandbox; inside, it is kept as it is."""
    if not inside():
        os.environ[OUTER_PID] = f"{os.getpid()} {psutil.Process().create_time()}"


def announce(folder: RunFolder) -> None:
    """Note in the run's folder how to find it while it lives; nothing if there is no sandbox."""
    if OUTER_PID in os.environ:
        pid, started = os.environ[OUTER_PID].split()
        folder.save(LIVE, {"outer_pid": int(pid), "started": float(started)})


def withdraw(folder: RunFolder) -> None:
    """The run is over."""
    (folder.path / LIVE).unlink(missing_ok=True)


def command_on_host(folder: RunFolder, host: str, argv: Sequence[str]) -> list[str]:
    """The argument vector that runs ``argv`` in the namespaces of a host of a run that is still on.

    Raises InputError if that run is over or has no such host.
    """
    found = folder.load(LIVE)
    try:
        (init,) = psutil.Process(found["outer_pid"]).children()
    except (TypeError, KeyError, ValueError, psutil.Error):
        raise InputError(f"the run {folder.path} is not on any more: raftmon exec needs one that is") from None
    root = Path(f"/proc/{init.pid}/root/run/netns")
    try:
        hosts = sorted(path.name for path in root.iterdir())
    except OSError as error:
        raise InputError(f"the run {folder.path} belongs to somebody else ({error.strerror})") from error
    if host not in hosts:
        raise InputError(f"unknown host {host!r} in that run (available: {', '.join(hosts)})")
    enter = ["nsenter", f"--target={init.pid}", "--mount", "--pid", f"--net={root / host}", "--wd"]
    if os.geteuid() != 0:
        enter += ["--user", "--preserve-credentials"]
    return [*enter, "--", *argv]
