"""Models of registers: one value, or several at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, cast

from raftmon.driver.checkers.search.model import ILLEGAL, Model
from raftmon.driver.checkers.zones.observations import CAS, DELETE, FUNCTIONS, MISMATCH, READ, WRITE, is_mismatch
from raftmon.driver.histories.model import freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["CasRegister", "MultiRegister", "Register"]


class CasRegister(Model):
    """Read, write, cas and delete of one value; ``initial_value`` is the value before the first write."""

    name = "cas-register"
    kinds = frozenset((READ, WRITE, CAS, DELETE))
    functions = frozenset(FUNCTIONS)

    def __init__(self, initial_value: Any = None) -> None:
        self.initial_value = freeze(initial_value)

    def initial(self) -> Hashable:
        """The initial value."""
        return cast(Hashable, self.initial_value)

    def starting_at(self, value: Any) -> CasRegister:
        """The same register, holding ``value`` at first."""
        return type(self)(value)

    def prepare(self, operation: Operation) -> tuple[int, Any, Any] | None:
        """(kind, what was seen, what was written)."""
        kind = FUNCTIONS.get(operation.f)
        if kind not in self.kinds:
            return None
        failed, value = operation.outcome is Outcome.FAIL, operation.value
        if kind == READ:
            return (READ, freeze(value), None) if operation.outcome is Outcome.OK else None
        if kind == CAS:
            if failed and operation.has_seen:
                return (READ, freeze(operation.seen), None)
            if not isinstance(value, list | tuple) or len(value) != 2:
                return None
            if failed:
                return (MISMATCH, freeze(value[0]), None) if is_mismatch(operation) else None
            return (CAS, freeze(value[0]), freeze(value[1]))
        if failed:
            return None
        return (WRITE, None, self.initial_value if kind == DELETE else freeze(value))

    def observes(self, operation: tuple[int, Any, Any]) -> bool:
        """Reads, failed cas, and a cas of a value to itself."""
        kind, saw, wrote = operation
        return kind in (READ, MISMATCH) or (kind == CAS and saw == wrote)

    def unnoticed(self, operation: tuple[int, Any, Any], others: Sequence[tuple[int, Any, Any]]) -> bool:
        """A value that nobody saw is followed by a write, and that write does not mind its absence."""
        wrote = operation[2]
        return all(kind != MISMATCH and (kind == WRITE or saw != wrote) for kind, saw, _ in others)

    def prune(self, definite: Sequence[tuple[int, Any, Any]], optional: Sequence[tuple[int, Any, Any]]) -> list[bool]:
        """What nobody saw helps nobody, but for a cas that found another value than it expected."""
        if any(kind == MISMATCH for kind, _, _ in definite):
            return [True] * len(optional)
        seen = {saw for kind, saw, _ in definite if kind != WRITE}
        waiting = [(saw, wrote) for kind, saw, wrote in optional if kind == CAS]
        while True:
            further = {saw for saw, wrote in waiting if wrote in seen} - seen
            if not further:
                return [wrote in seen for _, _, wrote in optional]
            seen |= further

    def step(self, state: Any, operation: tuple[int, Any, Any]) -> Any:
        """See Model."""
        kind, saw, wrote = operation
        if kind == WRITE:
            return wrote
        if kind == MISMATCH:
            return ILLEGAL if saw == state else state
        if saw != state:
            return ILLEGAL
        return wrote if kind == CAS else state


class Register(CasRegister):
    """Read and write of one value, which may be written more than once."""

    name = "register"
    kinds = frozenset((READ, WRITE))
    functions = frozenset(name for name, kind in FUNCTIONS.items() if kind in (READ, WRITE))


class MultiRegister(Model):
    """Several registers read and written at once: ``value`` is a list of ``[f, key, value]``, f being r or w."""

    name = "multi-register"

    def __init__(self, initial_values: Any = None) -> None:
        """``initial_values``: a dict of what each register holds at first, or one value that all of them hold."""
        each = isinstance(initial_values, dict)
        self._first = {freeze(k): freeze(v) for k, v in initial_values.items()} if each else {}
        self._all = None if each else freeze(initial_values)

    def starting_at(self, value: Any) -> MultiRegister:
        """The same registers; a dict says what each holds at first (JSON's keys are texts), any other value all."""
        if isinstance(value, dict):
            numbers = {int(key): held for key, held in value.items() if isinstance(key, str) and key.isdecimal()}
            return MultiRegister({**value, **numbers})
        return MultiRegister(value)

    def initial(self) -> Hashable:
        """Nothing written."""
        return frozenset()

    def at_first(self, key: Any) -> Any:
        """What a register holds before anything is written to it."""
        return self._first.get(key, self._all)

    def partition(self, operation: Operation) -> Hashable:
        """One: every operation may touch every register."""
        return None

    def prepare(self, operation: Operation) -> tuple[tuple[bool, Any, Any], ...] | None:
        """((reads, key, value), …)."""
        if operation.outcome is Outcome.FAIL or not isinstance(operation.value, list | tuple):
            return None
        steps = []
        for part in operation.value:
            if not isinstance(part, list | tuple) or len(part) != 3:
                return None
            reads = FUNCTIONS.get(part[0]) == READ
            if not reads or operation.outcome is Outcome.OK:
                steps.append((reads, freeze(part[1]), freeze(part[2])))
        return tuple(steps) or None

    def observes(self, operation: tuple[tuple[bool, Any, Any], ...]) -> bool:
        """Where it only reads."""
        return all(reads for reads, _, _ in operation)

    def step(self, state: frozenset[Any], operation: tuple[tuple[bool, Any, Any], ...]) -> Any:
        """See Model."""
        held = dict(state)
        for reads, key, value in operation:
            if not reads:
                held[key] = value
            elif held.get(key, self.at_first(key)) != value:
                return ILLEGAL
        return frozenset((key, value) for key, value in held.items() if value != self.at_first(key))
