"""The checker of any model at a level below linearizability (``levels.py`` says what the levels are)."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from raftmon.driver.checkers.base import Counterexample, Result, Valid
from raftmon.driver.checkers.register import RegisterChecker
from raftmon.driver.checkers.search.explain import EXPLAIN_S, explanation_s
from raftmon.driver.checkers.search.levels import edges, has_one_view, needs_sources
from raftmon.driver.checkers.search.limits import Limits
from raftmon.driver.checkers.search.linearizable import Linearizable, scale_of
from raftmon.driver.checkers.search.model import Model
from raftmon.driver.checkers.search.register_models import CasRegister
from raftmon.driver.checkers.search.sources import only_sources_matter, sources
from raftmon.driver.checkers.search.views import Viewed, find_view
from raftmon.driver.checkers.words import timeline
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["AtLevel"]

_KEEPS = {
    "sequential": "every process's own order",
    "causal": "what happened before what",
    "pram": "every process's own order",
    "monotonic": "the four session guarantees",
}
_MOST_SHRUNK = 200  # operations; of more the counterexample is what the failed view needed
_SHOWN = 40


@dataclass(slots=True)
class _Judged:
    valid: Valid
    reason: str = ""
    needed: Sequence[Operation] = ()  # what found no view, and what it waits for
    process: int | None = None


@dataclass(frozen=True, slots=True)
class AtLevel:
    """Is the history right at ``level`` under ``model``, by a search for each session's view?

    ``details``: ``level``, ``model``, ``sessions``. Unknown where the limits end the search, where which update an
    observation saw is not known and matters, and where other sessions' answers would have to be taken for granted.
    """

    model: Model
    level: str
    name: str
    timeout_s: float | None = None
    memory_mb: float | None = None
    explain_s: float = EXPLAIN_S

    def limited(self, timeout_s: float | None, memory_mb: float | None) -> AtLevel:
        """A copy with these limits."""
        return replace(self, timeout_s=timeout_s, memory_mb=memory_mb)

    def explaining(self, explain_s: float) -> AtLevel:
        """A copy that may take so long to make a counterexample small."""
        return replace(self, explain_s=explain_s)

    def check(self, history: History) -> Result:
        """Judge every session (all of them together where the level is sequential)."""
        if history.meta.initial is not None:
            again = replace(self, model=self.model.starting_at(history.meta.initial))
            return again._check(history)
        return self._check(history)

    def _check(self, history: History) -> Result:
        limits = Limits(self.timeout_s, self.memory_mb)
        operations = sorted(history.operations, key=lambda one: one.call_ns)
        sessions = len({one.process for one in operations})
        details: dict[str, Any] = {"level": self.level, "model": self.model.name, "sessions": sessions}
        if operations and self.model.functions and not history.functions() & self.model.functions:
            there, known = (", ".join(sorted(names)) for names in (history.functions(), self.model.functions))
            sentence = f"unknown: a {self.model.name} knows none of this history's functions ({there}), only {known}"
            return Result(Valid.UNKNOWN, self.name, sentence, details)
        if self._is_linearizable(history):  # which implies every level, and is quick to see
            sentence = (
                f"valid: {len(operations)} operations are linearizable as {self.model.name}, so also {self.level}"
            )
            return Result(Valid.YES, self.name, sentence, details)
        judged = _judge(operations, self.model, self.level, limits)
        if judged.valid is Valid.NO:
            budget = explanation_s(self.explain_s, None if self.timeout_s is None else limits.left_s())
            found = self._explain(history, operations, judged, budget)
            return Result(Valid.NO, self.name, f"not {self.level}: {found.sentence}", details, found)
        if judged.valid is Valid.UNKNOWN:
            return Result(Valid.UNKNOWN, self.name, f"unknown whether {self.level}: {judged.reason}", details)
        sentence = f"valid: {len(operations)} operations of {sessions} sessions are {self.level} as {self.model.name}"
        return Result(Valid.YES, self.name, sentence, details)

    def _is_linearizable(self, history: History) -> bool:
        timeout_s = 5.0 if self.timeout_s is None else self.timeout_s / 4
        quick: Linearizable | RegisterChecker = Linearizable(self.model, timeout_s=timeout_s, explain_s=0.0)
        if type(self.model) is CasRegister:
            quick = RegisterChecker(timeout_s=timeout_s, explain_s=0.0)
        return quick.check(history).valid is Valid.YES

    def _explain(
        self, history: History, operations: list[Operation], judged: _Judged, budget_s: float
    ) -> Counterexample:
        small = list(operations)
        if len(small) <= _MOST_SHRUNK:
            small = _shrunk(small, self.model, self.level, budget_s)
        elif judged.needed:
            small = sorted(judged.needed, key=lambda one: one.call_ns)
        again = _judge(small, self.model, self.level, Limits(1.0, 1000))
        process = again.process if again.valid is Valid.NO else judged.process
        scale = scale_of(history)
        whose = "no order" if process is None else f"no order in which process {process} saw the updates"
        names = "; ".join(map(scale.words, small[:6])) + ("; …" if len(small) > 6 else "")
        keeps = _KEEPS.get(self.level, f"{self.level}")
        sentence = f"{whose} keeps {keeps} and explains these: {names}"
        picture = timeline(small[-_SHOWN:], scale)
        key = small[0].key if len({repr(one.key) for one in small}) == 1 else None
        return Counterexample(tuple(small), sentence, key, max(one.call_ns for one in small), picture)


def _laid_out(
    operations: Sequence[Operation], model: Model, level: str
) -> tuple[list[Operation], Viewed, bool, list[list[int]]]:
    """The operations that say something, what views of them are made of, whether all sources are known, and those."""
    pairs = [(one, prepared) for one in operations if (prepared := model.prepare(one)) is not None]
    kept = [one for one, _ in pairs]
    prepared = [pair[1] for pair in pairs]
    places: list[Hashable] = [model.partition(one) for one in kept]
    numbers: dict[Hashable, int] = {}
    parts = [numbers.setdefault(place, len(numbers)) for place in places]
    observes = [model.observes(one) for one in prepared]
    seen, known = sources(model, places, prepared)
    certain = [one.outcome is not Outcome.INFO and one.return_ns is not None for one in kept]
    before = edges(level, [one.process for one in kept], [not look for look in observes], certain, seen)
    return kept, Viewed(model, prepared, parts, observes, before), known, seen


def _judge(operations: Sequence[Operation], model: Model, level: str, limits: Limits) -> _Judged:
    kept, viewed, known, seen = _laid_out(operations, model, level)
    certain = [n for n, one in enumerate(kept) if one.outcome is not Outcome.INFO and one.return_ns is not None]
    everything = range(len(kept))
    if level == "sequential":
        found = find_view(viewed, everything, certain, -1, limits)
        if found.reason:
            return _Judged(Valid.UNKNOWN, found.reason)
        return _Judged(Valid.YES if found.found else Valid.NO, needed=kept)
    prune = only_sources_matter(model, viewed.prepared)
    doubt = ""
    for process in dict.fromkeys(one.process for one in kept):
        own = [n for n in certain if kept[n].process == process]
        mine = sum(1 << n for n in everything if kept[n].process == process)
        groups = [own] if has_one_view(level) else [[n] for n in own]
        for needed in groups:
            usable = [n for n in everything if not viewed.observes[n] or n in needed]
            if prune and known:
                usable = _reached(usable, needed, viewed.before, seen)
            asked = mine if has_one_view(level) else sum(1 << n for n in needed)
            found = find_view(viewed, usable, needed, asked, limits)
            if found.reason:
                return _Judged(Valid.UNKNOWN, found.reason)
            if found.found:
                continue
            if found.refused:
                doubt = "it would take what other sessions were answered for granted"
                continue
            return _Judged(Valid.NO, "", [kept[n] for n in usable], process)
    if not doubt and needs_sources(level) and not known:
        doubt = "which update each observation saw is not known (values written twice, or a sum)"
    if doubt:
        if _judge(operations, model, "sequential", limits).valid is Valid.YES:
            return _Judged(Valid.YES)  # which implies every level below
        return _Judged(Valid.UNKNOWN, doubt)
    return _Judged(Valid.YES)


def _reached(usable: list[int], needed: list[int], before: list[int], seen: list[list[int]]) -> list[int]:
    """The usable operations that the needed ones wait for, or saw, and so on."""
    allowed, wanted, waiting = set(usable), set(needed), list(needed)
    while waiting:
        number = waiting.pop()
        rest = before[number]
        more = list(seen[number])
        while rest:
            low = rest & -rest
            more.append(low.bit_length() - 1)
            rest ^= low
        for other in more:
            if other in allowed and other not in wanted:
                wanted.add(other)
                waiting.append(other)
    return sorted(wanted)


def _shrunk(operations: list[Operation], model: Model, level: str, budget_s: float) -> list[Operation]:
    """Fewer operations, still wrong; only such are left out whose absence cannot make a history wrong."""
    deadline = time.perf_counter() + budget_s
    small = list(operations)
    for one in reversed(operations):
        if time.perf_counter() > deadline:
            break
        rest = [other for other in small if other is not one]
        prepared = model.prepare(one)
        others = [made for other in rest if (made := model.prepare(other)) is not None]
        free = prepared is None or model.observes(prepared) or model.unnoticed(prepared, others)
        if free and _judge(rest, model, level, Limits(budget_s / 20, 1000)).valid is Valid.NO:
            small = rest
    return small
