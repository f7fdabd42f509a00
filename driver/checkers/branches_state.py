"""The state that transactions are replayed on: what every key holds, and what it held at earlier revisions.

A key of which nobody can say what it holds is UNKNOWN until somebody reads or deletes it.
"""

from __future__ import annotations

import bisect
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from raftmon.driver.histories.model import freeze

__all__ = ["UNKNOWN", "State", "all_steps", "changes_something", "items_told"]

UNKNOWN: Any = object()
_SIGNS = {"=": operator.eq, "!": operator.ne, "<": operator.lt, ">": operator.gt}
_ABSENT = {"version": 0, "create": 0, "mod": 0}
_REMOVES = ("delete", "delete-range")

Step = Sequence[Any]


def all_steps(value: Any) -> Iterator[Step]:
    """Every step of a transaction, of both branches and of those inside it."""
    for step in (*value["then"], *value["else"]):
        if step[0] == "txn":
            yield from all_steps({"then": step[2], "else": step[3]})
        else:
            yield step


def _taken(step: Step, told: Any) -> Iterator[tuple[Step, Any]]:
    """The steps that were carried out, those of a transaction inside too, each with what was told of it."""
    if step[0] != "txn":
        yield step, told
        return
    for inner, answer in zip(step[2] if told["succeeded"] else step[3], told["results"], strict=False):
        yield from _taken(inner, answer)


def changes_something(steps: Sequence[Step], results: Sequence[Any]) -> bool:
    """Whether the steps that were carried out made a revision."""
    return any(
        one[0] == "put" or (one[0] in _REMOVES and answer)
        for step, told in zip(steps, results, strict=False)
        for one, answer in _taken(step, told)
    )


def items_told(steps: Sequence[Step], results: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Every item that was read."""
    for step, told in zip(steps, results, strict=False):
        for one, answer in _taken(step, told):
            if one[0] in ("get", "get-at") and answer is not None:
                yield answer
            elif one[0] == "range":
                yield from answer


class State:
    """``say(sentence, key)`` is told of every read that is not what the state has."""

    def __init__(self, say: Callable[[str, Any], None]) -> None:
        self._say = say
        self._held: dict[str, Any] = {}
        self._versions: dict[str, list[tuple[int, Any]]] = {}

    def forget(self, step: Step, revision: int) -> None:
        """From ``revision`` on nobody knows what the keys of this step hold."""
        if step[0] in ("put", "delete"):
            self._set(step[1], UNKNOWN, revision)
        elif step[0] == "delete-range":
            for key in self._within(step[1], step[2]):
                self._set(key, UNKNOWN, revision)

    def holds(self, comparison: Step) -> bool | None:
        """Whether a comparison is true; None where that is unknown."""
        target, key, sign, operand = comparison
        item = self._held.get(key)
        if item is UNKNOWN:
            return None
        if target == "value":
            return item is not None and bool(_SIGNS[sign](freeze(item["value"]), freeze(operand)))
        return bool(_SIGNS[sign]((item or _ABSENT)[target], operand))

    def branch(self, comparisons: Sequence[Step]) -> bool | None:
        """Which branch they lead to; None where that is unknown."""
        truths = [self.holds(comparison) for comparison in comparisons]
        return False if False in truths else None if None in truths else True

    def carry_out(self, steps: Sequence[Step], results: Sequence[Any], revision: int) -> None:
        """Compare what was told of each step with the state before it, and make its change."""
        for step, told in zip(steps, results, strict=False):
            for one, answer in _taken(step, told):
                getattr(self, "_" + one[0].replace("-", "_"))(one, answer, revision)

    def _set(self, key: str, item: Any, revision: int) -> None:
        self._held[key] = item
        self._versions.setdefault(key, []).append((revision, item))

    def _within(self, first: str, end: str) -> list[str]:
        return [key for key in self._held if first <= key < end]

    def _read(self, key: str, told: Any, revision: int) -> None:
        item = self._held.get(key)
        if item is UNKNOWN:
            self._set(key, told, revision)
        elif freeze(item) != freeze(told):
            self._say(f"at revision {revision} {key} was read as {told!r}; it was {item!r}", key)
            self._held[key] = told

    def _get(self, step: Step, told: Any, revision: int) -> None:
        self._read(step[1], told, revision)

    def _range(self, step: Step, told: Any, revision: int) -> None:
        items = {item["key"]: item for item in told}
        for key in {*self._within(step[1], step[2]), *items}:
            self._read(key, items.get(key), revision)

    def _get_at(self, step: Step, told: Any, revision: int) -> None:
        _, key, at = step
        versions = self._versions.get(key, [])
        place = bisect.bisect_right(versions, at, key=lambda version: version[0])
        item = versions[place - 1][1] if place else None
        if item is not UNKNOWN and freeze(item) != freeze(told):
            self._say(f"at revision {revision} {key} at {at} was read as {told!r}; it was {item!r}", key)

    def _put(self, step: Step, _told: Any, revision: int) -> None:
        _, key, value = step
        item = self._held.get(key)
        if item is UNKNOWN:
            return
        create, version = (item["create"], item["version"] + 1) if item else (revision, 1)
        self._set(key, {"key": key, "value": value, "mod": revision, "create": create, "version": version}, revision)

    def _delete(self, step: Step, told: Any, revision: int) -> None:
        self._remove([step[1]], f"a delete of {step[1]}", told, revision)

    def _delete_range(self, step: Step, told: Any, revision: int) -> None:
        words = f"a delete of {step[1]} to {step[2]}"
        self._remove(self._within(step[1], step[2]), words, told, revision)

    def _remove(self, keys: Sequence[str], words: str, told: int, revision: int) -> None:
        held = [self._held.get(key) for key in keys]
        unknown = sum(item is UNKNOWN for item in held)
        there = sum(item is not None for item in held) - unknown
        if not there <= told <= there + unknown:
            most = f" to {there + unknown}" if unknown else ""
            self._say(f"at revision {revision} {words} removed {told} keys; {there}{most} were there", keys)
        for key in keys:
            if self._held.get(key) is not None:
                self._set(key, None, revision)
