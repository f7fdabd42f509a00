"""Producers and consumers of queues: every value is put once, and taken by whoever asks; all that is left is drained.

After Jepsen's workload for RabbitMQ. A consumer acknowledges what it got (``ack=manual``: what was acknowledged to the
producer is delivered at least once), or the system counts a message as taken when it sends it (``ack=auto``: at most
once).
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.capabilities import Queues, Taken
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call, OperationResult
from raftmon.setup.errors import InputError

__all__ = ["QueueWorkload"]

_DRAIN_MOST = 20_000  # values in one drain; more than one drain follows
_DRAINS = 3  # through each node: what a dead consumer held comes back a moment later


class QueueWorkload:
    """``enqueues`` is the share of enqueues; queues are ``q0``…; ``ack`` is ``manual`` or ``auto``."""

    name = "queue"
    needs: tuple[type, ...] = (Queues,)

    def __init__(self, *, queues: int = 1, enqueues: float = 0.55, ack: str = "manual") -> None:
        if queues < 1 or not 0 < enqueues < 1:
            raise InputError("the workload queue needs at least 1 queue, and a share of enqueues above 0 and below 1")
        if ack not in ("manual", "auto"):
            raise InputError(f"the workload queue has no ack={ack} (available: manual, auto)")
        self._queues, self._enqueues, self._ack = queues, enqueues, ack

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return {"queues": self._queues, "enqueues": self._enqueues, "ack": self._ack}

    def slot(self, slot: int, slots: int, random: Random) -> QueuePlan:
        """The generator of one slot."""
        return QueuePlan(slot, slots, random, self._queues, self._enqueues)

    def last_calls(self) -> list[Call]:
        """Drains of every queue."""
        return [Call("drain", f"q{number}", None) for _ in range(_DRAINS) for number in range(self._queues)]

    def perform(self, client: Any, call: Call) -> Any:
        """Do one call."""
        if call.f == "enqueue":
            client.enqueue(call.key, call.value)
            return call.value
        once = self._ack == "auto"
        if call.f == "dequeue":
            taken: Taken | None = client.dequeue(call.key, once)
            if taken is None:
                return None
            return OperationResult(taken.value, {"redelivered": taken.redelivered, "at_most_once": once})
        return self._drain(client, call.key, once)

    def _drain(self, client: Any, queue: str, once: bool) -> OperationResult:
        """Take until nothing comes. What came before a failure is kept: the drain says it is not whole."""
        values: list[Any] = []
        redelivered: list[Any] = []
        whole = False
        try:
            while not whole and len(values) < _DRAIN_MOST:
                taken = client.dequeue(queue, once)
                if taken is None:
                    whole = True
                    continue
                values.append(taken.value)
                if taken.redelivered:
                    redelivered.append(taken.value)
        except (Definite, Indefinite):
            if not values:
                raise
        return OperationResult(values, {"redelivered": redelivered, "at_most_once": once, "whole": whole})


class QueuePlan:
    """One slot's calls; its values are its own."""

    def __init__(self, slot: int, slots: int, random: Random, queues: int, enqueues: float) -> None:
        self._next_value = slot
        self._slots = slots
        self._random = random
        self._queues = queues
        self._enqueues = enqueues

    def next(self) -> Call:
        """Two draws a call."""
        kind, which = self._random.random(), self._random.randrange(self._queues)
        if kind >= self._enqueues:
            return Call("dequeue", f"q{which}", None)
        value = self._next_value
        self._next_value += self._slots
        return Call("enqueue", f"q{which}", value)

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Nothing depends on it."""
