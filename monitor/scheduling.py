"""How the kernel schedules the calling thread: what loop and recorder ask for, where this user may (sched(7))."""

from __future__ import annotations

import contextlib
import os

__all__ = ["PRIORITY", "Share", "batch", "favour", "hurry", "interactive"]

PRIORITY = -10
"""The nice value of what must not wait for those it watches on a full machine, where allowed."""
_NO_PRIORITY = os.sched_param(0)  # what both policies demand


def favour() -> bool:
    """A larger share of a full processor, and whether it was granted; it is not without root."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    except PermissionError:
        return False
    return True


class Share:
    """Gives way to everybody while its work can wait, and takes a large share while it is behind. For the calling
    thread; only with root, without it nothing changes (who has taken SCHED_IDLE may not leave it again).

    On a machine whose processors are full for moments only, work at SCHED_IDLE is done in the gaps and costs those
    that are watched next to nothing; on one that is full all the time it would never be done.
    """

    def __init__(self) -> None:
        self._may = favour()
        self._behind = True

    @property
    def hurried(self) -> bool:
        """Whether somebody else has seen that the thread is behind (``hurry``), which it did not say itself."""
        return self._may and not self._behind and os.sched_getscheduler(0) != os.SCHED_IDLE

    def behind(self, behind: bool) -> None:
        """Say whether much waits."""
        if self._may and behind != self._behind:
            os.sched_setscheduler(0, os.SCHED_BATCH if behind else os.SCHED_IDLE, _NO_PRIORITY)
            self._behind = behind


def hurry(pid: int) -> None:
    """Let a process that gives way go on at once: who gets no processor cannot notice that it is behind."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.sched_setscheduler(pid, os.SCHED_BATCH, _NO_PRIORITY)


def batch() -> None:
    """Do not interrupt whoever runs when there is work, but do more of it at once: SCHED_BATCH. Anybody may.

    On an idle processor work begins at once all the same. On a full one every interruption costs two switches between
    tasks and leaves cold caches: with etcd on two full processors that was a quarter of the loop's time a packet.
    """
    os.sched_setscheduler(0, os.SCHED_BATCH, _NO_PRIORITY)


def interactive() -> None:
    """The usual policy again: what must happen at its time may interrupt."""
    os.sched_setscheduler(0, os.SCHED_OTHER, _NO_PRIORITY)
