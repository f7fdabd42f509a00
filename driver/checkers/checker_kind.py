"""What a row of the table of checkers says (``checkers.py``), and the usual ways to make a checker."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.checkers.base import Checker
from raftmon.driver.checkers.register import RegisterChecker
from raftmon.driver.checkers.search.levels import LINEARIZABLE, consistency_level
from raftmon.driver.checkers.search.linearizable import Linearizable
from raftmon.driver.checkers.search.models import CasRegister, Model
from raftmon.driver.checkers.shapes import Shape
from raftmon.setup.errors import InputError

__all__ = [
    "CheckerKind",
    "at_isolation",
    "grow_only_set",
    "later",
    "lock_under_lease",
    "made_of",
    "options_of",
    "register",
    "searching",
    "summary_of",
]


@dataclass(frozen=True, slots=True)
class CheckerKind:
    """One row of the table of checkers.

    ``make``
        called with the options that were given, by name, as text; returns a fresh Checker
    ``summary``
        what it asks, in one line
    ``functions``
        the functions that it understands; None for a checker that is shown everything and decides by itself
    ``options``
        what each means (``NAME:option=value`` on the command line)
    ``aliases``
        other systems' names of its functions
    ``workloads``
        the workloads whose histories it judges, ours and others'
    ``asked_by``
        those of its functions, aliases too, that ask for it where no workload is known
    ``shape``
        which values it understands (``shapes.py``); None for a checker that says so itself
    ``lenient``
        the checker that asks less of the same operations: what is right by it is not invalid if nobody chose this one
    """

    make: Callable[..., Checker]
    summary: str
    functions: frozenset[str] | None
    options: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    workloads: tuple[str, ...] = ()
    asked_by: frozenset[str] = frozenset()
    shape: Shape | None = None
    lenient: str = ""


def later(module: str, name: str) -> Callable[..., Checker]:
    """Imported only when it is asked for: some need scipy, or much of something."""

    def make(**options: Any) -> Checker:
        made: Checker = getattr(importlib.import_module(f"raftmon.driver.checkers.{module}"), name)(**options)
        return made

    return make


def grow_only_set() -> Checker:
    """Sets of which a read may miss what was added just now."""
    from raftmon.driver.checkers.set_full import SetFull

    return SetFull(linearizable=False, name="g-set")


def lock_under_lease() -> Checker:
    """Locks that expire."""
    from raftmon.driver.checkers.lock import Lock

    return Lock(expires=True)


def at_isolation(module: str, name: str) -> Callable[..., Checker]:
    """A checker of transactions; ``level`` is the isolation level the system promises."""

    def make(level: str = "strict-serializable") -> Checker:
        return later(module, name)(expected=level)

    return make


def linearizable(model: Model) -> Checker:
    """A model's checker: in polynomial time if there is such a one, otherwise by search."""
    from raftmon.driver.checkers.unique_values import UniqueValues, has_polynomial_time

    search = Linearizable(model, f"linearizable-{model.name}")
    return UniqueValues(search) if has_polynomial_time(type(model)) else search


def summary_of(model: type[Model]) -> str:
    """What a model's checker asks, in a line."""
    from raftmon.driver.checkers.unique_values import has_polynomial_time

    how = "in polynomial time if values are unique, else by search" if has_polynomial_time(model) else "by search"
    return f"{model.name} is linearizable, {how}"


def at_level(model: Model, level: str) -> Checker:
    """A model's checker at a consistency level."""
    level = consistency_level(level)
    if level == LINEARIZABLE:
        return linearizable(model)
    from raftmon.driver.checkers.at_level import AtLevel

    return AtLevel(model, level, f"{level}-{model.name}")


def searching(model: type[Model]) -> Callable[..., Checker]:
    """Makes a model's checker, at the level that is asked for."""
    return lambda level=LINEARIZABLE: at_level(model(), level)


def register(level: str = LINEARIZABLE) -> Checker:
    """Registers in polynomial time; by views where the level is a weaker one."""
    if consistency_level(level) == LINEARIZABLE:
        return RegisterChecker()
    return at_level(CasRegister(), level)


def made_of(thing: Any, name: str) -> Checker:
    """The checker that somebody's class, function or object is or makes. Raises InputError if it is none."""
    made = thing() if isinstance(thing, type) or (not hasattr(thing, "check") and callable(thing)) else thing
    if isinstance(made, Model):
        return Linearizable(made, f"linearizable-{made.name}")
    if not isinstance(made, Checker):
        raise InputError(f"{name!r} is neither a checker (name, check) nor a model (Model)")
    return made


def options_of(name: str, kind: CheckerKind, text: str) -> dict[str, str]:
    """``a=1,b=2`` as a dict. Raises InputError for an option that the checker does not have."""
    found = {}
    for part in filter(None, text.split(",")):
        option, equals, value = part.partition("=")
        if not equals or option not in kind.options:
            has = ", ".join(kind.options) or "none"
            raise InputError(f"the checker {name} has no option {part!r} (available: {has})")
        found[option] = value
    return found
