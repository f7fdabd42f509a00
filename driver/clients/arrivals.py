"""When a slot's operations should start (open loop)."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from raftmon.setup.errors import InputError

__all__ = ["ARRIVALS", "arrivals_ns"]

ARRIVALS = ("uniform", "poisson")


def arrivals_ns(arrival: str, rate: float, slot: int, slots: int, random: Random) -> Iterator[int]:
    """Endless start times in nanoseconds after the beginning, for one of ``slots`` slots that share ``rate`` a second.

    ``uniform``: evenly spaced, the slots one after the other. ``poisson``: gaps of an exponential distribution (the
    slots together are then a Poisson process of that rate).
    """
    gap_ns = slots / rate * 1e9
    if arrival == "uniform":
        number = slot / slots
        while True:
            yield int(number * gap_ns)
            number += 1
    elif arrival == "poisson":
        due_ns = 0.0
        while True:
            due_ns += random.expovariate(1.0) * gap_ns
            yield int(due_ns)
    else:
        raise InputError(f"unknown arrival {arrival!r} (available: {', '.join(ARRIVALS)})")
