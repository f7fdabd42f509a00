"""Sets that only grow: every acknowledged element must be seen by every later read.

After Jepsen's ``set-full``. A set is a JSON list at one key. Where the system has ``Append`` an element goes in by one
append, elsewhere by a read and a cas, which fails where another was quicker. A set is left for the next one when it
holds ``size`` elements, so that values stay small; old sets are still read now and then.
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.capabilities import Append
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call
from raftmon.setup.errors import InputError

__all__ = ["SetWorkload"]


class SetWorkload:
    """``reads`` is the share of reads; at most ``sets`` sets ``s0``… of about ``size`` elements (the last may grow).

    ``prefix`` stands before each key.
    """

    name = "set"
    needs: tuple[type, ...] = ()

    def __init__(self, *, size: int = 200, sets: int = 64, reads: float = 0.3, prefix: str = "") -> None:
        if size < 1 or sets < 1:
            raise InputError(f"the workload set has {sets} sets of {size} elements: give at least 1 of each")
        if not 0 <= reads < 1:
            raise InputError(f"the share of reads in the workload set is {reads:g}: give 0 or more and less than 1")
        self._size, self._sets, self._reads = size, sets, reads
        self._prefix = prefix

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        prefix = {"prefix": self._prefix} if self._prefix else {}
        return {"size": self._size, "sets": self._sets, "reads": self._reads, **prefix}

    def slot(self, slot: int, slots: int, random: Random) -> SetPlan:
        """The generator of one slot."""
        return SetPlan(slot, slots, random, self._size, self._sets, self._reads, self._prefix)

    def last_calls(self) -> list[Call]:
        """A read of every set there may be."""
        return [Call("read", f"{self._prefix}s{number}", None) for number in range(self._sets)]

    def perform(self, client: Any, call: Call) -> Any:
        """Do one call."""
        if call.f == "read":
            return client.read(call.key) or []
        if isinstance(client, Append):
            client.append(call.key, call.value)
            return call.value
        try:
            before = client.read(call.key)
        except Indefinite as error:  # nothing has been changed yet
            raise Definite(f"the set could not be read: {error}") from error
        client.cas(call.key, before, [*(before or []), call.value])
        return call.value


class SetPlan:
    """One slot's calls: adds to the newest set it knows of, reads of that one and sometimes of an older one."""

    def __init__(self, slot: int, slots: int, random: Random, size: int, sets: int, reads: float, prefix: str) -> None:
        self._prefix = prefix
        self._random = random
        self._next_element = slot
        self._slots = slots
        self._size = size
        self._sets = sets
        self._reads = reads
        self._newest = 0

    def next(self) -> Call:
        """Two draws a call."""
        kind, which = self._random.random(), self._random.random()
        if kind < self._reads:
            # three reads of four look at the newest set
            number = self._newest if which < 0.75 else int((which - 0.75) * 4 * (self._newest + 1))
            return Call("read", f"{self._prefix}s{number}", None)
        element = self._next_element
        self._next_element += self._slots
        return Call("add", f"{self._prefix}s{self._newest}", element)

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Go on to the next set once one is full."""
        if call.f == "read" and outcome is Outcome.OK and isinstance(result, list):
            number = int(call.key[len(self._prefix) + 1 :])
            if len(result) >= self._size and number == self._newest and number + 1 < self._sets:
                self._newest += 1
