"""What a command finds around it: its standard streams, its folder, its limits; and what is said where they fail it."""

from __future__ import annotations

import errno
import os
import sys

from raftmon.setup.errors import NO_ROOM

__all__ = ["ready_streams", "why_failed"]


def ready_streams() -> None:
    """Open the standard streams that the caller closed (``>&-``) on /dev/null: no file may get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def why_failed(error: BaseException) -> str | None:
    """What of the surroundings made a command fail, and what to do; None where it is a fault of raftmon itself."""
    if _no_more_processes(error):
        return "this user may start no more processes or threads: raise `ulimit -u`, or end some"
    if not isinstance(error, OSError):
        return None
    if error.errno in NO_ROOM:
        return f"cannot write {error.filename or 'the output'}: {error.strerror}; make room and try again"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{error.strerror}: this process may open no more files; raise `ulimit -n` (64 is enough for most runs)"
    if isinstance(error, FileNotFoundError) and not _in_a_folder():
        return "the folder in which you are has been removed: cd to another"
    return None


def _in_a_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _no_more_processes(error: BaseException) -> bool:
    """Whether the limit of processes was met (setrlimit(2), RLIMIT_NPROC): fork gives EAGAIN, threads a text."""
    if isinstance(error, RuntimeError):
        return "can't start new thread" in str(error)
    return isinstance(error, BlockingIOError) and error.errno == errno.EAGAIN
