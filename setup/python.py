"""How raftmon starts a child process that runs a module of its own."""

from __future__ import annotations

import sys

__all__ = ["module_command"]


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs ``module`` (dotted, under ``raftmon``) with this interpreter.

    ``-P`` keeps the current folder off the module path: a user's ``setup.py`` or ``types.py`` there is never imported.
    """
    return [sys.executable, "-P", "-m", module, *arguments]
