"""Stacks, priority queues and FIFO queues: in polynomial time where values are unique, by search where not.

The search is needed too where a take never ended (it may have taken anything) and for priority queues of values that
cannot be compared. What any container forbids (a value out of nowhere, one twice, one before it was put in, an empty
answer while something was inside) is judged as for a bag (``queues.py``); the order by ``fifo.py``, ``lifo.py`` or
``priorities.py``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from raftmon.driver.checkers.base import Counterexample, Result, Valid
from raftmon.driver.checkers.fifo import overtaken
from raftmon.driver.checkers.lifo import Inside, entangled, spans
from raftmon.driver.checkers.priorities import misplaced
from raftmon.driver.checkers.queues import judged_as_bag, needs_search, pairs_of
from raftmon.driver.checkers.search.explain import explain
from raftmon.driver.checkers.search.linearizable import Linearizable, scale_of
from raftmon.driver.checkers.search.models import FifoQueue, PriorityQueue, Stack
from raftmon.driver.checkers.words import timeline
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["UniqueValues", "has_polynomial_time"]

_EXPLAINED = 60  # operations of which the search makes a small counterexample
_SHOWN = 20


def has_polynomial_time(model: type) -> bool:
    """Whether it is the model of a container that is judged here."""
    return model in _ORDERS


@dataclass(frozen=True, slots=True)
class UniqueValues:
    """Is every key of the history linearizable as ``search.model``, a stack, a priority queue or a FIFO queue?

    ``details``: ``model``, ``operations``, ``decided_by`` (*order*: in polynomial time; *search*).
    """

    search: Linearizable

    @property
    def name(self) -> str:
        """Its search's."""
        return self.search.name

    @property
    def stops_by_itself(self) -> bool:
        """Always: its own time is bounded by the history, and the search honours its limits."""
        return True

    def limited(self, timeout_s: float | None, memory_mb: float | None) -> UniqueValues:
        """A copy whose search, where one is needed, has these limits."""
        return replace(self, search=self.search.limited(timeout_s, memory_mb))

    def explaining(self, explain_s: float) -> UniqueValues:
        """A copy that may take so long to make a counterexample small."""
        return replace(self, search=self.search.explaining(explain_s))

    def check(self, history: History) -> Result:
        """Judge every key on its own."""
        put, take, order = _ORDERS[type(self.search.model)]
        names = {put: "enqueue", take: "dequeue"}
        keys = [_renamed(operations, names) for operations in history.by_key().values()]
        if history.meta.initial is not None or any(map(needs_search, keys)):
            return self._searched(history)
        details: dict[str, Any] = {
            "model": self.search.model.name,
            "operations": len(history),
            "keys": len(keys),
            "decided_by": "order",
        }
        bag = judged_as_bag(self.name, History(one for operations in keys for one in operations))
        if bag.valid is Valid.NO and bag.counterexample is not None:
            back = {name: own for own, name in names.items()}
            found = _with_names(bag.counterexample, back)
            return Result(Valid.NO, self.name, f"invalid: {found.sentence}", {**bag.details, **details}, found)
        for operations in keys:
            try:
                tangle = order(operations)
            except TypeError:  # values that cannot be compared
                return self._searched(history)
            if tangle:
                wanted = {one.index for one in tangle}
                involved = [one for one in history.operations if one.index in wanted and one.f in names]
                found = self._explained(history, involved)
                return Result(Valid.NO, self.name, f"invalid: {found.sentence}", details, found)
        sentence = (
            f"valid: {len(history)} operations on {len(keys)} keys are linearizable as {self.search.model.name} "
            "(values are unique: decided by their order)"
        )
        return Result(Valid.YES, self.name, sentence, details)

    def _searched(self, history: History) -> Result:
        result = self.search.check(history)
        result.details["decided_by"] = "search"
        return result

    def _explained(self, history: History, involved: list[Operation]) -> Counterexample:
        scale, key = scale_of(history), involved[0].key
        if len(involved) <= _EXPLAINED:
            return explain(involved, self.search.model, scale, key, self.search.explain_s)
        words = "; ".join(map(scale.words, involved[:3]))
        sentence = f"no order explains {len(involved)} operations whose values were inside together, among them {words}"
        last_ns = max((one.return_ns for one in involved if one.return_ns is not None), default=None)
        return Counterexample(tuple(involved), sentence, key, last_ns, timeline(involved[:_SHOWN], scale))


def _renamed(operations: Sequence[Operation], names: dict[str, str]) -> list[Operation]:
    return [dataclasses.replace(one, f=names[one.f]) for one in operations if one.f in names]


def _with_names(found: Counterexample, names: dict[str, str]) -> Counterexample:
    operations = tuple(_renamed(found.operations, names))
    sentence = found.sentence
    for name, own in names.items():
        sentence = sentence.replace(f"{name}d", f"given to a {own}").replace(name, own)
    return replace(found, operations=operations, sentence=sentence)


def _involved(values: Sequence[Inside]) -> list[Operation]:
    return [operation for one in values for operation in one.operations()]


def _as_stack(operations: Sequence[Operation]) -> list[Operation]:
    return _involved(entangled(spans(pairs_of(operations))))


def _as_fifo(operations: Sequence[Operation]) -> list[Operation]:
    pair = overtaken(pairs_of(operations))
    return [] if pair is None else [one for part in pair for one in part if one is not None]


def _as_priority_queue(operations: Sequence[Operation]) -> list[Operation]:
    values = spans(pairs_of(operations))
    empties = [one for one in operations if one.f == "dequeue" and _found_empty(one)]
    wrong = misplaced([(one.pair[0].value, one) for one in values], empties)
    if wrong is None:
        return []
    return [wrong, *_involved(values)] if isinstance(wrong, Operation) else _involved(wrong)


def _found_empty(one: Operation) -> bool:
    return one.value is None if one.outcome is Outcome.OK else one.outcome is Outcome.FAIL and one.error is None


_ORDERS: dict[type, tuple[str, str, Callable[[Sequence[Operation]], list[Operation]]]] = {
    FifoQueue: ("enqueue", "dequeue", _as_fifo),
    Stack: ("push", "pop", _as_stack),
    PriorityQueue: ("insert", "extract-max", _as_priority_queue),
}
