"""Reads, writes and compare-and-sets on many keys, every value written at most once in a run.

Unique values make the check polynomial (Gibbons and Korach, "Testing Shared Memories", 1997). Value ``v`` was written
by slot ``(v - 1) % slots``: it is that slot's ``(v - 1) // slots``-th.
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call
from raftmon.driver.workloads.keys import KeyChooser
from raftmon.setup.errors import InputError

__all__ = ["RegisterWorkload"]


class RegisterWorkload:
    """``keys`` registers ``k0..``, ``prefix`` before each; ``reads``, ``writes`` and ``cas`` are weights of the mix.

    ``choice`` and ``skew`` say which keys are asked for most (keys.py).
    """

    name = "register"
    needs: tuple[type, ...] = ()

    def __init__(
        self,
        *,
        keys: int = 5,
        reads: float = 0.5,
        writes: float = 0.25,
        cas: float = 0.25,
        choice: str = "uniform",
        skew: float = 0.99,
        prefix: str = "",
    ) -> None:
        weights = {"reads": reads, "writes": writes, "cas": cas}
        for name, weight in weights.items():
            if weight < 0:
                raise InputError(f"the weight of {name} in the workload register is {weight:g}: give 0 or more")
        if not sum(weights.values()) > 0:
            raise InputError("the workload register has no operation: give reads, writes or cas a weight above 0")
        if keys < 1:
            raise InputError(f"the workload register has {keys} keys: give at least 1")
        self._keys = keys
        self._weights = weights
        self._choice = {} if choice == "uniform" else {"choice": choice, "skew": skew}
        self._chooser = KeyChooser([f"{prefix}k{number}" for number in range(keys)], choice, skew)
        self._prefix = prefix

    def parameters(self) -> dict[str, Any]:
        """Keys, weights, and how keys are chosen where that is not uniform."""
        prefix = {"prefix": self._prefix} if self._prefix else {}
        return {"keys": self._keys, **self._weights, **self._choice, **prefix}

    def slot(self, slot: int, slots: int, random: Random) -> RegisterPlan:
        """The generator of one slot."""
        return RegisterPlan(slot, slots, random, self._chooser, self._weights)

    def last_calls(self) -> list[Call]:
        """A read of every key: what is done once through every node after the heal, so that a lost write shows."""
        return [Call("read", f"{self._prefix}k{number}", None) for number in range(self._keys)]

    def perform(self, client: Any, call: Call) -> Any:
        """Do one call."""
        if call.f == "read":
            return client.read(call.key)
        if call.f == "write":
            client.write(call.key, call.value)
        else:
            client.cas(call.key, call.value[0], call.value[1])
        return call.value


class RegisterPlan:
    """One slot's calls. A cas expects what this slot last saw at the key, None if it saw nothing yet."""

    def __init__(self, slot: int, slots: int, random: Random, keys: KeyChooser, weights: dict[str, float]) -> None:
        total = sum(weights.values())
        self._reads_below = weights["reads"] / total
        self._writes_below = (weights["reads"] + weights["writes"]) / total
        self._keys = keys
        self._random = random
        self._next_value = slot + 1
        self._slots = slots
        self._last: dict[str, Any] = {}

    def next(self) -> Call:
        """Two draws a call, whatever it is: the n-th call's kind and key do not hang on what was seen."""
        kind = self._random.random()
        key = self._keys.choose(self._random.random())
        if kind < self._reads_below:
            return Call("read", key, None)
        value = self._next_value
        self._next_value += self._slots
        if kind < self._writes_below:
            return Call("write", key, value)
        return Call("cas", key, (self._last.get(key), value))

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Remember what the key held."""
        if outcome is Outcome.OK:
            self._last[call.key] = call.value[1] if call.f == "cas" else result
        elif outcome is Outcome.FAIL and result is not None:
            self._last[call.key] = result
