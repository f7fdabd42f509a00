"""Whether transactions on registers fit into one order: exactly, by search, where inference leaves versions unordered.

A blind overwrite of which nothing is seen leaves no edge, so a graph without a cycle shows nothing. The search puts all
transactions in an order that explains every read, or shows that there is none. That order is one of real time
(strict-serializable), of each process (strong-session-serializable) or any (serializable).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.search.limits import Limits
from raftmon.driver.checkers.search.model import ILLEGAL
from raftmon.driver.checkers.search.models import MultiRegister
from raftmon.driver.checkers.search.search import search
from raftmon.driver.histories.operation import Operation

__all__ = ["MOST", "SHOWN_BY_SEARCH", "decide"]

MOST = 5_000  # transactions; more are left to inference
SEARCH_S = 3.0
SHOWN_BY_SEARCH = ("strict-serializable", "strong-session-serializable", "serializable")
"""The levels that a search can rule out; finding an order shows every weaker one too."""


def decide(operations: Sequence[Operation], level: str, timeout_s: float = SEARCH_S) -> tuple[Valid, str]:
    """Whether ``operations`` (``txn`` with ``w`` and ``r``) hold ``level``, and why it is not known.

    Real time is tried first, since its order is the quickest to search and shows every level.
    """
    if len(operations) > MOST:
        return Valid.UNKNOWN, f"a search for one is for at most {MOST} of them"
    found = search(operations, MultiRegister(), Limits(timeout_s, 1000))
    if found.valid is Valid.YES or level == "strict-serializable":
        return found.valid, found.reason
    if level not in SHOWN_BY_SEARCH:
        return Valid.UNKNOWN, "a search speaks of serializable levels only"
    model = _Sessions(operations) if level == "strong-session-serializable" else MultiRegister()
    anywhen = [
        dataclasses.replace(one, call_ns=0, return_ns=None if one.return_ns is None else 1, index=number)
        for number, one in enumerate(sorted(operations, key=lambda one: one.call_ns))
    ]
    found = search(anywhen, model, Limits(timeout_s, 1000))
    return found.valid, found.reason


class _Sessions(MultiRegister):
    """Registers, and how many transactions each process has behind it: each comes after its process's earlier ones."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        super().__init__()
        self._earlier: dict[int, tuple[Any, int, bool]] = {}
        counts: dict[Any, int] = {}
        for number, one in enumerate(sorted(operations, key=lambda one: one.call_ns)):
            counted = one.return_ns is not None and super().prepare(one) is not None
            self._earlier[number] = (one.process, counts.get(one.process, 0), counted)
            counts[one.process] = counts.get(one.process, 0) + counted

    def initial(self) -> Hashable:
        """Nothing written, nobody has done anything."""
        return frozenset(), frozenset()

    def prepare(self, operation: Operation) -> Any:
        """(what MultiRegister makes of it, (process, earlier ones, whether later ones wait for it))."""
        steps = super().prepare(operation)
        return None if steps is None else (steps, self._earlier[operation.index])

    def signature(self, operation: Operation) -> Hashable:
        """Those of different processes, or places in them, are not alike."""
        return (super().signature(operation), operation.index)

    def observes(self, operation: Any) -> bool:
        """Never: each lets others of its process come."""
        return False

    def step(self, state: Any, operation: Any) -> Any:
        """See Model."""
        held, done = state
        steps, (process, earlier, counted) = operation
        behind = dict(done)
        if behind.get(process, 0) != earlier:
            return ILLEGAL
        after = super().step(held, steps)
        if after is ILLEGAL:
            return ILLEGAL
        if counted:
            behind[process] = earlier + 1
        return after, frozenset(behind.items())
