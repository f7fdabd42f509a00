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

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final, cast

from raftmon.driver.histories.model import freeze
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.setup.errors import InputError

__all__ = ["ILLEGAL", "Model", "NondeterministicModel"]


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

    def starting_at(self, value: Any) -> Model:
        """The model with another initial value (``--initial``). Raises InputError where it has none to choose."""
        raise InputError(f"a {self.name} has no initial value to choose: leave --initial out")

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

    def barren(self, definite: Sequence[Any], optional: Sequence[Any]) -> Callable[[Any], bool] | None:
        """A test of states: from one for which it is true no observation of ``definite`` can ever come true.

        Neither in that state nor in any that ``definite`` and ``optional`` can make of it. None, the default, knows of
        no such states. Where histories are wrong or very concurrent this is what keeps the search short.
        """
        return None


class NondeterministicModel(Model):
    """A model that may go on in several ways: a cache that may forget, a queue that may deliver twice.

    Subclass it: ``initials`` and ``steps`` are enough. The search walks through sets of states (the powerset
    construction, as Porcupine's ``NondeterministicModel.ToModel``), so a history is right if any way explains it.
    """

    def initials(self) -> Iterable[Hashable]:
        """The states it may be in before the first operation."""
        raise NotImplementedError

    def steps(self, state: Any, operation: Any) -> Iterable[Hashable]:
        """Every state that ``operation`` may leave behind; none where it cannot have happened in ``state``."""
        raise NotImplementedError

    def initial(self) -> Hashable:
        """See Model."""
        return frozenset(self.initials())

    def step(self, state: frozenset[Any], operation: Any) -> Any:
        """See Model."""
        after = frozenset(one for before in state for one in self.steps(before, operation))
        return after or ILLEGAL
