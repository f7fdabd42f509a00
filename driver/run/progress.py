"""What a run tells of itself while it goes on."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["PHASES", "Progress", "progress_line"]

PHASES = {
    "starting the cluster": "at most 60 s until the monitor is ready, and 60 s more for the nodes",
    "connecting clients": "at most 20 s until there is a leader, and 25 s for the clients",
    "healing": "at most 60 s for the faults, then the operations' time-out",
    "last reads": "at most 20 s until there is a leader, 15 s for the reads and 10 s for the stores",
    "taking the cluster down": "at most 40 s",
    "judging": "at most 60 s for each checker",
}
"""How long each phase of a run may take beside the work itself, in words; past that it is given up."""


def progress_line(what: str, elapsed_s: float, share: float | None, limit_s: float | None) -> str:
    """The text for something that lasts: ``share`` is how much is done, ``limit_s`` when it is given up."""
    if share:
        return f"{what}: {share:.0%}, about {elapsed_s * (1 - share) / share:.0f} s left"
    bound = "" if limit_s is None else f" of at most {limit_s:g} s"
    return f"{what}: {elapsed_s:.0f} s{bound}"


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
