"""What a workload is. Generators are pure: no clock, no I/O, all chance from ``Random(f"{seed}/{slot}")``.

A *slot* is the number of a client thread over all client hosts, from 0; it keeps its number when its process id is
retired.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple, Protocol

from raftmon.driver.histories.operation import Outcome

__all__ = ["Call", "OperationResult", "ThreadPlan", "Workload", "slot_random"]


class Call(NamedTuple):
    """One operation to perform; its fields are those of an ``invoke`` event.

    ``given`` is what ``perform`` needs beside them; no event shows it.
    """

    f: str
    key: Any
    value: Any
    given: Any = None


class OperationResult(NamedTuple):
    """What ``perform`` may return if the ``ok`` event needs more than a value.

    ``extra`` are further fields of the event (a revision, a lease); ``key`` is the key where the invocation had none
    because the system chooses it.
    """

    value: Any
    extra: dict[str, Any] | None = None
    key: Any = None


class ThreadPlan(Protocol):
    """What one client does: one call after another."""

    def next(self) -> Call:
        """The next call. It depends on the seed, and on nothing but what ``observe`` was told."""

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """How a call ended: ``result`` is what was read, or what a failed cas saw (None if nothing was seen).

        ``call`` has the key that the system chose, where it chose one (``OperationResult``).
        """


class Workload(Protocol):
    """A kind of client load. ``needs`` are the capabilities that it requires (adapters/capabilities.py)."""

    name: str
    needs: tuple[type, ...]

    def parameters(self) -> dict[str, Any]:
        """All that makes two workloads of this kind differ; JSON, part of the plan."""

    def slot(self, slot: int, slots: int, random: Random) -> ThreadPlan:
        """The generator of one of ``slots`` slots."""

    def perform(self, client: Any, call: Call) -> Any:
        """Do it on an adapter's client; returns the value of the ``ok`` event, or an OperationResult.

        It never sleeps: the operation is being timed. Pauses, and what else a workload may have: ``hooks.py``.
        """


def slot_random(seed: str, slot: int) -> Random:
    """The one source of chance of a slot."""
    return Random(f"{seed}/{slot}")
