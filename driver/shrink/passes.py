"""What can be left out of a failing run: delta debugging over its faults and rules, then one number after the other.

The faults are minimised by ddmin (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE
28(2), 2002); what is left is one-minimal: without any one of them the run does not fail any more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.faults.text import schedule_text
from raftmon.driver.run.config import RunConfig

__all__ = ["LEAST_S", "REDUCTIONS", "minimised", "squeezed", "with_faults"]

T = TypeVar("T")
Change = Callable[[RunConfig], "RunConfig | None"]

LEAST_S = 1.0
"""The shortest run there is."""
TAIL_S = 1.0
_LEAD_S = 0.5


def minimised(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """A one-minimal part of ``items`` that fails still; ``fails(items)`` is taken for true."""
    found = list(items)
    if found and fails([]):
        return []
    pieces = 2
    while len(found) >= 2:
        size = -(-len(found) // pieces)
        parts = [found[at : at + size] for at in range(0, len(found), size)]
        smaller = next((part for part in parts if len(parts) > 1 and fails(part)), None)
        if smaller is not None:
            found, pieces = smaller, 2
            continue
        rest = next((r for r in _complements(parts) if len(parts) > 2 and fails(r)), None)
        if rest is not None:
            found, pieces = rest, max(2, pieces - 1)
        elif pieces >= len(found):
            break
        else:
            pieces = min(len(found), pieces * 2)
    return found


def _complements(parts: list[list[T]]) -> Iterator[list[T]]:
    for left_out in range(len(parts)):
        yield [item for number, part in enumerate(parts) if number != left_out for item in part]


def with_faults(config: RunConfig, faults: Sequence[PlannedFault]) -> RunConfig:
    """The configuration with these faults and no others."""
    return dataclasses.replace(config, faults=schedule_text(faults))


def squeezed(faults: Sequence[PlannedFault]) -> tuple[list[PlannedFault], float]:
    """The same faults as early as they can be, gaps shortened to half a second, and the duration they need."""
    timed = sorted((fault for fault in faults if fault.when is None), key=lambda fault: fault.start_s)
    moved: list[PlannedFault] = [fault for fault in faults if fault.when is not None]
    shift, end_s = 0.0, 0.0
    for fault in timed:
        gap_s = fault.start_s - shift - end_s
        if gap_s > _LEAD_S:
            shift += gap_s - _LEAD_S
        lasting_s = fault.stop_s - fault.start_s
        start_s = max(fault.start_s - shift, 0.0)
        moved.append(dataclasses.replace(fault, start_s=start_s, stop_s=start_s + lasting_s))
        end_s = max(end_s, start_s + lasting_s)
    waits = max((fault.stop_s for fault in faults if fault.when is not None), default=0.0)
    return moved, max(LEAST_S, end_s + TAIL_S, waits + 3 * TAIL_S if waits else 0.0)


def _change(**fields: Any) -> Change:
    return lambda config: dataclasses.replace(config, **fields)


def _least(field: str, least: int) -> Change:
    def smaller(config: RunConfig) -> RunConfig | None:
        values: dict[str, Any] = {field: least}
        return None if getattr(config, field) <= least else dataclasses.replace(config, **values)

    return smaller


def _half(field: str) -> Change:
    def smaller(config: RunConfig) -> RunConfig | None:
        now = getattr(config, field)
        values: dict[str, Any] = {field: now // 2}
        return None if now < 2 else dataclasses.replace(config, **values)

    return smaller


def _shorter(config: RunConfig) -> RunConfig | None:
    if config.faults != "none" or config.duration_s <= LEAST_S:
        return None
    return dataclasses.replace(config, duration_s=max(LEAST_S, round(config.duration_s / 2, 1)))


REDUCTIONS: tuple[tuple[str, Change], ...] = (
    ("half as long", _shorter),
    ("one client host", _change(client_hosts=1)),
    ("without link latency, jitter and loss", _change(link_latency_ms=0.0, link_jitter_ms=0.0, link_loss_percent=0.0)),
    ("all hosts on one switch", _change(topology="simple")),
    ("without rules files", _change(scripts=())),
    ("clients spread over all nodes", _change(pin=None)),
    ("as fast as answers come", _change(rate=None, arrival="uniform")),
    ("with the workload's own options", _change(workload_options=())),
    ("three nodes", _least("nodes", 3)),
    ("two clients", _least("clients", 2)),
    ("half the clients", _half("clients")),
    ("one key", _least("keys", 1)),
    ("half the keys", _half("keys")),
)
"""What is tried one after the other, each as often as it goes on failing: in words, and a smaller configuration (None
or the same where it does not apply)."""
