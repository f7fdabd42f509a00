"""The built-in models but for registers and queues, and all of them by name. ``model.py`` says what a model is."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from raftmon.driver.checkers.search.model import ILLEGAL, Model
from raftmon.driver.checkers.search.queue_models import FifoQueue, PriorityQueue, Stack
from raftmon.driver.checkers.search.register_models import CasRegister, MultiRegister, Register
from raftmon.driver.histories.model import freeze
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.setup.errors import InputError

__all__ = [
    "ILLEGAL",
    "MODELS",
    "CasRegister",
    "Counter",
    "FifoQueue",
    "KeyValue",
    "Lock",
    "Model",
    "MultiRegister",
    "PriorityQueue",
    "Register",
    "SetModel",
    "Stack",
]


class KeyValue(Model):
    """``get``, ``put``, ``append`` and ``delete``, as in MIT's 6.824 and Porcupine; an absent key reads as ``""``."""

    name = "key-value"
    functions = frozenset(("get", "read", "put", "write", "set", "append", "delete", "del"))

    def initial(self) -> Hashable:
        """Absent."""
        return ""

    def prepare(self, operation: Operation) -> tuple[str, Any] | None:
        """(function, value), None if it says nothing."""
        f = {"read": "get", "write": "put", "set": "put", "del": "delete"}.get(operation.f, operation.f)
        unanswered = operation.outcome is Outcome.FAIL or (f == "get" and operation.outcome is Outcome.INFO)
        if unanswered or f not in ("get", "put", "append", "delete"):
            return None
        return (f, "" if operation.value is None or f == "delete" else freeze(operation.value))

    def observes(self, operation: tuple[str, Any]) -> bool:
        """Gets."""
        return operation[0] == "get"

    def unnoticed(self, operation: tuple[str, Any], others: Sequence[tuple[str, Any]]) -> bool:
        """A text that is in no get was appended after all of them, or put aside before any."""
        return _unseen_text(operation[1], {other for f, other in others if f == "get"})

    def prune(self, definite: Sequence[tuple[str, Any]], optional: Sequence[tuple[str, Any]]) -> list[bool]:
        """A text that is in no get helps none."""
        seen = {value for f, value in definite if f == "get"}
        return [not _unseen_text(value, seen) for _, value in optional]

    def barren(
        self, definite: Sequence[tuple[str, Any]], optional: Sequence[tuple[str, Any]]
    ) -> Callable[[Any], bool] | None:
        """Where texts are only appended, what is not the beginning of some get's answer never becomes one."""
        if any(f not in ("get", "append") or not isinstance(value, str) for f, value in (*definite, *optional)):
            return None
        seen = sorted({value for f, value in definite if f == "get"}, key=len, reverse=True)
        longest = seen[0] if seen else ""
        if all(longest.startswith(value) for value in seen):
            return lambda state: not longest.startswith(state)
        return lambda state: not any(value.startswith(state) for value in seen)

    def step(self, state: Any, operation: tuple[str, Any]) -> Any:
        """See Model."""
        f, value = operation
        if f == "get":
            return state if value == state else ILLEGAL
        if f != "append":
            return value
        if isinstance(value, str) and isinstance(state, str):
            return state + value
        return (*(state or ("[]",)), value)  # appended to a list, frozen as ``freeze`` does


def _unseen_text(text: Any, seen: set[Any]) -> bool:
    return isinstance(text, str) and text != "" and all(isinstance(s, str) and text not in s for s in seen)


