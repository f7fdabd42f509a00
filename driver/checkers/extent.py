"""How much of a history a checker understood, in the same words for every checker.

``extent_of`` counts; ``Extent.clause`` is what stands at the end of every verdict's sentence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from raftmon.driver.histories.model import History

__all__ = ["Extent", "extent_of"]

_OK, _FAIL = 0, 1  # codes of Columns.outcome; what is neither is indefinite


@dataclass(frozen=True, slots=True)
class Extent:
    """``judged``: operations the checker looked at; ``indefinite``: those among them of unknown outcome;
    ``passed_over``: operations of the history that it was not shown.
    """

    judged: int
    indefinite: int
    passed_over: int

    def clause(self) -> str:
        """``12 operations judged, 1 indefinite, 0 passed over``."""
        return f"{self.judged} operations judged, {self.indefinite} indefinite, {self.passed_over} passed over"

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
