"""Expensive work that a rule asks for: ``raftmon.monitor.queue.task_pool`` runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Task"]


class Task:
    """Work for a worker thread: ``run()``, abandoned after ``limit_s`` seconds (None: the monitor's limit).

    ``ended`` is true once it returned, raised, was refused or given up; then ``result`` or ``error`` says how.
    """

    def __init__(self, name: str, run: Callable[[], Any], limit_s: float | None = None) -> None:
        self.name = name
        self.run = run
        self.limit_s = limit_s
        self.started = False
        self.ended = False
        self.result: Any = None
        self.error: str | None = None
        self.deadline_ns: int | None = None
