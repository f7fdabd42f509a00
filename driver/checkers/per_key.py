"""Every key judged on its own, whatever the checker (``raftmon check --per-key``), as ``jepsen.independent`` does."""

from __future__ import annotations

import dataclasses
from typing import Any

from raftmon.driver.checkers.base import Checker, Result, Valid
from raftmon.driver.checkers.extent import UNDERSTOOD, Extent, sum_of, with_extent
from raftmon.driver.checkers.understanding import explaining
from raftmon.driver.checkers.words import value_text
from raftmon.driver.histories.model import History, freeze
from raftmon.driver.histories.operation import Operation

__all__ = ["PerKey", "take_apart"]


def take_apart(history: History) -> History:
    """``history`` with keys: values that are ``[key, value]`` are taken apart where no operation has a key.

    It stays as it is where some operation has a key, or a value that is no pair.
    """
    listed = list(history.operations)
    values = [one.value for one in listed if one.value is not None]
    pairs = all(isinstance(value, list | tuple) and len(value) == 2 for value in values)
    if not pairs or any(one.key is not None for one in listed):
        return history
    apart = [
        one if one.value is None else dataclasses.replace(one, key=one.value[0], value=one.value[1]) for one in listed
    ]
    return History(apart, problems=history.problems, notes=history.notes, meta=history.meta)


class PerKey:
    """``checker`` asked of each key's operations; the worst verdict counts. ``details``: ``keys`` {key: verdict}."""

    def __init__(self, checker: Checker) -> None:
        self.name = checker.name
        self._checker = checker

    def explaining(self, explain_s: float) -> PerKey:
        """A copy that may explain for so long."""
        return PerKey(explaining(self._checker, explain_s))

    def check(self, history: History) -> Result:
        """Judge every key; the sentence is that of the first key with the worst verdict."""
        groups: dict[Any, list[Operation]] = {}
        for operation in take_apart(history).operations:
            groups.setdefault(freeze(operation.key), []).append(operation)
        judged = {
            key: self._checker.check(History(some, problems=history.problems, notes=history.notes, meta=history.meta))
            for key, some in groups.items()
        }
        if not judged:
            return self._checker.check(history)
        order = (Valid.NO, Valid.UNKNOWN, Valid.YES)
        key, worst = min(judged.items(), key=lambda item: order.index(item[1].valid))
        alike = sum(result.valid is worst.valid for result in judged.values())
        details = {**worst.details, "keys": {value_text(key): result.valid.value for key, result in judged.items()}}
        result = Result(worst.valid, self.name, "", details, worst.counterexample)
        said = worst.sentence
        extents = [Extent(**found) for one in judged.values() if (found := one.details.get(UNDERSTOOD)) is not None]
        if UNDERSTOOD in worst.details:
            said = said.removesuffix(f" ({Extent(**worst.details[UNDERSTOOD]).clause()})")
        result.sentence = f"{alike} of {len(judged)} keys {worst.valid.value}; key {value_text(key)}: {said}"
        return with_extent(result, sum_of(extents)) if extents else result
