"""Histories and checkers, usable without a cluster: ``from raftmon.checkers import RegisterChecker, read_history``.

A checker of your own is an object with ``name`` and ``check(history) -> Result`` (docs/checkers.md); a model of your
own has ``initial()`` and ``step(state, operation)``, and ``Linearizable(model)`` makes a checker of it.
"""

from __future__ import annotations

from raftmon.driver import checkers
from raftmon.driver.checkers import *  # noqa: F403
from raftmon.driver.histories.writers import write_history

__all__ = [*checkers.__all__, "write_history"]
