"""Damage to a node's write-ahead log after a kill: what a disk or a power cut may have left behind.

- ``wal-truncate`` cuts the last bytes off what was written: a disk that said that data was safe and lost it, or the
  file system's journal rolled back. Raft assumes that this does not happen: a majority that lost its tail may forget
  what was acknowledged.
- ``wal-flip`` inverts one bit of it: decay, or a bad cable. A good log notices (a checksum) and refuses, rather than
  serve wrong data.
- ``wal-unsynced`` cuts off what the node wrote but had not synced, as a power cut may: nothing that was acknowledged
  may be in there. What was not synced is asked of the kernel (cachestat(2), Linux 6.5): the first page of the log file
  that is dirty or being written. All pages behind it are cut: a log only grows, so a sync of any of them would have
  cleaned that page too. The page itself stays, as a power cut may also leave it, because its beginning may be synced.
  Only the log is touched, not the system's other files.

The node is started on the damaged log immediately. One that dies of it is given its undamaged log back at the end.
"""

from __future__ import annotations

import ctypes
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

from raftmon.adapters.capabilities import WriteAheadLog
from raftmon.driver.faults.base import Effect, Target, Unavailable
from raftmon.driver.faults.receipts import CONFIRMED, INCONCLUSIVE, MISMATCH, Receipt
from raftmon.driver.faults.selectors import select
from raftmon.setup.errors import InputError, RaftmonError

__all__ = ["WalDamage", "dirty_from", "flip", "truncate", "written_bytes"]

REFUSAL_S = 2.0
"""How long a node is watched for dying of its log."""
_CHUNK = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CACHESTAT = 451  # the same number on x86-64 and arm64
_TMPFS = 0x01021994

Damage = Callable[[Path, int, Random, int], str]


