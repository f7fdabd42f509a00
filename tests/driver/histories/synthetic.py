"""Histories made by a simulated system: for tests, benchmarks, and to see what a checker says.

Clients call, take effect at one moment in between, and return; the effects, in order of their moments, are done to one
sequential object. What comes out is linearizable by construction, and the moments are a linearization.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Deed", "register_deeds", "simulate"]


@dataclass(slots=True)
class Deed:
    """What one operation does: its fields, and the object's state after it."""

    f: str
    value: Any
    after: Any
    key: Any = None
    outcome: Outcome = Outcome.OK
    seen: Any = None
    has_seen: bool = False


Behaviour = Callable[[Any, random.Random, int], Deed]
"""(state, random source, process) -> the deed. Must not change the state in place."""


def simulate(
    behaviour: Behaviour,
    initial: Any,
    operations: int,
    processes: int,
    rng: random.Random,
    *,
    indefinite: float = 0.0,
    latency_ns: int = 1000,
) -> History:
    """``operations`` operations of ``processes`` concurrent processes on one object.

    A share ``indefinite`` of them ends as *info*, half of these without effect; their process goes on under a new
    number. Latencies are uniform up to twice ``latency_ns``.
    """
    state, next_process = initial, processes
    made: list[Operation] = []
    waiting: list[tuple[int, int, int, int]] = []  # (moment, tie breaker, process, call)
    for process in range(processes):
        call_ns = rng.randint(0, latency_ns)
        heapq.heappush(waiting, (call_ns + rng.randint(0, latency_ns), process, process, call_ns))
    for number in range(operations):
        moment, _, process, call_ns = heapq.heappop(waiting)
        deed = behaviour(state, rng, process)
        lost = rng.random() < indefinite
        if not lost or rng.random() < 0.5:
            state = deed.after
        return_ns = moment + rng.randint(0, latency_ns)
        operation = Operation(process, deed.f, deed.key, deed.value, call_ns, return_ns, deed.outcome)
        operation.seen, operation.has_seen = deed.seen, deed.has_seen
        if lost and deed.outcome is Outcome.OK:
            operation.outcome, operation.return_ns = Outcome.INFO, None
            if deed.f in ("read", "get", "dequeue"):
                operation.value = None  # its answer was lost with it
            process, next_process = next_process, next_process + 1
        made.append(operation)
        call_ns = return_ns + rng.randint(1, max(1, latency_ns // 5))
        heapq.heappush(waiting, (call_ns + rng.randint(0, latency_ns), processes + number, process, call_ns))
    made.sort(key=lambda operation: operation.call_ns)
    for index, operation in enumerate(made):
        operation.index = index
    return History(made)


def register_deeds(
    keys: int = 1, *, write: float = 0.3, cas: float = 0.2, delete: float = 0.0, tell: float = 1.0
) -> Behaviour:
    """Reads, writes, cas and deletes on registers ``k0``…, every written value unique.

    The state is a dict key -> value. Half of the cas expect a wrong value and fail; a share ``tell`` of these say what
    they saw. Shares that are left go to reads.
    """
    values = iter(range(1, 1 << 62))

    def behave(state: dict[str, Any], rng: random.Random, process: int) -> Deed:
        key, choice = f"k{rng.randrange(keys)}", rng.random()
        held = state.get(key)
        if choice < write:
            new = next(values)
            return Deed("write", new, {**state, key: new}, key)
        if choice < write + cas:
            new = next(values)
            if held is None or rng.random() < 0.5:
                return Deed("cas", [held, new], {**state, key: new}, key)
            stale = rng.randint(0, new)
            if stale != held:
                tells = rng.random() < tell
                return Deed("cas", [stale, new], state, key, Outcome.FAIL, held if tells else None, tells)
        elif choice < write + cas + delete:
            return Deed("delete", None, {**state, key: None}, key)
        return Deed("read", held, state, key)

    return behave
