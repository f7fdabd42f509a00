"""The two kinds of failure every command ends with, and their exit status.

Foreign exceptions are translated into these where they enter raftmon.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

EXIT_VALID = 0
EXIT_INVALID = 1
EXIT_UNKNOWN = 2
EXIT_USAGE = 64
EXIT_INTERNAL = 70

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The numbers of an OSError of a full disk, or of a user's share of it (a quota, `ulimit -f`)."""

__all__ = [
    "EXIT_INTERNAL",
    "EXIT_INVALID",
    "EXIT_UNKNOWN",
    "EXIT_USAGE",
    "EXIT_VALID",
    "NO_ROOM",
    "InputError",
    "RaftmonError",
    "suggestion",
]


class RaftmonError(Exception):
    """A failure of raftmon itself or of the machine under it: exit status 70, the run's folder is kept."""

    exit_status = EXIT_INTERNAL


class InputError(RaftmonError):
    """Something the user gave is wrong: exit status 64.

    The message is one or two sentences: what was wrong, where, and what to do.
    """

    exit_status = EXIT_USAGE


def suggestion(word: str, known: Iterable[str]) -> str:
    """For an InputError's message: ``did you mean kill-leader or kill-node? ``, empty if nothing is close."""
    from difflib import get_close_matches  # for a mistake alone: every command starts with this module

    close = get_close_matches(word, list(known), 3, 0.5)
    return f"did you mean {' or '.join(close)}? " if close else ""
