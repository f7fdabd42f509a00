"""What the nodes leave on the disk after a run: hundreds of megabytes of pre-allocated logs, for the most part zeros.

After a valid verdict their data goes (what they said stays), unless it is asked for; after another it is kept, without
the zeros: a region of zeros becomes a hole, and every file reads as before.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from pathlib import Path

from raftmon.driver.run_folder import RunFolder

__all__ = ["make_sparse", "remove_node_data", "tidy"]

_CHUNK = 1 << 16
_LEAST = 1 << 20
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)


def tidy(folder: RunFolder, *, valid: bool, keep: bool) -> None:
    """Remove or thin the nodes' data. Never raises: a run is worth more than its tidiness."""
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
        descriptor = file.fileno()
        offset = 0
        while chunk := os.pread(descriptor, _CHUNK, offset):
            if not chunk.strip(b"\0"):
                where = ctypes.c_int64(offset), ctypes.c_int64(len(chunk))
                if _libc.fallocate(descriptor, _KEEP_SIZE | _PUNCH_HOLE, *where) != 0:
                    return freed
                freed += len(chunk)
            offset += len(chunk)
    return freed
