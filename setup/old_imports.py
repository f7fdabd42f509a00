"""Says the new import of a name that a user's file still imports from where raftmon's code once lay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

__all__ = ["PUBLIC_OF_OLD", "import_advice", "load_failure", "renamed"]

PUBLIC_OF_OLD = {
    "monitor": "from raftmon.rules (packet and message rules)",
    "adapters": "from raftmon.systems (adapters and their capabilities)",
    "setup": "from raftmon.systems (Host, Topology)",
    "driver": "from raftmon.checkers (histories, checkers) or raftmon.testing (tests with fixtures)",
}
"""Old top-level package -> where its public names are today."""


def import_advice(error: BaseException) -> str | None:
    """One sentence where ``error`` is the failed import of one of raftmon's old top-level packages, else None.

    A user's own ``setup.py`` or ``driver.py`` may have been found in its place; the failed import then names a module
    below it (``driver.checkers``), or a name that it does not have.
    """
    if not isinstance(error, ImportError) or not error.name:
        return None
    old = error.name.split(".")[0]
    public = PUBLIC_OF_OLD.get(old)
    if public is None:
        return None
    return f"raftmon's package {old} is called raftmon.{old} today: import what you need {public} instead"


def load_failure(error: BaseException) -> str:
    """Why a user's Python file could not be loaded, in one line: the exception, and the new import if that is it."""
    advice = import_advice(error)
    text = f"{type(error).__name__}: {error}"
    return text if advice is None else f"{text}; {advice}"


def renamed(module: str, names: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """The ``__getattr__`` of a public module whose names changed: a file that imports an old one is told the new one.

    - ``module``: the module's name
    - ``names``: old name -> name today
    """

    def __getattr__(name: str) -> NoReturn:
        if name in names:
            raise ImportError(f"{name} is called {names[name]} today: from {module} import {names[name]}", name=module)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return __getattr__
