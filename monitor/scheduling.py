"""How the kernel schedules the calling thread: what loop and recorder ask for, where this user may (sched(7))."""

from __future__ import annotations

import contextlib
import os

__all__ = ["PRIORITY", "batch", "favour", "interactive"]

PRIORITY = -10
"""The nice value of loop and recorder, where allowed: on a full machine they must not wait for those they watch."""

_NO_PRIORITY = os.sched_param(0)  # what both policies demand


def favour() -> None:
    """A larger share of a full processor; not without root."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)


def batch() -> None:
    """Do not interrupt whoever runs when there is work, but do more of it at once: SCHED_BATCH. Anybody may.

    On an idle processor work begins at once all the same. On a full one every interruption costs two switches between
    tasks and leaves cold caches: with etcd on two full processors that was a quarter of the loop's time a packet.
    """
    os.sched_setscheduler(0, os.SCHED_BATCH, _NO_PRIORITY)


def interactive() -> None:
    """The usual policy again: what must happen at its time may interrupt."""
    os.sched_setscheduler(0, os.SCHED_OTHER, _NO_PRIORITY)
