"""Random small transactions: comparisons of value, version and revisions, then puts, gets and deletes of either branch.

A call's value is ``{"if": [[target, key, sign, operand]], "then": [...], "else": [...]}``; the steps are those of
``raftmon.adapters.versioned.Branches``: put, get, get at a revision, range, delete, delete of a range, and a
transaction inside. What is answered adds ``succeeded`` and ``results``. Values are unique.
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.adapters.versioned import Branches
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call, OperationResult
from raftmon.setup.errors import InputError

__all__ = ["TxnPlan", "TxnWorkload"]

_TARGETS = ("value", "version", "create", "mod")


class TxnWorkload:
    """``keys`` keys, up to ``most`` comparisons and up to ``most`` steps a branch."""

    name = "txn"
    needs: tuple[type, ...] = (Branches,)

    def __init__(self, *, keys: int = 5, most: int = 3) -> None:
        if keys < 1 or most < 1:
            raise InputError("the workload txn needs at least 1 key, and most of at least 1")
        self._keys, self._most = keys, most

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return {"keys": self._keys, "most": self._most}

    def slot(self, slot: int, slots: int, random: Random) -> TxnPlan:
        """The generator of one slot."""
        return TxnPlan(slot, slots, random, self._keys, self._most)

    def last_calls(self) -> list[Call]:
        """One transaction that gets every key."""
        gets = [["get", f"t{number}"] for number in range(self._keys)]
        return [Call("transact", None, {"if": [], "then": gets, "else": []})]

    def perform(self, client: Any, call: Call) -> Any:
        """Do one transaction."""
        asked = call.value
        done = client.branch(asked["if"], asked["then"], asked["else"])
        answer = {**asked, "succeeded": done["succeeded"], "results": done["results"]}
        return OperationResult(answer, {"revision": done["revision"]})


class TxnPlan:
    """One slot's transactions; half of the comparisons are with what it saw last."""

    def __init__(self, slot: int, slots: int, random: Random, keys: int, most: int) -> None:
        self._random = random
        self._keys, self._most = keys, most
        self._next_value, self._slots = slot + 1, slots
        self._seen: dict[str, dict[str, Any] | None] = {}

    def next(self) -> Call:
        """One transaction."""
        names = [f"t{number}" for number in range(self._keys)]
        compared = self._random.sample(names, min(len(names), self._random.randint(0, self._most)))
        return Call(
            "transact",
            None,
            {"if": [self._comparison(key) for key in compared], "then": self._steps(names), "else": self._steps(names)},
        )

    def _comparison(self, key: str) -> list[Any]:
        target = self._random.choice(_TARGETS)
        sign = self._random.choice("=!") if target == "value" else self._random.choice("=!<>")
        item = self._seen.get(key)
        guess = self._random.randint(0, 3)
        if target == "value":
            return [target, key, sign, item["value"] if item else guess]
        return [target, key, sign, item[target] if item and guess else guess % 2]

    def _steps(self, names: list[str], depth: int = 0) -> list[list[Any]]:
        """Steps on keys of their own (etcd takes no key twice in a transaction); reads may meet any key."""
        free = self._random.sample(names, len(names))
        steps: list[list[Any]] = []
        for _ in range(self._random.randint(1, self._most)):
            if not free:
                break
            kind, key = self._random.random(), free.pop()
            if kind < 0.3:
                steps.append(["get", key])
            elif kind < 0.4:
                steps.append(self._past(key))
            elif kind < 0.5:
                steps.append(["range", min(names), max(names) + "~"])
            elif kind < 0.8 or (kind >= 0.95 and (depth or not free)):
                steps.append(["put", key, self._next_value])
                self._next_value += self._slots
            elif kind < 0.87:
                steps.append(["delete", key])
            elif kind < 0.95:
                after = min((name for name in free if name > key), default=key)
                free = [name for name in free if not key <= name <= after]
                steps.append(["delete-range", key, after + "~"])
            else:
                inner, free = [key, *free[::2]], free[1::2]
                compared = [self._comparison(inner[0])]
                steps.append(["txn", compared, self._steps(inner, depth + 1), self._steps(inner, depth + 1)])
        return steps

    def _past(self, key: str) -> list[Any]:
        """A read at a revision that this slot has seen."""
        revisions = [item["mod"] for item in self._seen.values() if item]
        return ["get-at", key, self._random.choice(revisions)] if revisions else ["get", key]

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Remember what gets and ranges returned."""
        if outcome is Outcome.OK and isinstance(result, dict):
            for step, told in zip(result["then" if result["succeeded"] else "else"], result["results"], strict=False):
                if step[0] == "get":
                    self._seen[step[1]] = told
                elif step[0] == "range":
                    self._seen.update({item["key"]: item for item in told})
