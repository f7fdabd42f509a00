"""The folders and names of one node's disk: passed on to a backing folder, each change told to the journal."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any

import mfusepy

from raftmon.setup.disks.entries import GRAVEYARD, EntryJournal

__all__ = ["TreeOperations"]

_STAT = ("st_atime_ns", "st_ctime_ns", "st_gid", "st_mode", "st_mtime_ns", "st_nlink", "st_size", "st_uid", "st_ino")

_STATFS = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_frsize", "f_namemax")


class TreeOperations(mfusepy.Operations):  # type: ignore[misc]
    """Operations on ``backing``'s tree. Changes are recorded here, and committed by whoever syncs."""

    use_ns = True

    def __init__(self, backing: Path) -> None:
        self._backing = backing
        self._lock = threading.RLock()  # the tree, the tables
        self._entries = EntryJournal(backing / GRAVEYARD)

    def _real(self, path: str) -> Path:
        return self._backing / path.lstrip("/")

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        """What stat(2) says of the backing file."""
        found = os.lstat(self._real(path))
        values: dict[str, Any] = {name: getattr(found, name) for name in _STAT}
        for name in ("st_atime", "st_ctime", "st_mtime"):
            values[name] = values.pop(f"{name}_ns")
        return values

    def readdir(self, path: str, fh: int) -> list[str]:
        """The names in a folder."""
        return [".", "..", *(name for name in os.listdir(self._real(path)) if name != GRAVEYARD)]

    def mkdir(self, path: str, mode: int) -> None:
        """Make a folder."""
        with self._lock:
            os.mkdir(self._real(path), mode)
            self._entries.made_folder(self._real(path))

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        real = self._real(path)
        with self._lock:
            mode = os.stat(real).st_mode
            os.rmdir(real)
            self._entries.removed_folder(real, mode)

    def unlink(self, path: str) -> None:
        """Remove a file's name."""
        real = self._real(path)
        with self._lock:
            self._entries.removing(real)
            os.unlink(real)

    def rename(self, old: str, new: str) -> None:
        """Rename, replacing what is there."""
        source, target = self._real(old), self._real(new)
        with self._lock:
            os.lstat(source)
            self._entries.renaming(source, target)
            try:
                os.rename(source, target)
            except OSError:
                self._entries.cancel_last()
                raise
            self._renamed(source.name, target.name)

    def link(self, target: str, source: str) -> None:
        """Make the hard link ``target`` to ``source``."""
        with self._lock:
            os.link(self._real(source), self._real(target))
            self._entries.created(self._real(target))

    def symlink(self, target: str, source: str) -> None:
        """Make the symbolic link ``target``."""
        with self._lock:
            os.symlink(source, self._real(target))
            self._entries.created(self._real(target))

    def readlink(self, path: str) -> str:
        """Where a symbolic link leads."""
        return os.readlink(self._real(path))

    def chmod(self, path: str, mode: int) -> None:
        """Change the mode."""
        os.chmod(self._real(path), stat.S_IMODE(mode))

    def chown(self, path: str, uid: int, gid: int) -> None:
        """Change the owner."""
        os.chown(self._real(path), uid, gid, follow_symlinks=False)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        """Change the times, in nanoseconds."""
        os.utime(self._real(path), ns=times) if times else os.utime(self._real(path))

    def statfs(self, path: str) -> dict[str, int]:
        """The backing file system's numbers, with the room that the disk is said to have."""
        found = os.statvfs(self._real(path))
        values = {name: getattr(found, name) for name in _STATFS}
        room = self._room_bytes()
        if room is not None:
            free = room[1] // found.f_frsize
            values |= {"f_bfree": free, "f_bavail": free, "f_blocks": room[0] // found.f_frsize}
        return values

    def _renamed(self, old: str, new: str) -> None:
        """A file has another name now."""

    def _room_bytes(self) -> tuple[int, int] | None:
        """The size that the disk is said to have and what is free of it; None for the backing file system's own."""
        return None
