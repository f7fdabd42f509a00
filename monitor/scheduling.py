"""How the kernel schedules the calling thread: what loop and recorder ask for, where this user may (sched(7))."""

from __future__ import annotations

import contextlib
import os

__all__ = ["MODEST", "PRIORITY", "Share", "batch", "favour", "interactive"]

PRIORITY = -10
"""The nice value of what must not wait for those it watches on a full machine, where allowed."""
MODEST = 5
"""The nice value of what can wait."""

_NO_PRIORITY = os.sched_param(0)  # what both policies demand


def favour() -> None:
    """A larger share of a full processor; not without root."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)


class Share:
    """The share of a thread whose work can wait while it is not behind; without root it stays as it is.

    (A nice value once raised can only be lowered with privilege.)
    """

    def __init__(self) -> None:
        self.nice: int | None = None
        try:
            os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
        except PermissionError:
            self._may = False
        else:
            self._may = True
            self.nice = PRIORITY

    def behind(self, behind: bool) -> None:
        """Say whether much waits."""
        nice = PRIORITY if behind else MODEST
        if self._may and nice != self.nice:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
            self.nice = nice


def batch() -> None:
    """Do not interrupt whoever runs when there is work, but do more of it at once: SCHED_BATCH. Anybody may.

    On an idle processor work begins at once all the same. On a full one every interruption costs two switches between
    tasks and leaves cold caches: with etcd on two full processors that was a quarter of the loop's time a packet.
    """
    os.sched_setscheduler(0, os.SCHED_BATCH, _NO_PRIORITY)


def interactive() -> None:
    """The usual policy again: what must happen at its time may interrupt."""
    os.sched_setscheduler(0, os.SCHED_OTHER, _NO_PRIORITY)
