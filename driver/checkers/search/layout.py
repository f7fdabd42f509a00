"""A history laid out for the search: operations and states as small integers, the model's answers remembered."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from raftmon.driver.checkers.search.model import ILLEGAL, Model
from raftmon.driver.histories.model import NEVER
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Problem", "Steps", "lay_out"]


class Steps:
    """The states met so far, numbered from 0 (the initial one), and the model's answers, each asked for once.

    Operations of the same kind (equal when prepared, and printed alike) have the same answers.
    """

    def __init__(self, model: Model, prepared: Sequence[Any], barren: Callable[[Any], bool] | None) -> None:
        self._step = model.step
        self._barren = barren
        self.operations: list[Any] = []  # one of each kind
        self.states: list[Any] = []
        self._barren_states: list[bool] = []
        self._numbers: dict[Any, int] = {}
        self._answers: dict[tuple[int, int], int] = {}
        kinds: dict[Hashable, int] = {}
        self.kinds = [self._kind(one, kinds) for one in prepared]
        self._number(model.initial())

    def _kind(self, prepared: Any, kinds: dict[Hashable, int]) -> int:
        fresh = len(self.operations)
        if isinstance(prepared, tuple):  # anything else is taken for one of its own
            try:
                known = kinds.setdefault((prepared, repr(prepared)), fresh)  # 1 and True are equal, not the same
            except TypeError:
                known = fresh
            if known != fresh:
                return known
        self.operations.append(prepared)
        return fresh

    def _number(self, state: Any) -> int:
        fresh = len(self.states)
        known = self._numbers.setdefault(state, fresh)
        if known == fresh:
            self.states.append(state)
            self._barren_states.append(self._barren is not None and self._barren(state))
        return known

    def step(self, state: int, kind: int) -> int:
        """The number of the state after an operation of ``kind``; -1 where it is illegal."""
        known = self._answers.get((state, kind))
        if known is None:
            known = self._answers[state, kind] = self.ask(state, kind)
        return known

    def ask(self, state: int, kind: int) -> int:
        """The same, asked of the model itself. Raises what the model raises."""
        after = self._step(self.states[state], self.operations[kind])
        return -1 if after is ILLEGAL else self._number(after)

    def is_barren(self, state: int) -> bool:
        """Whether no observation that is left can come true from here (see ``Model.barren``)."""
        return self._barren_states[state]


@dataclass(slots=True)
class Problem:
    """Definite operations in order of call, then optional ones by class (those of a class have equal effect)."""

    operations: list[Operation]
    steps: Steps
    definite: int
    calls: list[int]
    returns: list[int]
    observes: list[bool]
    classes: list[range]


def lay_out(operations: Sequence[Operation], model: Model) -> Problem:
    """What the search needs of ``operations`` under ``model``."""
    definite: list[tuple[Operation, Any]] = []
    optional: dict[Hashable, list[tuple[Operation, Any]]] = {}
    for operation in sorted(operations, key=lambda operation: operation.call_ns):
        prepared = model.prepare(operation)
        if prepared is None:
            continue
        if operation.outcome is Outcome.INFO or operation.return_ns is None:
            optional.setdefault(model.signature(operation), []).append((operation, prepared))
        else:
            definite.append((operation, prepared))
    _prune(model, definite, optional)
    laid = definite + [pair for group in optional.values() for pair in group]
    classes, start = [], len(definite)
    for group in optional.values():
        classes.append(range(start, start + len(group)))
        start += len(group)
    prepared_all = [prepared for _, prepared in laid]
    barren = model.barren(prepared_all[: len(definite)], prepared_all[len(definite) :])
    return Problem(
        [operation for operation, _ in laid],
        Steps(model, prepared_all, barren),
        len(definite),
        [operation.call_ns for operation, _ in laid],
        [NEVER if operation.return_ns is None else operation.return_ns for operation, _ in definite],
        [model.observes(prepared) for _, prepared in definite],
        classes,
    )


def _prune(
    model: Model, definite: list[tuple[Operation, Any]], optional: dict[Hashable, list[tuple[Operation, Any]]]
) -> None:
    pairs = [pair for group in optional.values() for pair in group]
    keep = iter(model.prune([prepared for _, prepared in definite], [prepared for _, prepared in pairs]))
    for signature, group in list(optional.items()):
        optional[signature] = [pair for pair in group if next(keep)]
