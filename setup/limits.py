"""The user's limit of processes and threads, compared with what a run certainly needs (getrlimit(2), RLIMIT_NPROC)."""

from __future__ import annotations

import os
import resource

from raftmon.setup.errors import RaftmonError

__all__ = ["check_processes", "process_limit"]


def process_limit() -> int | None:
    """The limit in force, or None: there is none, or this is root, whom the kernel does not limit."""
    if os.geteuid() == 0:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    return None if soft == resource.RLIM_INFINITY else soft


def check_processes(needed: int, limit: int | None) -> None:
    """Raises RaftmonError if ``limit`` is under the ``needed`` processes and threads.

    ``needed`` is what the run takes at least: a run within the limit may still meet it, since all that the user runs
    counts.
    """
    if limit is not None and limit < needed:
        raise RaftmonError(
            f"this user may have {limit} processes and threads (`ulimit -u`), and this run needs at least {needed}: "
            "raise the limit, or give fewer --clients or --nodes"
        )
