"""Which processor a thread runs on, and how the kernel schedules it there (sched(7)), where this user may choose.

While there is time to spare, the loop keeps off the one that serves the disk.

A database that has its log on the disk works where the disk's interrupts arrive: whoever waits for the disk is woken
there. A loop that the scheduler puts on that processor now and then is in its way, and pays for moving, too. Where all
processors are full it is the other way round: what keeps to one waits while another falls idle for a moment
(docs/benchmarks.md has the figures of both).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = [
    "PRIORITY",
    "Share",
    "Spare",
    "batch",
    "boost",
    "interactive",
    "interrupts",
    "pin",
    "quiet_processor",
    "raise_priority",
    "unpin",
]

_INTERRUPTS, _STAT = Path("/proc/interrupts"), Path("/proc/stat")
_ALLOWED = frozenset(os.sched_getaffinity(0))  # what this process may use; before any of its threads chose
_TICKS = os.sysconf("SC_CLK_TCK")
_QUIET = 0.1  # of the interrupts of the busiest: whoever has fewer is quiet
_ENOUGH, _LITTLE = 0.10, 0.08  # of the time left over: from the one on it is enough, below the other no longer


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
    """A processor that serves few interrupts, out of ``allowed``; None if there is no choice or nothing to go by.

    Of several, ``spread`` (any number, such as a process id) picks one: not every run on a machine gets the same.
    """
    if table is None:
        try:
            table = _INTERRUPTS.read_text()
        except OSError:
            return None
    mine = frozenset(allowed)
    served = {number: count for number, count in interrupts(table).items() if number in mine}
    if len(served) < 2:
        return None
    least, most = min(served.values()), max(served.values())
    quiet = sorted(number for number, count in served.items() if count <= max(least, most * _QUIET))
    return quiet[spread % len(quiet)]


class Spare:
    """Whether the processors that this process may use have time to spare. None of it is known before the second look.

    ``read`` gives the text of /proc/stat (proc(5)). Of all time, ``enough`` must be left over, and is until it is less
    than ``little``. ``own_s`` is processor time that counts as left over: what a process uses that works only then.
    """

    def __init__(
        self,
        read: Callable[[], str] = _STAT.read_text,
        allowed: Iterable[int] = _ALLOWED,
        *,
        enough: float = _ENOUGH,
        little: float = _LITTLE,
        own_s: Callable[[], float] = float,
    ) -> None:
        self._read = read
        self._rows = frozenset(f"cpu{number}" for number in allowed)
        self._idle = self._all = 0.0
        self._bounds = enough, little
        self._own_s = own_s
        self.enough = False

    def look(self) -> None:
        """Set ``enough`` by what they did since the last look; it stays as it is in between and where nobody knows."""
        try:
            rows = [row.split() for row in self._read().splitlines() if row.startswith("cpu")]
        except OSError:
            return
        times = [[int(word) for word in row[1:9]] for row in rows if row[0] in self._rows]
        idle, total = sum(row[3] + row[4] for row in times) + self._own_s() * _TICKS, float(sum(map(sum, times)))
        if self._all and total > self._all:
            share = (idle - self._idle) / (total - self._all)
            enough, little = self._bounds
            self.enough = share >= (little if self.enough else enough)
        self._idle, self._all = idle, total


def pin(processor: int | None) -> None:
    """Keep the calling thread on this processor; None, or one that is gone, changes nothing."""
    if processor is not None:
        _move({processor})


def unpin() -> None:
    """Let the calling thread run wherever this process was allowed to at its start.

    Also for threads that the loop's thread starts: they take after it.
    """
    _move(_ALLOWED)


def _move(processors: Iterable[int]) -> None:
    with contextlib.suppress(OSError):  # a processor may have been switched off, or taken from this control group
        os.sched_setaffinity(0, processors)


PRIORITY = -10
"""The nice value of what must not wait for those it watches on a full machine, where allowed."""
_NO_PRIORITY = os.sched_param(0)  # what both policies demand


def raise_priority() -> bool:
    """A larger share of a full processor, and whether it was granted; it is not without root."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    except PermissionError:
        return False
    return True


class Share:
    """Gives way to everybody while its work can wait, and takes a large share while it is behind. For the calling
    thread; only with root, without it nothing changes (who has taken SCHED_IDLE may not leave it again).

    On a machine whose processors are full for moments only, work at SCHED_IDLE is done in the gaps and costs those
    that are watched next to nothing; on one that is full all the time it would never be done.
    """

    def __init__(self) -> None:
        self._may = raise_priority()
        self._behind = True

    @property
    def hurried(self) -> bool:
        """Whether somebody else has seen that the thread is behind (``boost``), which it did not say itself."""
        return self._may and not self._behind and os.sched_getscheduler(0) != os.SCHED_IDLE

    def behind(self, behind: bool) -> None:
        """Say whether much waits."""
        if self._may and behind != self._behind:
            os.sched_setscheduler(0, os.SCHED_BATCH if behind else os.SCHED_IDLE, _NO_PRIORITY)
            self._behind = behind


def boost(pid: int) -> None:
    """Let a process that gives way go on at once: who gets no processor cannot notice that it is behind."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.sched_setscheduler(pid, os.SCHED_BATCH, _NO_PRIORITY)


def batch() -> None:
    """Do not interrupt whoever runs when there is work, but do more of it at once: SCHED_BATCH. Anybody may.

    On an idle processor work begins at once all the same. On a full one every interruption costs two switches between
    tasks and leaves cold caches: with etcd on two full processors that was a quarter of the loop's time a packet.
    """
    os.sched_setscheduler(0, os.SCHED_BATCH, _NO_PRIORITY)


def interactive() -> None:
    """The usual policy again: what must happen at its time may interrupt."""
    os.sched_setscheduler(0, os.SCHED_OTHER, _NO_PRIORITY)
