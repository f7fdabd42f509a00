"""``-`` and pipes where a command reads a file."""

from __future__ import annotations

import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from raftmon.setup.errors import InputError

__all__ = ["STANDARD_INPUT", "is_stream", "name_of_input", "spooled_input"]

STANDARD_INPUT = "-"
_SAID_AFTER_S = 2.0


def is_stream(given: str | Path | None) -> bool:
    """Whether this is ``-``, or a pipe by name (``<(zcat file)`` of a shell): to be read once, from front to back.

    Raises InputError for a device.
    """
    if given is None:
        return False
    if str(given) == STANDARD_INPUT:
        return True
    try:
        mode = Path(given).stat().st_mode
    except OSError:
        return False
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):  # it may have no end (/dev/random)
        raise InputError(f"{given} is a device: give a file, a pipe, or - for standard input")
    return stat.S_ISFIFO(mode)


def name_of_input(given: str | Path) -> str:
    """How messages call what was given."""
    return "standard input" if str(given) == STANDARD_INPUT else str(given)


@contextmanager
def _opened(pipe: Path) -> Iterator[BinaryIO]:
    """A named pipe, which can be opened only once somebody writes to it: after a while says what is waited for."""
    words = f"raftmon: waiting until a program opens the pipe {pipe} for writing (Ctrl-C ends it)"
    timer = threading.Timer(_SAID_AFTER_S, print, (words,), {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        opened = pipe.open("rb")
    finally:
        timer.cancel()
    with opened:
        yield opened


@contextmanager
def spooled_input(given: str | Path = STANDARD_INPUT) -> Iterator[Path]:
    """What was given as a file: readers look at a file's head before they choose how to read it.

    A stream is copied into a file that is removed at the end; its folder holds nothing else, so no run is taken to be
    beside it. Raises InputError if the stream cannot be read or there is no room.
    """
    if not is_stream(given):
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="raftmon-stdin-") as folder:
        path = Path(folder) / "standard-input"
        try:
            with path.open("wb") as file:
                if str(given) == STANDARD_INPUT:
                    shutil.copyfileobj(sys.stdin.buffer, file)
                else:
                    with _opened(Path(given)) as pipe:
                        shutil.copyfileobj(pipe, file)
        except OSError as error:
            what = f"{name_of_input(given)} cannot be copied to {folder}"
            raise InputError(f"{what}: {error.strerror or error}; set TMPDIR to a folder with room") from error
        yield path
