"""The checker that asks a model: is every partition of the history linearizable?"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

from raftmon.driver.checkers.base import Counterexample, Result, Valid
from raftmon.driver.checkers.search.explain import EXPLAIN_S, explain, explanation_s
from raftmon.driver.checkers.search.models import Model
from raftmon.driver.checkers.search.search import Limits, Search, search
from raftmon.driver.checkers.words import Scale
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation

__all__ = ["Linearizable", "scale_of", "search_partitions"]


def scale_of(history: History) -> Scale:
    """Times in words count from the history's first call."""
    columns = history.columns
    origin = int(columns.call_ns[0]) if len(columns) else 0
    return Scale(origin, ordered_only=history.meta.ordered_only)


def search_partitions(groups: dict[Hashable, list[Operation]], model: Model, limits: Limits) -> dict[Hashable, Search]:
    """Search each partition, the small ones first; all after one that ran out of time or memory are unknown too."""
    found: dict[Hashable, Search] = {}
    for name, operations in sorted(groups.items(), key=lambda item: len(item[1])):
        reason = limits.out_of_time() or limits.out_of_memory()
        if reason is not None:
            found[name] = Search(Valid.UNKNOWN, [], list(operations[:1]), reason)
            continue
        found[name] = search(operations, model, limits)
    return found


def first_failure(found: dict[Hashable, Search]) -> Hashable:
    """The partition that failed first in time: there, something had to happen soonest and could not."""

    def moment(name: Hashable) -> float:
        returns = [o.return_ns for o in found[name].stuck if o.return_ns is not None]
        return min(returns, default=float("inf"))

    return min((name for name, result in found.items() if result.valid is Valid.NO), key=moment)


@dataclass(frozen=True, slots=True)
class Linearizable:
    """Linearizability under any model, by search (see ``search.py``).

    Where the limits end it, the result is unknown, with the longest linearizable beginning found in ``details``.
    """

    model: Model
    name: str = "linearizable"
    timeout_s: float | None = None
    memory_mb: float | None = None
    explain_s: float = EXPLAIN_S

    @property
    def stops_by_itself(self) -> bool:
        """Where the model is one of ours: its steps end, so the limits are honoured (see ``safe.py``)."""
        return type(self.model).__module__.startswith("raftmon.")

    def explaining(self, explain_s: float) -> Linearizable:
        """A copy that may take so long to make a counterexample small."""
        return replace(self, explain_s=explain_s)

    def limited(self, timeout_s: float | None, memory_mb: float | None) -> Linearizable:
        """A copy with these limits, where they are tighter than its own."""
        return replace(
            self, timeout_s=_tighter(self.timeout_s, timeout_s), memory_mb=_tighter(self.memory_mb, memory_mb)
        )

    def check(self, history: History) -> Result:
        """Judge every partition on its own (P-compositionality: Herlihy and Wing, 1990, theorem 1)."""
        if history.meta.initial is not None:
            return replace(self, model=self.model.starting_at(history.meta.initial))._check(history)
        return self._check(history)

    def _check(self, history: History) -> Result:
        limits = Limits(self.timeout_s, self.memory_mb)
        if len(history) and self.model.functions and not history.functions() & self.model.functions:
            return Result(Valid.UNKNOWN, self.name, self._nothing_known(history), {"operations": len(history)})
        groups: dict[Hashable, list[Operation]] = {}
        for operation in history.operations:
            groups.setdefault(self.model.partition(operation), []).append(operation)
        found = search_partitions(groups, self.model, limits)
        details = self._details(history, groups, found)
        bad = [name for name, result in found.items() if result.valid is Valid.NO]
        if bad:
            worst = first_failure(found)
            counterexample = self._explain(history, groups[worst], limits)
            details["failed_keys"] = len(bad)
            return Result(Valid.NO, self.name, f"invalid: {counterexample.sentence}", details, counterexample)
        unknown = [name for name, result in found.items() if result.valid is Valid.UNKNOWN]
        if unknown:
            longest = found[unknown[0]]
            details["longest_prefix"] = [operation.index for operation in longest.order]
            sentence = (
                f"unknown: {longest.reason}; {len(unknown)} of {len(found)} keys are undecided, and of the first of "
                f"them {len(longest.order)} operations could be put in order"
            )
            return Result(Valid.UNKNOWN, self.name, sentence, details)
        return Result(
            Valid.YES,
            self.name,
            f"valid: {len(history)} operations on {len(found)} keys are linearizable as {self.model.name}",
            details,
        )

    def _nothing_known(self, history: History) -> str:
        there, known = (", ".join(sorted(names)) for names in (history.functions(), self.model.functions))
        return f"unknown: a {self.model.name} knows none of this history's functions ({there}), only {known}"

    def _details(
        self, history: History, groups: dict[Hashable, list[Operation]], found: dict[Hashable, Search]
    ) -> dict[str, Any]:
        strange = sorted(history.functions() - self.model.functions) if self.model.functions else []
        return {
            "model": self.model.name,
            "operations": len(history),
            "keys": len(groups),
            "configurations": sum(result.configurations for result in found.values()),
            **({"left_out": strange} if strange else {}),
        }

    def _explain(self, history: History, operations: list[Operation], limits: Limits) -> Counterexample:
        budget = explanation_s(self.explain_s, None if self.timeout_s is None else limits.left_s())
        return explain(operations, self.model, scale_of(history), operations[0].key, budget)


def _tighter(one: float | None, two: float | None) -> float | None:
    given = [limit for limit in (one, two) if limit is not None]
    return min(given) if given else None
