"""A processor quota for chosen processes by a control group of our own, where we may make one (root, or delegated).

Both versions of Linux' control groups: v2 needs an ancestor of our own group that we may write and that hands out the
controller ``cpu`` (systemd: ``Delegate=cpu``), v1 the hierarchy of ``cpu``. A group is an empty folder once its
processes have left or died: ``CpuGroup.close`` removes it, and the next one removes those of drivers that were killed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CpuGroup", "CpuParent", "cpu_parent"]

_PREFIX = "raftmon-"
_PERIOD_US = 100_000
_LEAVE_S = 2.0
_OLD_S = 3600.0


@dataclass(frozen=True, slots=True)
class CpuParent:
    """Where groups can be made: the folder, the version of control groups, and the group that we are in now."""

    folder: Path
    version: int
    own: Path


def cpu_parent(
    own_groups: str | None = None, mounts: str | None = None, writable: bool | None = None
) -> CpuParent | None:
    """Where this process may make a group with a quota, None if nowhere.

    ``own_groups`` and ``mounts`` are the texts of ``/proc/self/cgroup`` and ``/proc/self/mounts``; ``writable`` stands
    for whether a folder can be written, in tests.
    """
    groups = Path("/proc/self/cgroup").read_text() if own_groups is None else own_groups
    lines = (Path("/proc/self/mounts").read_text() if mounts is None else mounts).splitlines()

    def may(folder: Path) -> bool:
        return (
            os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK) if writable is None else writable
        )

    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        version = 1 if controllers else 2
        if version == 1 and "cpu" not in controllers.split(","):
            continue
        for mount in lines:
            _, where, kind, options, *_ = mount.split()
            if version == 1 and kind == "cgroup" and "cpu" in options.split(","):
                own = Path(where) / path.lstrip("/")
                if may(own):
                    return CpuParent(own, 1, own)
            if version == 2 and kind == "cgroup2":
                own = Path(where) / path.lstrip("/")
                for above in (own, *own.parents):
                    if not above.is_relative_to(where):
                        break
                    if "cpu" in _text(above / "cgroup.subtree_control").split() and may(above):
                        return CpuParent(above, 2, own)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


class CpuGroup:
    """One group under ``parent``. Raises OSError where the kernel refuses."""

    def __init__(self, parent: CpuParent, name: str) -> None:
        self._parent = parent
        _remove_old(parent.folder)
        self.folder = parent.folder / f"{_PREFIX}{secrets.token_hex(8)}-{name}"  # two sandboxes have the same pids
        self.folder.mkdir()

    def limit(self, share: float, processors: int) -> None:
        """All processes together may use this share of so many processors."""
        quota_us = max(1000, int(share * processors * _PERIOD_US))
        if self._parent.version == 2:
            (self.folder / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}")
        else:
            (self.folder / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (self.folder / "cpu.cfs_quota_us").write_text(str(quota_us))

    def take(self, pids: Iterable[int]) -> None:
        """Put processes in; those that have just ended are left."""
        here = set(self.pids())
        for pid in set(pids) - here:
            with contextlib.suppress(ProcessLookupError):
                (self.folder / "cgroup.procs").write_text(str(pid))

    def pids(self) -> list[int]:
        """The processes in it."""
        return [int(line) for line in _text(self.folder / "cgroup.procs").split()]

    def throttled(self) -> tuple[int, float]:
        """(periods in which the quota was used up, seconds for which processes had to wait)."""
        told = dict(line.split() for line in _text(self.folder / "cpu.stat").splitlines())
        waited_s = int(told.get("throttled_usec", 0)) / 1e6 + int(told.get("throttled_time", 0)) / 1e9
        return int(told.get("nr_throttled", 0)), waited_s

    def close(self) -> None:
        """Its processes go back to where the driver is, and it goes. Raises OSError if it does not."""
        deadline = time.monotonic() + _LEAVE_S
        while True:
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    (self._parent.own / "cgroup.procs").write_text(str(pid))
            try:
                self.folder.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def _remove_old(folder: Path) -> None:
    """Groups that killed drivers left: an empty one can be removed, one with processes cannot; a young one may be
    another run's that has yet to put its processes in.
    """
    for old in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _OLD_S:
                old.rmdir()
