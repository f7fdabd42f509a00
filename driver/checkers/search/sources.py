"""Which updates an observation surely saw: the *reads-from* relation, as far as the values tell it.

``sources(model, places, prepared)`` gives for every operation the numbers of the updates it must have seen, and whether
some observation's source is not known (a value written twice, a counter's sum, a model that nobody can look into).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from raftmon.driver.checkers.search.model import Model
from raftmon.driver.checkers.search.models import CasRegister, KeyValue, MultiRegister, SetModel
from raftmon.driver.checkers.search.queue_models import FifoQueue, Stack
from raftmon.driver.checkers.zones.observations import CAS, MISMATCH, READ, WRITE

__all__ = ["only_sources_matter", "sources"]

_Marks = tuple[list[Hashable], list[Hashable], bool]  # what it brings, what it saw, whether that tells everything


def sources(model: Model, places: Sequence[Hashable], prepared: Sequence[Any]) -> tuple[list[list[int]], bool]:
    """For each operation (of partition ``places[n]``) its sources, and whether all of them are known."""
    marks_of = _reader(model)
    if marks_of is None:
        return [[] for _ in prepared], all(model.observes(one) is False for one in prepared)
    marks = [marks_of(one) for one in prepared]
    known = all(tells for _, _, tells in marks)
    brought: dict[Hashable, list[int]] = defaultdict(list)
    for number, (brings, _, _) in enumerate(marks):
        for mark in brings:
            brought[places[number], mark].append(number)
    found: list[list[int]] = []
    for number, (_, saw, _) in enumerate(marks):
        mine = []
        for mark in saw:
            writers = [n for n in brought.get((places[number], mark), ()) if n != number]
            initial = _holds_at_first(model, mark)
            if len(writers) == 1 and not initial:
                mine.append(writers[0])
            elif writers:
                known = False
        found.append(mine)
    return found, known


def only_sources_matter(model: Model, prepared: Sequence[Any]) -> bool:
    """Whether an update that no observation needs can be left out of a view: registers and sets that only grow."""
    if isinstance(model, CasRegister):
        return all(kind != MISMATCH for kind, _, _ in prepared)
    if isinstance(model, SetModel):
        return all(f != "remove" for f, _ in prepared)
    return isinstance(model, MultiRegister)


def _holds_at_first(model: Model, mark: Hashable) -> bool:
    if isinstance(model, CasRegister):
        return bool(mark == model.initial_value)
    if isinstance(model, MultiRegister):
        assert isinstance(mark, tuple)
        return bool(model.at_first(mark[0]) == mark[1])
    return isinstance(model, KeyValue) and mark == ""


def _reader(model: Model) -> Callable[[Any], _Marks] | None:
    for kind, reader in _READERS:
        if isinstance(model, kind):
            return reader
    return None


def _of_register(one: tuple[int, Any, Any]) -> _Marks:
    kind, saw, wrote = one
    return ([wrote] if kind in (WRITE, CAS) else [], [saw] if kind in (READ, CAS) else [], True)


def _of_registers(one: tuple[tuple[bool, Any, Any], ...]) -> _Marks:
    writes = [(key, value) for reads, key, value in one if not reads]
    mine: dict[Any, Any] = {}
    saw = []
    for reads, key, value in one:
        if not reads:
            mine[key] = value
        elif key not in mine:
            saw.append((key, value))
    return list(writes), list(saw), True


def _of_set(one: tuple[str, Any]) -> _Marks:
    f, value = one
    if f == "read":
        return [], list(value), True
    return ([value] if f == "add" else [], [], f == "add")


def _of_queue(one: tuple[str, Any]) -> _Marks:
    what, value = one
    if what == "put":
        return [value], [], True
    return [], [value] if what == "taken" else [], what != "take"


def _of_key_value(one: tuple[str, Any]) -> _Marks:
    f, value = one
    if f == "get":
        return [], [value], True
    return [value], [], f == "put"


_READERS: tuple[tuple[type[Model], Callable[[Any], _Marks]], ...] = (
    (CasRegister, _of_register),
    (MultiRegister, _of_registers),
    (SetModel, _of_set),
    (FifoQueue, _of_queue),
    (Stack, _of_queue),
    (KeyValue, _of_key_value),
)