class SetModel(Model):
    """``add``, ``remove`` of an element and ``read`` of all of them."""

    name = "set"
    functions = frozenset(("add", "remove", "read"))

    def initial(self) -> Hashable:
        """Empty."""
        return frozenset()

    def prepare(self, operation: Operation) -> tuple[str, Any] | None:
        """(function, element or frozenset)."""
        if operation.outcome is Outcome.FAIL or operation.f not in ("add", "remove", "read"):
            return None
        if operation.f != "read":
            return (operation.f, freeze(operation.value))
        if operation.outcome is not Outcome.OK:
            return None
        return ("read", frozenset(map(freeze, operation.value or ())))

    def observes(self, operation: tuple[str, Any]) -> bool:
        """Reads."""
        return operation[0] == "read"

    def unnoticed(self, operation: tuple[str, Any], others: Sequence[tuple[str, Any]]) -> bool:
        """An element that no read holds and nobody else touches was added after every read."""
        f, value = operation
        return not any((o == "read" and value in v) or (o != "read" and v == value) for o, v in others) and f == "add"

    def barren(
        self, definite: Sequence[tuple[str, Any]], optional: Sequence[tuple[str, Any]]
    ) -> Callable[[Any], bool] | None:
        """Where elements are only added, a set that is part of no read never becomes one that was read."""
        if any(f == "remove" for f, _ in (*definite, *optional)):
            return None
        reads = sorted({value for f, value in definite if f == "read"}, key=len, reverse=True)
        return lambda state: not any(state <= read for read in reads)

    def step(self, state: frozenset[Any], operation: tuple[str, Any]) -> Any:
        """See Model."""
        f, value = operation
        if f == "read":
            return state if value == state else ILLEGAL
        if f == "add":
            return state if value in state else state | {value}
        return state - {value} if value in state else state


class Counter(Model):
    """``add`` of a number (``inc`` and ``dec`` of 1 where no number is given) and ``read``."""

    name = "counter"
    functions = frozenset(("add", "inc", "dec", "read"))

    def __init__(self, initial_value: Any = 0) -> None:
        if isinstance(initial_value, bool) or not isinstance(initial_value, int | float):
            raise InputError(f"a counter begins with a number, not {initial_value!r}")
        self.initial_value = initial_value

    def starting_at(self, value: Any) -> Counter:
        """The same counter from another number on."""
        return Counter(value)

    def initial(self) -> Hashable:
        """Zero, or what was given."""
        return self.initial_value

    def prepare(self, operation: Operation) -> tuple[bool, Any] | None:
        """(whether it reads, the number read or added)."""
        f, value = operation.f, operation.value
        if operation.outcome is Outcome.FAIL or f not in ("add", "inc", "dec", "read"):
            return None
        if f == "read":
            return (True, value) if operation.outcome is Outcome.OK else None
        number = 1 if value is None else value
        if isinstance(number, bool) or not isinstance(number, int | float):
            return None
        return (False, -number if f == "dec" else number)

    def observes(self, operation: tuple[bool, Any]) -> bool:
        """Reads."""
        return operation[0]

    def step(self, state: Any, operation: tuple[bool, Any]) -> Any:
        """See Model."""
        reads, number = operation
        if reads:
            return state if number == state else ILLEGAL
        return state + number


class Lock(Model):
    """``acquire`` and ``release``; the owner is the value given, or else the process.

    An acquire that failed without an error found the lock held.
    """

    name = "lock"
    functions = frozenset(("acquire", "release", "lock", "unlock"))

    def initial(self) -> Hashable:
        """Free."""
        return None

    def prepare(self, operation: Operation) -> tuple[str, Any] | None:
        """(function, owner)."""
        f = {"lock": "acquire", "unlock": "release"}.get(operation.f, operation.f)
        if f not in ("acquire", "release"):
            return None
        owner = self._owner(operation)
        if operation.outcome is Outcome.FAIL:
            return ("held", None) if f == "acquire" and operation.error is None else None
        return (f, owner)

    def _owner(self, operation: Operation) -> Hashable:
        if operation.value is None:
            return ("process", operation.process)
        return ("owner", freeze(operation.value))

    def observes(self, operation: tuple[str, Any]) -> bool:
        """Finding it held."""
        return operation[0] == "held"

    def signature(self, operation: Operation) -> Hashable:
        """The function and the owner."""
        return (operation.f, self._owner(operation))

    def step(self, state: Any, operation: tuple[str, Any]) -> Any:
        """See Model."""
        f, owner = operation
        if f == "held":
            return ILLEGAL if state is None else state
        if f == "acquire":
            return owner if state is None else ILLEGAL
        return None if state == owner else ILLEGAL


MODELS: dict[str, type[Model]] = {
    model.name: model
    for model in (
        CasRegister,
        Register,
        KeyValue,
        SetModel,
        FifoQueue,
        Stack,
        PriorityQueue,
        Counter,
        Lock,
        MultiRegister,
    )
}
"""The built-in models by name."""
