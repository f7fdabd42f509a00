"""Sequential models: what one copy of a thing, used by one client at a time, would answer.

A model of your own is one small class::

    class Toggle(Model):
        name = "toggle"

        def initial(self):
            return False

        def step(self, state, operation):
            if operation.f == "flip":
                return not state
            if operation.value != state:
                return ILLEGAL
            return state

``step`` returns the state after the operation, or ILLEGAL where the operation cannot have happened in that state with
that answer. States must be hashable and compare by value. An operation whose outcome is INFO is asked about too: its
answer is unknown, so return what its *effect* would leave behind, or ILLEGAL where it has none.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final, cast

from driver.checkers.observations import CAS, DELETE, FUNCTIONS, MISMATCH, READ, WRITE, is_mismatch
from driver.histories.model import freeze
from driver.history import Operation, Outcome

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
    "Register",
    "SetModel",
]


class _Illegal:
    def __repr__(self) -> str:
        return "ILLEGAL"


ILLEGAL: Final[Any] = _Illegal()
"""What ``step`` returns where the operation cannot be next."""


class Model:
    """The sequential behaviour of one object. Subclass it: ``initial`` and ``step`` are enough."""

    name = "model"
    functions: frozenset[str] = frozenset()
    """The functions it knows, so that others can be told of; empty: it is not said."""

    def initial(self) -> Hashable:
        """The state before the first operation."""
        raise NotImplementedError

    def step(self, state: Any, operation: Any) -> Any:
        """The state after ``operation`` (what ``prepare`` made of it), or ILLEGAL."""
        raise NotImplementedError

    def prepare(self, operation: Operation) -> Any:
        """What ``step`` shall get for an operation, made once; None leaves it out because it says nothing.

        By default the operation itself, with failed ones left out: they certainly did not happen.
        """
        return None if operation.outcome is Outcome.FAIL else operation

    def partition(self, operation: Operation) -> Hashable:
        """Operations of different partitions cannot influence each other (P-compositionality): by default the key."""
        return cast(Hashable, freeze(operation.key))

    def signature(self, operation: Operation) -> Hashable:
        """Indefinite operations of equal signature have equal effects: by default the function and the value."""
        return (operation.f, freeze(operation.value))

    def observes(self, operation: Any) -> bool:
        """Whether ``operation`` (prepared) leaves every state as it is. Saying so where true makes the search fast."""
        return False

    def unnoticed(self, operation: Any, others: Sequence[Any]) -> bool:
        """Whether ``operation`` can be left out because the others, if they are right with it, are right without.

        Asked when a counterexample is made smaller; observations are left out without asking. False is always safe.
        """
        return False

    def prune(self, definite: Sequence[Any], optional: Sequence[Any]) -> list[bool]:
        """For each optional operation whether it could help any other; all by default."""
        return [True] * len(optional)


class CasRegister(Model):
    """Read, write, cas and delete of one value; ``initial_value`` is what is there before the first write."""

    name = "cas-register"
    kinds = frozenset((READ, WRITE, CAS, DELETE))
    functions = frozenset(FUNCTIONS)

    def __init__(self, initial_value: Any = None) -> None:
        self.initial_value = freeze(initial_value)

    def initial(self) -> Hashable:
        """The initial value."""
        return cast(Hashable, self.initial_value)

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


class KeyValue(Model):
    """``get``, ``put``, ``append`` and ``delete``, as in MIT's 6.824 and Porcupine; an absent key reads as ``""``."""

    name = "key-value"
    functions = frozenset(("get", "read", "put", "write", "set", "append", "delete", "del"))

    def initial(self) -> Hashable:
        """Absent."""
        return ""

    def prepare(self, operation: Operation) -> tuple[str, Any] | None:
        """(function, value), None where it says nothing."""
        f = {"read": "get", "write": "put", "set": "put", "del": "delete"}.get(operation.f, operation.f)
        unanswered = operation.outcome is Outcome.FAIL or (f == "get" and operation.outcome is Outcome.INFO)
        if unanswered or f not in ("get", "put", "append", "delete"):
            return None
        return (f, "" if operation.value is None or f == "delete" else freeze(operation.value))

    def observes(self, operation: tuple[str, Any]) -> bool:
        """Gets."""
        return operation[0] == "get"

    def unnoticed(self, operation: tuple[str, Any], others: Sequence[tuple[str, Any]]) -> bool:
        """A text that stands in no get was appended after all of them, or put aside before any."""
        return _unseen_text(operation[1], {other for f, other in others if f == "get"})

    def prune(self, definite: Sequence[tuple[str, Any]], optional: Sequence[tuple[str, Any]]) -> list[bool]:
        """A text that stands in no get helps none."""
        seen = {value for f, value in definite if f == "get"}
        return [not _unseen_text(value, seen) for _, value in optional]

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

    def step(self, state: frozenset[Any], operation: tuple[str, Any]) -> Any:
        """See Model."""
        f, value = operation
        if f == "read":
            return state if value == state else ILLEGAL
        if f == "add":
            return state if value in state else state | {value}
        return state - {value} if value in state else state


class FifoQueue(Model):
    """``enqueue`` and ``dequeue``; a dequeue that succeeded with None, or failed without an error, found it empty."""

    name = "fifo-queue"
    functions = frozenset(("enqueue", "dequeue"))

    def initial(self) -> Hashable:
        """Empty."""
        return ()

    def prepare(self, operation: Operation) -> tuple[str, Any] | None:
        """(what happened, value)."""
        f, outcome = operation.f, operation.outcome
        if f == "enqueue":
            return None if outcome is Outcome.FAIL else ("enqueue", freeze(operation.value))
        if f != "dequeue":
            return None
        if outcome is Outcome.INFO:
            return ("take", None)
        if outcome is Outcome.FAIL and operation.error is not None:
            return None
        if outcome is Outcome.FAIL or operation.value is None:
            return ("empty", None)
        return ("dequeue", freeze(operation.value))

    def observes(self, operation: tuple[str, Any]) -> bool:
        """Finding it empty."""
        return operation[0] == "empty"

    def signature(self, operation: Operation) -> Hashable:
        """What an indefinite dequeue would have given is nothing of its own."""
        return (operation.f, freeze(operation.value) if operation.f == "enqueue" else None)

    def step(self, state: tuple[Any, ...], operation: tuple[str, Any]) -> Any:
        """See Model."""
        f, value = operation
        if f == "enqueue":
            return (*state, value)
        if f == "empty":
            return ILLEGAL if state else state
        if not state or (f == "dequeue" and state[0] != value):
            return ILLEGAL
        return state[1:]


class Counter(Model):
    """``add`` of a number (``inc`` and ``dec`` of 1 where no number is given) and ``read``."""

    name = "counter"
    functions = frozenset(("add", "inc", "dec", "read"))

    def initial(self) -> Hashable:
        """Zero."""
        return 0

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


class MultiRegister(Model):
    """Several registers read and written at once: ``value`` is a list of ``[f, key, value]``, f being r or w."""

    name = "multi-register"

    def initial(self) -> Hashable:
        """Nothing written."""
        return frozenset()

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
            elif held.get(key) != value:
                return ILLEGAL
        return frozenset((key, value) for key, value in held.items() if value is not None)


MODELS: dict[str, type[Model]] = {
    model.name: model for model in (CasRegister, Register, KeyValue, SetModel, FifoQueue, Counter, Lock, MultiRegister)
}
"""The built-in models by name."""
