"""What the nodes leave on the disk after a run: hundreds of megabytes of pre-allocated logs, for the most part zeros.

After a valid verdict their data goes (what they said stays), unless it is asked for; after another it is kept, without
the zeros: a region of zeros becomes a hole, and every file reads as before.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from raftmon.driver.run_folder import RunFolder

__all__ = ["make_sparse", "remove_node_data", "tidy"]

_CHUNK = 1 << 16
_LEAST = 1 << 20
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)


def tidy(folder: RunFolder, *, valid: bool, keep: bool, hurry: bool = False) -> None:
    """Remove or thin the nodes' data; in a ``hurry`` leave it. Never raises: a run is worth more than its tidiness."""
    if hurry:
        return
    nodes = folder.path / "nodes"
    with contextlib.suppress(OSError):
        if valid and not keep:
            remove_node_data(nodes)
        else:
            for path in nodes.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    make_sparse(path)


def remove_node_data(nodes: Path) -> None:
    """Everything under each node's folder but its logs (``*.log``)."""
    for node in nodes.iterdir() if nodes.is_dir() else ():
        for path in node.iterdir() if node.is_dir() and not node.is_symlink() else ():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix != ".log":
                path.unlink(missing_ok=True)


def make_sparse(path: Path) -> int:
    """Punch holes where a file has zeros (fallocate(2), as ``fallocate --dig-holes``); how many bytes that were.

    The content stays the same. 0 where the file is small or the filesystem cannot.
    """
    if path.stat().st_size < _LEAST:
        return 0
    freed = 0
    with path.open("r+b") as file:
        for start, stop in _regions(file.fileno(), path.stat().st_size):
            where = ctypes.c_int64(start), ctypes.c_int64(stop - start)
            if _libc.fallocate(file.fileno(), _KEEP_SIZE | _PUNCH_HOLE, *where) != 0:
                return freed
            freed += stop - start
    return freed


def _regions(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of what reads as zeros: pre-allocated and never written (lseek(2) calls it a hole), or zeros."""
    offset = 0
    while offset < size:
        try:
            data = os.lseek(descriptor, offset, os.SEEK_DATA)
        except OSError:  # nothing but holes from here on
            data = size
        if data > offset:
            yield offset, data
        offset = data
        end = os.lseek(descriptor, offset, os.SEEK_HOLE) if offset < size else size
        while offset < end:
            chunk = os.pread(descriptor, min(_CHUNK, end - offset), offset)
            if not chunk:
                return
            if not chunk.strip(b"\0"):
                yield offset, offset + len(chunk)
            offset += len(chunk)
