"""What a run tells of itself while it goes on."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Progress"]


class Progress(Protocol):
    """Somebody who is told how the run goes on; must not block."""

    def phase(self, text: str) -> None:
        """A new phase began."""

    def event(self, text: str) -> None:
        """Something happened (a fault, a death)."""

    def began(self, begin_ns: int) -> None:
        """The clients' first operation comes at this CLOCK_MONOTONIC time: second 0 of everything that is shown."""

    def work(self, done_s: float, whole_s: float, stats: dict[str, Any]) -> None:
        """How far the workload is; about twice a second."""
