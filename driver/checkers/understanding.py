"""A checker says *valid* only of operations that it understands.

``understood(checkers)`` wraps each checker so that it is shown what it understands and nothing else. Operations whose
function none of them understands, and those whose value has not the checker's shape (``shapes.py``), are passed over,
and named: what they did is not known, so the verdict is unknown. A finding of *invalid* stands only where what was
passed over certainly wrote nothing, since anything that was read may have been written by it. Every sentence ends with
how much was understood (``extent.py``).

Where nobody said what the history is of, its functions decide, and that is a guess: a semaphore is acquired and
released like a lock. A finding that only one reading of the functions supports (``ONLY_IF`` in its details) then makes
the verdict unknown.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from raftmon.driver.checkers.base import ONLY_IF, Checker, Result, Valid
from raftmon.driver.checkers.extent import extent_of, with_extent
from raftmon.driver.checkers.safe import Limited
from raftmon.driver.checkers.shapes import Shape
from raftmon.driver.histories.model import History, Meta
from raftmon.driver.histories.operation import Operation

__all__ = ["READ_ONLY", "NobodyUnderstands", "Understanding", "Understands", "explaining", "understood"]

READ_ONLY = frozenset(("range-read",))
"""Functions that no checker judges and that certainly write nothing."""


@dataclass(frozen=True, slots=True)
class Understands:
    """What a checker understands: ``functions`` (None: it is shown everything), other systems' names of them
    (Maelstrom's ``broadcast`` is an ``add``), and the shape of their values. ``lenient`` asks less of the same
    operations: what it finds in order is not invalid by a guess.
    """

    functions: frozenset[str] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    shape: Shape | None = None
    lenient: Checker | None = None


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a checker is shown, and of its own functions what was passed over: {words: how many}."""

    history: History
    strange: Counter[str]
    only_reads: bool


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
    """``checker`` judged on what it ``understands``; ``foreign`` functions are known to nobody.

    ``guessed``: nobody chose the checker; the functions did.
    """

    def __init__(
        self,
        checker: Checker,
        understands: Understands,
        foreign: frozenset[str] = frozenset(),
        *,
        guessed: bool = False,
    ) -> None:
        self.name = checker.name
        self._checker = checker
        self._understands = understands
        self._foreign = foreign
        self._guessed = guessed

    @property
    def stops_by_itself(self) -> bool:
        """Whether the checker inside honours its limits always (see ``safe.py``)."""
        return bool(getattr(self._checker, "stops_by_itself", False))

    def _around(self, checker: Checker) -> Understanding:
        return Understanding(checker, self._understands, self._foreign, guessed=self._guessed)

    def limited(self, timeout_s: float | None, memory_mb: float | None) -> Understanding:
        """A copy whose checker has these limits, where it can have any."""
        if not isinstance(self._checker, Limited):
            return self._around(self._checker)
        return self._around(self._checker.limited(timeout_s, memory_mb))

    def explaining(self, explain_s: float) -> Understanding:
        """A copy whose checker may explain for so long, where it can be told."""
        return self._around(explaining(self._checker, explain_s))

    def check(self, history: History) -> Result:
        """The checker's verdict, or unknown and why; and how much it understood."""
        found, functions = history.functions(), self._understands.functions
        if functions is None:
            return with_extent(self._checker.check(history), extent_of(history, found))
        mine = found & (functions | self._understands.aliases.keys())
        extent = extent_of(history, mine)
        if found and not mine:
            return with_extent(self._nothing(history, functions), extent)
        shown = self._shown(history, mine)
        result = self._checker.check(shown.history)
        skipped = result.details.get("skipped")  # transactions that Elle's own parser left out
        extent = extent.less(sum(shown.strange.values()) + (skipped if isinstance(skipped, int) else 0))
        self._pass_over(result, _counts(history, found & self._foreign), shown)
        if self._guessed and result.valid is Valid.NO:
            self._allow(result, shown.history)
        if self._guessed and result.valid is Valid.NO and ONLY_IF in result.details:
            result.valid = Valid.UNKNOWN
            result.sentence = f"unknown: {result.details[ONLY_IF]}. Otherwise: {result.sentence}"
        return with_extent(result, extent)

    def _allow(self, result: Result, shown: History) -> None:
        """Notes where the history is right by the lenient checker."""
        lenient = self._understands.lenient
        less = None if lenient is None else lenient.check(shown)
        if lenient is not None and less is not None and less.valid is Valid.YES:
            result.details[ONLY_IF] = (
                f"{lenient.name} finds it in order ({less.sentence}); if more is promised name the checker "
                f"(--checker {self.name})"
            )

    def _nothing(self, history: History, functions: frozenset[str]) -> Result:
        return Result(
            Valid.UNKNOWN,
            self.name,
            f"unknown: {self.name} understands none of these operations "
            f"({_named(_counts(history, history.functions()))}); it understands {', '.join(sorted(functions))}",
        )

    def _pass_over(self, result: Result, foreign: Counter[str], shown: _Shown) -> None:
        """Names what was passed over, and takes back a verdict that it may change."""
        if not foreign and not shown.strange:
            return
        result.details["passed_over"] = dict(foreign + shown.strange)
        words = [_named(shown.strange)] if shown.strange else []
        words += [f"{_named(foreign)}, which no checker here understands"] if foreign else []
        said = f"passed over: {'; '.join(words)}"
        if result.valid is Valid.NO and foreign.keys() <= READ_ONLY and shown.only_reads:
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

    def _shown(self, history: History, mine: set[str]) -> _Shown:
        """The history without what is not the checker's, under its own names, without values that it cannot read."""
        aliases, shape = self._understands.aliases, self._understands.shape
        if mine != history.functions() or aliases.keys() & mine:
            operations = [
                dataclasses.replace(one, f=aliases[one.f]) if one.f in aliases else one
                for one in history.operations
                if one.f in mine
            ]
            history = _like(history, operations)
        strange = shape.strange(history) if shape is not None else {}
        if shape is None or not strange:
            return _Shown(history, Counter(), True)
        names = [history.columns.f_names[code] for code in history.columns.f[list(strange)].tolist()]
        counts = Counter(f"{f} that {why}" for f, why in zip(names, strange.values(), strict=True))
        kept = [one for row, one in enumerate(history.operations) if row not in strange]
        return _Shown(_like(history, kept), counts, shape.reads.issuperset(names))


def _like(history: History, operations: Iterable[Operation]) -> History:
    return History(operations, problems=history.problems, notes=history.notes, meta=history.meta or Meta())


class NobodyUnderstands:
    """The verdict on a history of which no checker understands a single function."""

    name = "functions"

    def __init__(self, available: Sequence[str]) -> None:
        self._available = tuple(available)

    def check(self, history: History) -> Result:
        """Always unknown; the sentence names the functions."""
        counts = _counts(history, history.functions())
        sentence = (
            f"unknown: no checker understands any operation of this history ({_named(counts)}); name one with "
            "--checker (raftmon check --list has them all), or bring your own: --checker FILE.py:Name"
        )
        details = {"passed_over": dict(counts), "checkers": list(self._available)}
        return with_extent(Result(Valid.UNKNOWN, self.name, sentence, details), extent_of(history, ()))


def understood(
    checkers: Sequence[tuple[Checker, Understands]], history: History | None, *, guessed: bool = False
) -> list[Checker]:
    """The checkers, each shown what it understands. A checker without ``functions`` is shown everything."""
    if any(able.functions is None for _, able in checkers):  # a user's own: it knows by itself what it understands
        return [Understanding(checker, able, guessed=guessed) for checker, able in checkers]
    known = {f for _, able in checkers for f in (*(able.functions or ()), *able.aliases)}
    foreign = frozenset((history.functions() if history is not None else set()) - known)
    return [Understanding(checker, able, foreign, guessed=guessed) for checker, able in checkers]
