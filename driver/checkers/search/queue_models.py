"""Queues, stacks and priority queues as models. ``model.py`` says what a model is."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from raftmon.driver.checkers.search.model import ILLEGAL, Model
from raftmon.driver.histories.model import freeze
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.setup.errors import InputError

__all__ = ["FifoQueue", "PriorityQueue", "Stack"]


class _Container(Model):
    """Values go in and come out one by one; a take that gave None, or failed without an error, found it empty.

    ``_put`` and ``_take`` are the functions' names.
    """

    _put: str
    _take: str

    def initial(self) -> Hashable:
        """Empty."""
        return ()

    def prepare(self, operation: Operation) -> tuple[str, Any] | None:
        """(what happened, value)."""
        f, outcome = operation.f, operation.outcome
        if f == self._put:
            return None if outcome is Outcome.FAIL else ("put", freeze(operation.value))
        if f != self._take:
            return None
        if outcome is Outcome.INFO:
            return ("take", None)
        if outcome is Outcome.FAIL and operation.error is not None:
            return None
        if outcome is Outcome.FAIL or operation.value is None:
            return ("empty", None)
        return ("taken", freeze(operation.value))

    def observes(self, operation: tuple[str, Any]) -> bool:
        """Finding it empty."""
        return operation[0] == "empty"

    def signature(self, operation: Operation) -> Hashable:
        """What an indefinite take would have given is nothing of its own."""
        return (operation.f, freeze(operation.value) if operation.f == self._put else None)


class FifoQueue(_Container):
    """``enqueue`` and ``dequeue``: the value that has been in it longest comes first."""

    name = "fifo-queue"
    functions = frozenset(("enqueue", "dequeue"))
    _put, _take = "enqueue", "dequeue"

    def step(self, state: tuple[Any, ...], operation: tuple[str, Any]) -> Any:
        """See Model."""
        what, value = operation
        if what == "put":
            return (*state, value)
        if what == "empty":
            return ILLEGAL if state else state
        if not state or (what == "taken" and state[0] != value):
            return ILLEGAL
        return state[1:]


class Stack(_Container):
    """``push`` and ``pop``: the value that came last comes first."""

    name = "stack"
    functions = frozenset(("push", "pop"))
    _put, _take = "push", "pop"

    def with_value(self, state: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
        """The state with one more value; the last is the one that is taken next."""
        return (*state, value)

    def step(self, state: tuple[Any, ...], operation: tuple[str, Any]) -> Any:
        """See Model."""
        what, value = operation
        if what == "put":
            return self.with_value(state, value)
        if what == "empty":
            return ILLEGAL if state else state
        if not state or (what == "taken" and state[-1] != value):
            return ILLEGAL
        return state[:-1]


class PriorityQueue(Stack):
    """``insert`` and ``extract-max``: the largest value comes first. Values must be comparable with each other."""

    name = "priority-queue"
    functions = frozenset(("insert", "extract-max"))
    _put, _take = "insert", "extract-max"

    def with_value(self, state: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
        """Sorted. Raises InputError where two values cannot be compared."""
        try:
            return tuple(sorted((*state, value)))
        except TypeError as error:
            raise InputError(f"a priority queue of values that cannot be compared: {error}") from error
