"""How long a search may go on and how much memory it may take."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["LOOK_EVERY", "WEIGH_EVERY", "Limits"]

LOOK_EVERY = 32  # configurations between looks at the clock
WEIGH_EVERY = 512  # configurations between looks at the memory
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * _PAGE


@dataclass(slots=True)
class Limits:
    """How long a search may go on and by how much it may let the process grow. None is without limit."""

    timeout_s: float | None = None
    memory_mb: float | None = None
    clock: Callable[[], float] = time.perf_counter
    resident_bytes: Callable[[], int] = _resident_bytes
    _deadline: float = field(init=False)
    _ceiling: float = field(init=False)

    def __post_init__(self) -> None:
        self._deadline = float("inf") if self.timeout_s is None else self.clock() + self.timeout_s
        grown = float("inf") if self.memory_mb is None else self.memory_mb * 1e6
        self._ceiling = grown if self.memory_mb is None else self.resident_bytes() + grown

    def left_s(self) -> float:
        """Seconds that are left; infinite without a limit."""
        return max(0.0, self._deadline - self.clock())

    def out_of_time(self) -> str | None:
        """Why to stop, as a sentence, or None."""
        if self.clock() < self._deadline:
            return None
        return f"the search was not done after {self.timeout_s:g} s"

    def out_of_memory(self) -> str | None:
        """Why to stop, as a sentence, or None."""
        if self._ceiling == float("inf") or self.resident_bytes() < self._ceiling:
            return None
        return f"the search needed more than {self.memory_mb:g} MB"