def written_bytes(path: Path) -> int:
    """Where the written part of a log file ends: many logs are filled up with zero bytes in advance."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - _CHUNK)
            file.seek(start)
            kept = file.read(end - start).rstrip(b"\0")
            if kept:
                return start + len(kept)
            end = start
    return 0


def truncate(path: Path, end: int, _random: Random, count: int) -> str:
    """Cut the last ``count`` written bytes off."""
    os.truncate(path, max(0, end - count))
    return f"the last {min(count, end)} bytes of {path.name} cut off"


def flip(path: Path, end: int, random: Random, count: int) -> str:
    """Invert one bit of the last ``count`` written bytes."""
    place = random.randrange(max(0, end - count), end)
    bit = random.randrange(8)
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0] ^ (1 << bit)
        file.seek(place)
        file.write(bytes([byte]))
    return f"bit {bit} of byte {place} of {path.name} inverted"


class _Range(ctypes.Structure):
    _fields_ = (("off", ctypes.c_uint64), ("len", ctypes.c_uint64))


class _Stat(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("cache", "dirty", "writeback", "evicted", "recently_evicted"))


def _unsynced_pages(descriptor: int, first: int, count: int) -> int:
    """Pages dirty or being written among ``count`` from page ``first`` on. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    where, found = _Range(first * _PAGE, count * _PAGE), _Stat()
    if libc.syscall(_CACHESTAT, descriptor, ctypes.byref(where), ctypes.byref(found), 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(found.dirty + found.writeback)


def dirty_from(path: Path, end: int) -> int | None:
    """The offset of the first page that is not on the disk, None if all of them are. Raises OSError."""
    with path.open("rb") as file:
        first, count = 0, -(-end // _PAGE)
        if count == 0 or _unsynced_pages(file.fileno(), 0, count) == 0:
            return None
        while count > 1:  # the first half has one, or the second has the first one
            half = count // 2
            if _unsynced_pages(file.fileno(), first, half):
                count = half
            else:
                first, count = first + half, count - half
        return first * _PAGE


def _drop_unsynced(path: Path, end: int, _random: Random, _count: int) -> str:
    dirty = dirty_from(path, end)
    if dirty is None:
        return f"nothing cut off: all {end} bytes of {path.name} had been synced"
    keep = min(end, dirty + _PAGE)
    os.truncate(path, keep)
    return f"{end - keep} bytes of {path.name} that were not synced cut off (a page of {_PAGE} kept)"


_DAMAGE: dict[str, tuple[Damage, int]] = {
    "wal-truncate": (truncate, 256),
    "wal-flip": (flip, 4096),
    "wal-unsynced": (_drop_unsynced, 0),
}


class WalDamage:
    """Kill a node, damage the newest file of its log, start it again. ``count`` in bytes: see truncate and flip."""

    def __init__(self, name: str, selector: str = "follower", count: int | None = None) -> None:
        self._damage, default = _DAMAGE[name]
        self._count = default if count is None else count
        if self._count < 1 and default:
            raise InputError(f"--fault {name}: bytes is {self._count}: give at least 1")
        self.name = name
        self._selector = selector
        self._node: str | None = None
        self._saved: tuple[Path, bytes, int] | None = None
        self._changed: bool | None = None
        self._done = ""

    def available(self, target: Target) -> str | None:
        """None if the system says where its log lies, and the kernel what of it is synced."""
        if target.capability(WriteAheadLog) is None:
            return "this system does not say where its log lies"
        if self.name != "wal-unsynced":
            return None
        folder = target.log_folder(target.topology.nodes[0].name)
        if _file_system(folder) == _TMPFS:
            return f"{folder} lies in memory (tmpfs): nothing there is ever synced; use --store on a disk"
        try:
            with (Path(__file__)).open("rb") as file:
                _unsynced_pages(file.fileno(), 0, 1)
        except OSError as error:
            return f"the kernel does not say what is synced (cachestat(2) is in Linux 6.5 and later): {error.strerror}"
        return None

    def start(self, target: Target, random: Random) -> Effect:
        """Kill, damage, start, and see whether the node dies of it."""
        (node,) = select(self._selector, target, random)
        if node not in target.alive():
            raise Unavailable(f"{node} is dead already")
        self._node = node
        target.kill(node)
        files = target.capability(WriteAheadLog).log_files(target.log_folder(node))
        if not files or not (end := written_bytes(files[-1])):
            raise Unavailable(f"{node} has written nothing to its log")
        path = files[-1]
        before = _mark(path, end)
        done = self._done = self._damage_now(path, end, random)
        self._changed = _mark(path, end) != before
        target.start(node)
        deadline = time.monotonic() + REFUSAL_S
        while node in target.alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        came = "it came up on that" if node in target.alive() else "it died on that"
        return Effect(f"killed {node} ({self._selector}), {done}; {came}", (node,))

    def receipt(self, _target: Target) -> Receipt:
        """Confirmed where the file was another afterwards, before the node started on it."""
        if self._changed is None:
            return Receipt(INCONCLUSIVE, "no log was damaged")
        if self._changed:
            return Receipt(CONFIRMED, self._done)
        return Receipt(INCONCLUSIVE if self.name == "wal-unsynced" else MISMATCH, self._done)

    def _damage_now(self, path: Path, end: int, random: Random) -> str:
        size = path.stat().st_size
        if self.name == "wal-unsynced":
            return self._damage(path, end, random, 0)  # at once: the kernel writes dirty pages back by itself
        with path.open("rb") as file:
            self._saved = path, file.read(end), size
        return self._damage(path, end, random, self._count)

    def stop(self, target: Target) -> None:
        """A node that died of its log gets the undamaged one back, and starts."""
        node = self._node
        if node is None or node in target.alive():
            return
        if self._saved is not None:
            path, content, size = self._saved
            for file in path.parent.glob("*.broken"):  # what the system's own repair has put aside
                file.unlink()
            with path.open("wb") as out:
                out.write(content)
                out.truncate(size)
        target.start(node)
        deadline = time.monotonic() + REFUSAL_S
        while node in target.alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        if node not in target.alive():
            raise RaftmonError(f"{node} does not start on its undamaged log either")


def _mark(path: Path, end: int) -> tuple[int, int]:
    """What shows that a log was changed: its size, and a checksum of the last MB before ``end``."""
    with path.open("rb") as file:
        start = file.seek(max(0, end - _CHUNK))
        return path.stat().st_size, zlib.crc32(file.read(end - start))


def _file_system(folder: Path) -> int:
    """The magic number of the file system that a path lies on (statfs(2)); 0 if it cannot be told."""
    buffer = ctypes.create_string_buffer(256)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.statfs(os.fsencode(folder), buffer) != 0:
        return 0
    return int(ctypes.c_long.from_buffer(buffer).value)
