"""Every optional hook of a workload, in one place, with what holds where a workload does not have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raftmon.driver.workloads.base import Call

__all__ = ["WorkloadHooks", "hooks"]


def _nothing(_client: Any) -> None:
    """There is nothing to prepare."""


def _unchanged(value: Any) -> Any:
    return value


def _no_pause(_call: Call) -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class WorkloadHooks:
    """The hooks of one workload.

    ``prepare(client)``
        done by slot 0 before anybody works, and repeated until it succeeds
    ``last_calls() -> list[Call]``
        done through every node after the heal
    ``unpacked(value)``
        the history's value of what was written to the system
    ``pause_ms(call) -> float``
        how long a slot waits before it does ``call``: between operations, so that it is no operation's latency and
        widens no interval. Not where operations start at given times (``--rate``).
    """

    prepare: Callable[[Any], None] = _nothing
    last_calls: Callable[[], list[Call]] = list
    unpacked: Callable[[Any], Any] = _unchanged
    pause_ms: Callable[[Call], float] = _no_pause


def hooks(workload: object) -> WorkloadHooks:
    """The workload's hooks, with the defaults for those that it does not have."""
    names = ("prepare", "last_calls", "unpacked", "pause_ms")
    return WorkloadHooks(**{name: getattr(workload, name) for name in names if hasattr(workload, name)})
