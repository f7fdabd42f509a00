"""What a user sees while a run goes on. Reads well in a terminal and in a log file."""

from __future__ import annotations

import threading
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from raftmon.driver.run.progress import PHASES, progress_line

__all__ = ["EVERY_S", "FIRST_S", "RunScreen"]

FIRST_S, EVERY_S = 5.0, 10.0
"""When a phase that lasts is spoken of first, and then again and again."""


class RunScreen:
    """The progress of one run: phases and events as lines, the workload as a bar (a line now and then in a file)."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._began_ns: int | None = None
        self._bar: Progress | None = None
        self._task: Any = None
        self._next_line_s = 0.0
        self._phase_over = threading.Event()

    def _line(self, text: str, style: str = "") -> None:
        if not self._quiet:
            # Before the clients' first operation is planned nobody knows how long it is until then.
            seconds = None if self._began_ns is None else (time.monotonic_ns() - self._began_ns) / 1e9
            stamp = " " * 10 if seconds is None else f"{seconds:7.1f}s  "
            self._console.print(Text(stamp, style="dim") + Text(text, style=style), highlight=False)

    def phase(self, text: str) -> None:
        """Close the bar if there is one, and name the phase; one that lasts says so, with how long it may."""
        self.close()
        self._line(text)
        if text in PHASES and not self._quiet:
            self._phase_over = threading.Event()
            arguments = (text, time.monotonic(), self._phase_over)
            threading.Thread(target=self._lasts, args=arguments, name="phase", daemon=True).start()

    def _lasts(self, text: str, began_s: float, over: threading.Event) -> None:
        """A thread: while a phase lasts, a line now and then."""
        wait_s = FIRST_S
        while not over.wait(wait_s):
            wait_s = EVERY_S
            self._line(f"{progress_line(text, time.monotonic() - began_s, None, None)} ({PHASES[text]})", "dim")

    def event(self, text: str) -> None:
        """One line, above the bar."""
        self._line(text, "cyan")

    def began(self, begin_ns: int) -> None:
        """From now on lines count seconds from this CLOCK_MONOTONIC time, the clients' first operation."""
        self._began_ns = begin_ns

    def work(self, done_s: float, whole_s: float, stats: dict[str, Any]) -> None:
        """Move the bar on; in a log file print a line every tenth of the work."""
        counts = " ".join(f"{stats.get(name, 0)} {name}" for name in ("ok", "fail", "info"))
        if self._quiet:
            return
        if not self._console.is_terminal:
            if done_s >= self._next_line_s:
                self._line(f"{done_s:5.1f} of {whole_s:g} s  {counts}")
                self._next_line_s += whole_s / 10
            return
        if self._bar is None:
            self._bar = Progress(
                TextColumn("         working"), BarColumn(), TextColumn("{task.fields[counts]}"),
                console=self._console, transient=True,
            )  # fmt: skip
            self._task = self._bar.add_task("work", total=whole_s, counts="")
            self._bar.start()
        self._bar.update(self._task, completed=done_s, counts=counts)

    def close(self) -> None:
        """Take the bar away."""
        self._phase_over.set()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
