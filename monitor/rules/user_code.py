"""What happens when a user's Python fails: the error that ends a strict run, and a traceback fit to be shown."""

from __future__ import annotations

import traceback
from pathlib import Path

from raftmon.setup.errors import RaftmonError

__all__ = ["UserCodeError", "trimmed_traceback"]

_OWN = str(Path(__file__).parent)


class UserCodeError(RaftmonError):
    """A user's rule raised an exception and the run is strict: the loop ends the run with this message."""


def trimmed_traceback(error: BaseException) -> str:
    """The part of a traceback that lies outside raftmon's monitor, in Python's usual form."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_OWN)]
    lines = ["Traceback (your code only):\n", *traceback.format_list(theirs)] if theirs else []
    return "".join([*lines, *traceback.format_exception_only(error)]).rstrip()
