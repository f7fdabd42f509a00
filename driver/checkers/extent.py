"""How much of a history a checker understood, in the same words for every checker.

``extent_of`` counts; ``Extent.clause`` is what stands at the end of every verdict's sentence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from raftmon.driver.checkers.base import Result
from raftmon.driver.histories.model import History

__all__ = ["UNDERSTOOD", "Extent", "extent_of", "sum_of", "with_extent"]

UNDERSTOOD = "understood"
"""In a result's details: the extent, as JSON. A result that has it has the clause in its sentence."""

_OK, _FAIL = 0, 1  # codes of Columns.outcome; what is neither is indefinite


@dataclass(frozen=True, slots=True)
class Extent:
    """``judged``: operations the checker looked at; ``indefinite``: those among them of unknown outcome;
    ``passed_over``: operations of the history that it was not shown.
    """

    judged: int
    indefinite: int
    passed_over: int

    def clause(self, what: str = "operations", passed: str = "") -> str:
        """``12 operations judged, 1 indefinite, 0 passed over``; ``passed`` where those are of another kind."""
        over = f"{self.passed_over} {passed} passed over" if passed else f"{self.passed_over} passed over"
        return f"{self.judged} {what} judged, {self.indefinite} indefinite, {over}"

    def less(self, rows: int) -> Extent:
        """The same with so many operations more passed over, of those that were judged."""
        rows = min(rows, self.judged)
        return Extent(self.judged - rows, min(self.indefinite, self.judged - rows), self.passed_over + rows)

    def as_json(self) -> dict[str, int]:
        """The three numbers, for ``details``."""
        return {"judged": self.judged, "indefinite": self.indefinite, "passed_over": self.passed_over}


def extent_of(history: History, functions: Iterable[str]) -> Extent:
    """What a checker that understands ``functions`` judges of ``history``."""
    columns, mine = history.columns, frozenset(functions)
    known = np.array([name in mine for name in columns.f_names], dtype=bool)
    judged = known[columns.f] if len(known) else np.zeros(len(columns), dtype=bool)
    doubtful = ~np.isin(columns.outcome, (_OK, _FAIL))
    count = int(np.count_nonzero(judged))
    return Extent(count, int(np.count_nonzero(judged & doubtful)), len(columns) - count)


def sum_of(extents: Iterable[Extent]) -> Extent:
    """Those of parts of a history together."""
    listed = list(extents)
    return Extent(
        sum(one.judged for one in listed), sum(one.indefinite for one in listed), sum(one.passed_over for one in listed)
    )


def with_extent(result: Result, extent: Extent, what: str = "operations", passed: str = "") -> Result:
    """The result with the clause at the end of its sentence, and the numbers in its details."""
    clause = extent.clause(what, passed)
    result.sentence = f"{result.sentence} ({clause})" if result.sentence else clause
    result.details[UNDERSTOOD] = extent.as_json()
    return result
