"""How raftmon starts a child process that runs a module of its own, and that does not outlive it."""

from __future__ import annotations

import ctypes
import signal
import sys

__all__ = ["end_with_parent", "module_command"]

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs ``module`` (dotted, under ``raftmon``) with this interpreter.

    ``-P`` keeps the current folder off the module path: a user's ``setup.py`` or ``types.py`` there is never imported.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def end_with_parent() -> None:
    """For ``preexec_fn``: SIGTERM to the child when whoever started it is gone, so that nothing goes on for nobody.

    PR_SET_PDEATHSIG of prctl(2); it outlasts exec, and so reaches a sandbox that the child makes of itself.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
