"""Writes, and reads of every kind that a multi-version store has: linearizable, at a past revision, of one node's own.

A read at a revision asks for what was there when the store had it; a local read (etcd: serializable) is answered by the
node alone, from whatever it has applied. Both must agree with the log at the revision that they tell.
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.adapters.capabilities import Revision
from raftmon.adapters.versioned import PastReads
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call, OperationResult
from raftmon.driver.workloads.keys import KeyChooser
from raftmon.setup.errors import InputError

__all__ = ["ReadsWorkload"]


class ReadsWorkload:
    """``keys`` keys; ``writes``, ``reads``, ``past`` and ``local`` are weights of the mix; ``far`` is how many
    revisions back a read of the past goes at most. ``choice`` and ``skew``: see keys.py.
    """

    name = "reads"
    needs: tuple[type, ...] = (PastReads, Revision)

    def __init__(
        self,
        *,
        keys: int = 5,
        writes: float = 0.4,
        reads: float = 0.2,
        past: float = 0.2,
        local: float = 0.2,
        far: int = 200,
        choice: str = "uniform",
        skew: float = 0.99,
    ) -> None:
        weights = {"write": writes, "read": reads, "read-at": past, "read-local": local}
        if min(weights.values()) < 0 or not sum(weights.values()) > 0:
            raise InputError("the weights of the workload reads are 0 or more, and one of them above 0")
        if keys < 1 or far < 1:
            raise InputError(f"the workload reads has keys={keys} and far={far}: give at least 1")
        self._parameters = {
            "keys": keys, "writes": writes, "reads": reads, "past": past, "local": local, "far": far, "choice": choice,
            "skew": skew,
        }  # fmt: skip
        self._names = [f"k{number}" for number in range(keys)]
        self._keys = KeyChooser(self._names, choice, skew)
        self._weights, self._far = weights, far

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return dict(self._parameters)

    def slot(self, slot: int, slots: int, random: Random) -> ReadsPlan:
        """The generator of one slot."""
        return ReadsPlan(slot, slots, random, self._keys, self._weights, self._far)

    def last_calls(self) -> list[Call]:
        """Each key through every node: linearizable, and what the node itself has."""
        return [Call(f, key, None) for key in self._names for f in ("read", "read-local")]

    def perform(self, client: Any, call: Call) -> Any:
        """Do one call. ``extra``: ``revision`` of the answer's header, and ``at`` that a read of the past asked for."""
        if call.f == "write":
            client.write(call.key, call.value)
            return OperationResult(call.value, {"revision": client.revision})
        if call.f == "read-at":
            at = max(1, client.revision - call.given)
            value = client.read_at(call.key, at)
            return OperationResult(value, {"revision": client.revision, "at": at})
        value = client.read(call.key) if call.f == "read" else client.read_local(call.key)
        return OperationResult(value, {"revision": client.revision})


class ReadsPlan:
    """One slot's calls; every value is written once."""

    def __init__(
        self, slot: int, slots: int, random: Random, keys: KeyChooser, weights: dict[str, float], far: int
    ) -> None:
        self._random, self._keys = random, keys
        self._kinds, self._weights, self._far = list(weights), list(weights.values()), far
        self._next_value, self._slots = slot + 1, slots

    def next(self) -> Call:
        """The next call."""
        (kind,) = self._random.choices(self._kinds, self._weights)
        key = self._keys.choose(self._random.random())
        back = self._random.randrange(self._far)
        if kind == "write":
            value = self._next_value
            self._next_value += self._slots
            return Call("write", key, value)
        return Call(kind, key, None, back)

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Nothing: what comes next does not depend on it."""
