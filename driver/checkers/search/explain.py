"""From a wrong history to the few operations that are wrong by themselves.

First the shortest beginning of the history that is wrong is found (what had not returned by then is taken as
indefinite). Then operations are left out, many at a time and at last one by one, as long as what remains is still
wrong. Only such are left out whose absence cannot itself make a history wrong: observations, and what nobody noticed
(``Model.unnoticed``). So the set that remains proves that the whole is wrong, and it is *minimal* if leaving out any
single one more was tried and left nothing wrong.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from raftmon.driver.checkers.base import Counterexample, Valid
from raftmon.driver.checkers.search.models import CasRegister, Model
from raftmon.driver.checkers.search.search import Limits, search
from raftmon.driver.checkers.search.sentences import describe
from raftmon.driver.checkers.words import Scale, timeline
from raftmon.driver.checkers.zones.observations import CAS, MISMATCH, WRITE
from raftmon.driver.histories.model import NEVER
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["EXPLAIN_S", "explain", "explanation_s", "shrink"]

EXPLAIN_S = 2.0
_SMALL = 40  # up to here every single operation is tried


def explanation_s(asked_s: float, left_s: float | None) -> float:
    """How long an explanation may take: unless more than the default was asked for, a quarter of what time is left."""
    if left_s is None or asked_s > EXPLAIN_S:
        return asked_s
    return min(asked_s, max(0.05, left_s / 4))


class _OutOfTime(Exception):
    pass


class _Shrinker:
    """Leaves out operations while what remains is wrong under ``model``."""

    def __init__(self, model: Model, timeout_s: float) -> None:
        self.model = model
        self.deadline = time.perf_counter() + timeout_s
        self.trial_s = timeout_s / 20
        self.smallest: list[Operation] = []
        self.sure = True  # whether every trial so far came to an end

    def wrong(self, operations: Sequence[Operation], *, trial: bool = False) -> bool:
        """Whether there is no linearization; raises _OutOfTime where that cannot be said in time.

        A *trial* may take a small part of the time only, since less history can mean more search; one that is not
        done by then counts as not wrong, and the result as not proved minimal.
        """
        left_s = max(0.0, self.deadline - time.perf_counter())
        found = search(operations, self.model, Limits(min(left_s, self.trial_s) if trial else left_s, 1000))
        if found.valid is Valid.UNKNOWN:
            if not trial or left_s <= self.trial_s:
                raise _OutOfTime
            self.sure = False
        return found.valid is Valid.NO

    def shortest_beginning(self, operations: list[Operation]) -> list[Operation]:
        """The operations up to the first return by which the history is wrong."""
        returns = sorted({o.return_ns for o in operations if o.return_ns is not None})
        low, high = 0, len(returns) - 1
        while low < high:
            middle = (low + high) // 2
            if self.wrong(_until(operations, returns[middle])):
                high = middle
            else:
                low = middle + 1
        return _until(operations, returns[low])

    def leave_out(self, operations: list[Operation]) -> list[Operation]:
        """Drop what is not needed, in chunks that halve."""
        chunk = max(1, len(operations) // 2)
        while True:
            before, start = len(operations), 0
            while start < len(operations):
                kept = self._without(operations, range(start, min(start + chunk, len(operations))))
                if len(kept) < len(operations) and self.wrong(kept, trial=True):
                    self.smallest = operations = kept
                else:
                    start += chunk
            if chunk == 1 and len(operations) == before:
                return operations
            chunk = max(1, chunk // 2)

    def _without(self, operations: list[Operation], places: range) -> list[Operation]:
        """``operations`` less those at ``places`` that may be left out."""
        prepared: list[Any] = [self.model.prepare(operation) for operation in operations]
        gone: set[int] = set()
        for place in places:
            if prepared[place] is None or self.model.observes(prepared[place]):
                gone.add(place)
        for place in places:
            if place in gone:
                continue
            rest = [n for n, p in enumerate(prepared) if n != place and n not in gone and p is not None]
            unnoticed = self.model.unnoticed(prepared[place], [prepared[n] for n in rest])
            if not unnoticed and isinstance(self.model, CasRegister):
                unnoticed = _superseded(operations, prepared, place, rest)
            if unnoticed:
                gone.add(place)
        return [operation for place, operation in enumerate(operations) if place not in gone]


def _superseded(operations: list[Operation], prepared: list[Any], place: int, rest: list[int]) -> bool:
    """Whether a register's value was surely brought again before anybody looked at it.

    Some later operation brought the same value, beginning after this one had ended, and whoever saw the value began
    after that later one had ended: then nobody ever saw it from this one.
    """
    end, wrote = operations[place].return_ns, prepared[place][2]
    if end is None or any(prepared[n][0] == MISMATCH for n in rest):
        return False
    looks = [operations[n].call_ns for n in rest if prepared[n][0] != WRITE and prepared[n][1] == wrote]
    first_look = min(looks, default=NEVER)
    for n in rest:
        again, brings = operations[n], prepared[n][0] in (WRITE, CAS) and prepared[n][2] == wrote
        if brings and again.return_ns is not None and end < again.call_ns and again.return_ns < first_look:
            return True
    return False


def _until(operations: Sequence[Operation], end_ns: int) -> list[Operation]:
    """What was known at ``end_ns``: later calls have not been made, later returns not been heard."""
    known = []
    for operation in operations:
        if operation.call_ns > end_ns:
            continue
        if operation.return_ns is None or operation.return_ns <= end_ns:
            known.append(operation)
        elif operation.outcome is not Outcome.FAIL:
            known.append(replace(operation, return_ns=None, outcome=Outcome.INFO))
    return known


def shrink(operations: Sequence[Operation], model: Model, timeout_s: float = EXPLAIN_S) -> tuple[list[Operation], bool]:
    """A small wrong part of ``operations`` (of one partition, wrong under ``model``), and whether it is minimal.

    Where time runs out, what there is by then is given back, with false; so is what was not wrong to begin with.
    """
    shrinker = _Shrinker(model, timeout_s)
    by_call = {(o.process, o.call_ns, o.f, o.index): o for o in operations}
    best, minimal = list(operations), False
    try:
        if not shrinker.wrong(best):
            return best, False
        best = shrinker.smallest = shrinker.shortest_beginning(
            best
        )  # the big step first: it makes every later search short
        best = shrinker.leave_out(best)
        # With what was cut off put back, the rest is wrong all the more, and less of it may do.
        best = [by_call[o.process, o.call_ns, o.f, o.index] for o in best]
        shrinker.sure = True
        best = shrinker.leave_out(best)
        minimal = shrinker.sure
    except _OutOfTime:
        best = [by_call[o.process, o.call_ns, o.f, o.index] for o in shrinker.smallest or best]
    return best, minimal


def explain(
    operations: Sequence[Operation],
    model: Model,
    scale: Scale,
    key: Any = None,
    timeout_s: float = EXPLAIN_S,
) -> Counterexample:
    """The counterexample for one partition that is wrong under ``model``."""
    small, minimal = shrink(operations, model, timeout_s)
    small.sort(key=lambda operation: operation.call_ns)
    at_ns = max((operation.call_ns for operation in small), default=None)
    picture = timeline(small[-_SMALL:], scale)
    if len(small) > _SMALL:
        picture = f"(the last {_SMALL} of {len(small)})\n{picture}"
    return Counterexample(tuple(small), describe(small, model, scale, key), key, at_ns, picture, minimal)
