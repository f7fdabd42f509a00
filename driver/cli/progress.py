"""A line on the terminal for what lasts: how long it has taken, and how long it may take yet."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from raftmon.driver.run.progress import progress_line

__all__ = ["progress", "progress_line"]

_FIRST_S, _EVERY_S = 2.0, 0.5


@contextmanager
def progress(
    what: str, share: Callable[[], float | None] | None = None, limit_s: float | None = None
) -> Iterator[None]:
    """Show a line on standard error after 2 s, and keep it up to date; nothing if that is no terminal.

    A timer's signal writes it, not a thread: checkers fork.
    """
    if not _is_terminal() or threading.current_thread() is not threading.main_thread():
        yield
        return
    begin, shown = time.monotonic(), False

    def show(*_: object) -> None:
        nonlocal shown
        shown = True
        line = progress_line(what, time.monotonic() - begin, share() if share is not None else None, limit_s)
        os.write(2, f"\r{line[:78]}\x1b[K".encode())

    before = signal.signal(signal.SIGALRM, show)
    signal.setitimer(signal.ITIMER_REAL, _FIRST_S, _EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if shown:
            os.write(2, b"\r\x1b[K")


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.isatty(2)
