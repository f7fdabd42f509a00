"""Which processor a thread runs on: the loop keeps off the one that serves the disk.

A database that has its log on the disk works where the disk's interrupts arrive: whoever waits for the disk is woken
there. A loop that the scheduler puts on that processor now and then is in its way, and pays for moving, too
(docs/benchmarks.md has the figures).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["anywhere", "interrupts", "quiet_processor", "stay"]

_INTERRUPTS = Path("/proc/interrupts")
_ALLOWED = frozenset(os.sched_getaffinity(0))  # what this process may use; before any of its threads chose
_QUIET = 0.1  # of the interrupts of the busiest: whoever has fewer is quiet


def interrupts(table: str) -> dict[int, int]:
    """How many interrupts of devices each processor has served: ``table`` is /proc/interrupts (proc(5)).

    What has a name instead of a number (timers, calls from processor to processor) is no device's.
    """
    header, _, rows = table.partition("\n")
    numbers = [int(word[3:]) for word in header.split() if word.startswith("CPU") and word[3:].isdigit()]
    served = dict.fromkeys(numbers, 0)
    for row in rows.splitlines():
        name, *counts = row.split()[: len(numbers) + 1] or [""]
        if name[:-1].isdigit():
            for number, count in zip(numbers, counts, strict=False):
                served[number] += int(count) if count.isdigit() else 0
    return served


def quiet_processor(spread: int, allowed: Iterable[int] = _ALLOWED, table: str | None = None) -> int | None:
    """A processor that serves few interrupts, out of ``allowed``; None where there is no choice or nothing to go by.

    Of several, ``spread`` (any number, such as a process id) picks one: not every run on a machine gets the same.
    """
    if table is None:
        try:
            table = _INTERRUPTS.read_text()
        except OSError:
            return None
    served = {number: count for number, count in interrupts(table).items() if number in frozenset(allowed)}
    if len(served) < 2:
        return None
    least, most = min(served.values()), max(served.values())
    quiet = sorted(number for number, count in served.items() if count <= max(least, most * _QUIET))
    return quiet[spread % len(quiet)]


def stay(processor: int | None) -> None:
    """Keep the calling thread on this processor; None, or one that is gone, changes nothing."""
    if processor is not None:
        _move({processor})


def anywhere() -> None:
    """Let the calling thread run wherever this process was allowed to at its start.

    Also for threads that the loop's thread starts: they take after it.
    """
    _move(_ALLOWED)


def _move(processors: Iterable[int]) -> None:
    with contextlib.suppress(OSError):  # a processor may have been switched off, or taken from this control group
        os.sched_setaffinity(0, processors)
