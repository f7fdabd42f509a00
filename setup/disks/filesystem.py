"""The filesystem of one node's disk: passes everything on to a backing folder and keeps the record of what is synced.

Served by mfusepy (libfuse 3) from several threads. Writes come at once (no write-back cache in the kernel), so the
record holds what a process has handed over, whether or not it still lives. A call on one file waits for another call on
the same file, as a file system's inode lock does; slow calls hold up nobody else.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from raftmon.setup.disks.behaviour import Injector
from raftmon.setup.disks.pages import Cut, DirtyFile
from raftmon.setup.disks.tree import TreeOperations

__all__ = ["MOST_HELD_BYTES", "DiskFilesystem"]

MOST_HELD_BYTES = 512 << 20
"""Memory for what was overwritten and not synced; past it the largest file counts as written back, as a kernel does."""


class _File:
    """One inode that has been opened for writing: its record, a descriptor of our own, and who uses it."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.descriptor = descriptor
        self.lock = threading.RLock()
        self.dirty = DirtyFile(os.fstat(descriptor).st_size)
        self.users = 0

    def read(self, offset: int, count: int) -> bytes:
        return os.pread(self.descriptor, count, offset)

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size


class DiskFilesystem(TreeOperations):
    """``backing`` holds the files; ``any_sync_commits`` takes the disk's file system for ext4 (see ``entries``)."""

    def __init__(
        self,
        backing: Path,
        injector: Injector,
        *,
        any_sync_commits: bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(backing)
        self._injector = injector
        self._any_sync_commits = any_sync_commits
        self._sleep = sleep
        self._files: dict[int, _File] = {}  # by inode number; a removed file's inode lives on in the graveyard
        self._handles: dict[int, int] = {}  # descriptor -> inode number, those open for writing
        self._used_bytes = sum(path.stat().st_size for path in backing.rglob("*") if path.is_file())
        self.synced = 0
        self.written_back = 0

    # -- a power cut ------------------------------------------------------------------------------------------------

    def cut(self, how: Cut, random: Random) -> dict[str, Any]:
        """Take what was not synced. The node must be dead. Returns the receipt: ``files`` (name, lost_bytes, size
        before and after), ``entries`` (changes of the tree taken back, in words).
        """
        with self._lock:
            files = []
            for file in self._files.values():
                with file.lock:
                    if not file.dirty.dirty:
                        continue
                    before = file.size
                    found = file.dirty.cut(before, file.read, how, random)
                    for offset, content in found.writes:
                        os.pwrite(file.descriptor, content, offset)
                    os.ftruncate(file.descriptor, found.size)
                    file.dirty.synced(found.size)
                    files.append(
                        {"name": file.name, "lost_bytes": found.lost_bytes, "before": before, "after": found.size}
                    )
            entries = self._entries.cut()
            self._forget_unused()
            return {"files": files, "entries": entries, "written_back": self.written_back}

    def usage(self) -> dict[str, int]:
        """Bytes that the files' sizes sum up to, what is held of them in memory, and what the disk did so far."""
        with self._lock:
            held = sum(file.dirty.held_bytes for file in self._files.values())
            return {
                "used_bytes": self._used_bytes,
                "held_bytes": held,
                "uncommitted": len(self._entries),
                "synced": self.synced,
                "failed": self._injector.failed,
                "delayed": self._injector.delayed,
                "refused": self._injector.refused,
            }

    # -- files --------------------------------------------------------------------------------------------------------

    def create(self, path: str, mode: int, flags: int) -> int:
        """Make a file and open it."""
        real = self._real(path)
        with self._lock:
            new = not os.path.lexists(real)
            descriptor = os.open(real, (flags & ~os.O_APPEND) | os.O_CREAT, mode)
            if new:
                self._entries.created(real)
            self._opened(real, descriptor, flags)
            return descriptor

    def open(self, path: str, flags: int) -> int:
        """Open a file."""
        real = self._real(path)
        with self._lock:
            descriptor = os.open(real, flags & ~(os.O_APPEND | os.O_DIRECT | os.O_TRUNC))
            self._opened(real, descriptor, flags)
            return descriptor

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """Read at an offset."""
        self._misbehave("read")
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        """Write at an offset; the record is told before."""
        self._misbehave("write")
        file = self._of_handle(fh)
        with file.lock:
            now = file.size
            self._grow(offset + len(data) - now)
            file.dirty.writing(offset, len(data), file.read)
            done = os.pwrite(fh, data, offset)
        if file.dirty.held_bytes > MOST_HELD_BYTES // 4:
            self._write_back()
        return done

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        """Change a file's size."""
        with self._lock:
            real = self._real(path)
            descriptor = os.open(real, os.O_RDWR)
            self._opened(real, descriptor, os.O_RDWR)
        try:
            file = self._of_handle(descriptor)
            with file.lock:
                now = file.size
                self._grow(length - now)
                file.dirty.resizing(length, now, file.read)
                os.ftruncate(descriptor, length)
        finally:
            self.release(path, descriptor)

    def fallocate(self, path: str, mode: int, offset: int, length: int, fh: int) -> int:
        """Reserve room: plain (the size grows) or FALLOC_FL_KEEP_SIZE; other modes are not supported."""
        if mode == 1:
            return 0
        if mode != 0:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        file = self._of_handle(fh)
        with file.lock:
            now = file.size
            if offset + length > now:
                self._grow(offset + length - now)
                file.dirty.resizing(offset + length, now, file.read)
                os.posix_fallocate(fh, offset, length)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        """Make a file durable; on ext4 that commits the tree's changes too."""
        self._misbehave("fsync")
        inode = self._handles.get(fh)
        if inode is None:
            os.fsync(fh)
        else:
            file = self._files[inode]
            with file.lock:
                os.fdatasync(fh)
                file.dirty.synced(file.size)
        with self._lock:
            self.synced += 1
            if self._any_sync_commits:
                self._entries.commit()
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        """Commit the tree's changes."""
        self._misbehave("fsync")
        with self._lock:
            self.synced += 1
            self._entries.commit()
        return 0

    def flush(self, path: str, fh: int) -> int:
        """A descriptor was closed: nothing is synced by that."""
        return 0

    def release(self, path: str, fh: int) -> int:
        """The last descriptor of an open file is gone."""
        with self._lock:
            inode = self._handles.pop(fh, None)
            os.close(fh)
            if inode is not None:
                self._files[inode].users -= 1
                self._forget_unused(inode)
        return 0

    # -- what serves them ---------------------------------------------------------------------------------------------

    def _renamed(self, old: str, new: str) -> None:
        for file in self._files.values():
            if file.name == old:
                file.name = new

    def _room_bytes(self) -> tuple[int, int] | None:
        limit = self._injector.behaviour.full_bytes
        return None if limit is None else (limit, max(0, limit - self._used_bytes))

    def _misbehave(self, operation: str) -> None:
        pause_s = self._injector.pause_s(operation)
        if pause_s > 0:
            self._sleep(pause_s)
        number = self._injector.error(operation)
        if number is not None:
            raise OSError(number, os.strerror(number))

    def _grow(self, more_bytes: int) -> None:
        with self._lock:
            if not self._injector.has_room(self._used_bytes, more_bytes):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._used_bytes += more_bytes if more_bytes > 0 else 0

    def _opened(self, real: Path, descriptor: int, flags: int) -> None:
        if flags & os.O_ACCMODE == os.O_RDONLY:
            return
        inode = os.fstat(descriptor).st_ino
        if inode not in self._files:
            self._files[inode] = _File(real.name, os.open(real, os.O_RDWR))
        self._files[inode].users += 1
        self._handles[descriptor] = inode

    def _of_handle(self, fh: int) -> _File:
        with self._lock:
            inode = self._handles.get(fh)
            if inode is None:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return self._files[inode]

    def _forget_unused(self, *inodes: int) -> None:
        """Close our descriptor of a file that nobody has open and whose record is empty."""
        for inode in inodes or tuple(self._files):
            file = self._files[inode]
            if file.users <= 0 and not file.dirty.dirty:
                os.close(file.descriptor)
                del self._files[inode]

    def _write_back(self) -> None:
        """Keep memory bounded: the file with the most overwritten bytes is synced, as the kernel's flusher would."""
        with self._lock:
            if sum(file.dirty.held_bytes for file in self._files.values()) <= MOST_HELD_BYTES:
                return
            file = max(self._files.values(), key=lambda one: one.dirty.held_bytes)
        with file.lock:
            os.fdatasync(file.descriptor)
            file.dirty.synced(file.size)
        self.written_back += 1
