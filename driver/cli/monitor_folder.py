"""The temporary folder of an attached monitor that records nothing: its socket and log."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["remove_abandoned", "temporary_folder"]

_PREFIX = "raftmon-monitor-"
_YOUNGEST_S = 60.0  # a folder younger than this may be one whose monitor has not locked it yet


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder, mode 0700, removed at the end; first removes what monitors killed by SIGKILL left."""
    remove_abandoned(Path(tempfile.gettempdir()), time.time())
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)  # released by the kernel, however the monitor ends
            yield Path(folder)
        finally:
            os.close(held)


def remove_abandoned(parent: Path, now_s: float) -> list[Path]:
    """Remove this user's monitor folders in ``parent`` that no running monitor has locked; returns them.

    Symbolic links, other users' folders and folders younger than a minute (by ``now_s``, seconds since the epoch) stay.
    """
    removed = []
    for folder in sorted(parent.glob(f"{_PREFIX}*")):
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # not a folder, a link, another user's, or gone
            continue
        try:
            status = os.fstat(held)
            if status.st_uid != os.geteuid() or now_s - status.st_mtime < _YOUNGEST_S:
                continue
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
            removed.append(folder)
        except OSError:  # locked: its monitor runs
            continue
        finally:
            os.close(held)
    return removed
