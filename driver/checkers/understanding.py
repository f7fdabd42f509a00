"""A checker says *valid* only of operations that it understands.

``understood(checkers)`` wraps each checker so that it is shown what it understands and nothing else. Operations whose
function none of them understands are passed over, and named: what they did is not known, so the verdict is unknown. A
finding of *invalid* stands only where what was passed over certainly wrote nothing, since anything that was read may
have been written by it. Every sentence ends with how much was understood (``extent.py``).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from raftmon.driver.checkers.base import Checker, Result, Valid
from raftmon.driver.checkers.extent import extent_of
from raftmon.driver.checkers.safe import Limited
from raftmon.driver.histories.model import History, Meta

__all__ = ["READ_ONLY", "NobodyUnderstands", "Understanding", "explaining", "understood"]

READ_ONLY = frozenset(("range-read",))
"""Functions that no checker judges and that certainly write nothing."""


def _named(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _counts(history: History, functions: Iterable[str]) -> Counter[str]:
    columns = history.columns
    totals = dict(zip(columns.f_names, np.bincount(columns.f, minlength=len(columns.f_names)).tolist(), strict=False))
    return Counter({name: totals[name] for name in functions if totals.get(name)})


def explaining(checker: Checker, explain_s: float) -> Checker:
    """A copy of ``checker`` that may take ``explain_s`` seconds to make a counterexample small; itself if it cannot."""
    made = getattr(checker, "explaining", None)
    return checker if made is None else made(explain_s)


class Understanding:
    """``checker`` judged on the operations whose functions are in ``functions``; ``foreign`` are known to nobody.

    ``aliases`` are other systems' names of the checker's own functions (Maelstrom's ``broadcast`` is an ``add``).
    ``functions`` is None for a checker that is shown everything.
    """

    def __init__(
        self,
        checker: Checker,
        functions: frozenset[str] | None,
        foreign: frozenset[str] = frozenset(),
        aliases: Mapping[str, str] = {},
    ) -> None:
        self.name = checker.name
        self._checker = checker
        self._functions = functions
        self._foreign = foreign
        self._aliases = aliases

    @property
    def stops_by_itself(self) -> bool:
        """Whether the checker inside honours its limits always (see ``safe.py``)."""
        return bool(getattr(self._checker, "stops_by_itself", False))

    def limited(self, timeout_s: float | None, memory_mb: float | None) -> Understanding:
        """A copy whose checker has these limits, where it can have any."""
        inner = self._checker.limited(timeout_s, memory_mb) if isinstance(self._checker, Limited) else self._checker
        return Understanding(inner, self._functions, self._foreign, self._aliases)

    def explaining(self, explain_s: float) -> Understanding:
        """A copy whose checker may explain for so long, where it can be told."""
        return Understanding(explaining(self._checker, explain_s), self._functions, self._foreign, self._aliases)

    def check(self, history: History) -> Result:
        """The checker's verdict, or unknown and why; and how much it understood."""
        found = history.functions()
        mine = found if self._functions is None else found & (self._functions | self._aliases.keys())
        extent = extent_of(history, mine)
        result = self._checker.check(history) if self._functions is None else self._judged(history, self._functions)
        result.sentence = f"{result.sentence} ({extent.clause()})" if result.sentence else extent.clause()
        result.details["understood"] = extent.as_json()
        return result

    def _judged(self, history: History, functions: frozenset[str]) -> Result:
        found = history.functions()
        mine = found & (functions | self._aliases.keys())
        foreign = _counts(history, found & self._foreign)
        if found and not mine:
            return Result(
                Valid.UNKNOWN,
                self.name,
                f"unknown: {self.name} understands none of these operations ({_named(_counts(history, found))}); it "
                f"understands {', '.join(sorted(functions))}",
            )
        shown = history if mine == found and not self._aliases.keys() & found else self._shown(history, mine)
        result = self._checker.check(shown)
        if not foreign:
            return result
        result.details["passed_over"] = dict(foreign)
        said = f"passed over: {_named(foreign)}, which no checker here understands"
        if result.valid is Valid.NO and foreign.keys() <= READ_ONLY:
            result.sentence += f" ({said})"
        elif result.valid is Valid.NO:
            result.valid = Valid.UNKNOWN
            result.sentence = (
                f"unknown: {said}; they may have written what was read. Without them it would be: {result.sentence}"
            )
        else:
            rest = f"; of the rest: {result.sentence}" if result.sentence else ""
            result.valid = Valid.UNKNOWN
            result.sentence = f"unknown: {said}{rest}"
        return result

    def _shown(self, history: History, mine: set[str]) -> History:
        operations = [
            dataclasses.replace(one, f=self._aliases[one.f]) if one.f in self._aliases else one
            for one in history.operations
            if one.f in mine
        ]
        return History(operations, problems=history.problems, notes=history.notes, meta=history.meta or Meta())


class NobodyUnderstands:
    """The verdict on a history of which no checker understands a single function."""

    name = "functions"

    def __init__(self, available: Sequence[str]) -> None:
        self._available = tuple(available)

    def check(self, history: History) -> Result:
        """Always unknown; the sentence names the functions."""
        counts = _counts(history, history.functions())
        return Result(
            Valid.UNKNOWN,
            self.name,
            f"unknown: no checker understands any operation of this history ({_named(counts)}); name one with "
            "--checker (raftmon check --list has them all), or bring your own: --checker FILE.py:Name "
            f"({extent_of(history, ()).clause()})",
            {"passed_over": dict(counts), "checkers": list(self._available)},
        )


def understood(
    checkers: Sequence[tuple[Checker, frozenset[str] | None, Mapping[str, str]]], history: History | None
) -> list[Checker]:
    """The checkers, each shown what it understands. ``None`` for functions: a checker that is shown everything."""
    if any(functions is None for _, functions, _ in checkers):  # a user's own: it knows by itself what it understands
        return [Understanding(checker, functions) for checker, functions, _ in checkers]
    known = {f for _, functions, aliases in checkers for f in (*(functions or ()), *aliases)}
    foreign = frozenset((history.functions() if history is not None else set()) - known)
    return [Understanding(checker, functions, foreign, aliases) for checker, functions, aliases in checkers]
