"""``-``: standard input where a command reads a file, pipes included."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["spooled_input"]


@contextmanager
def spooled_input() -> Iterator[Path]:
    """Standard input as a file: readers look at a file's head before they choose how to read it.

    The file is removed at the end. Its folder holds nothing else, so no run is taken to be beside it.
    """
    with tempfile.TemporaryDirectory(prefix="raftmon-stdin-") as folder:
        path = Path(folder) / "standard-input"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield path
