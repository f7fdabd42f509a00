"""Heartbeats of a run's processes, in shared memory: each is watched by the others, from outside.

A process that is stopped, starved or hung cannot say so itself; what it measures once it goes on is all that it knows.
``Heartbeats`` is a few cells of memory that all of them share: the time of each one's last beat, and the longest time
for which each one saw another without a beat. Nobody waits for anybody: a beat is a store, a look a few loads.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence

__all__ = ["DRIVER", "MONITOR", "PERIOD_NS", "PROCESSES", "RECORDER", "Heartbeats", "Pulse"]

MONITOR, RECORDER, DRIVER = 0, 1, 2
PROCESSES = ("monitor", "recorder", "driver")
"""Their names, in the order of their numbers."""

PERIOD_NS = 100_000_000
"""How often each beats at least while nothing holds it up: what is older than that is a standstill."""

_LOOK_NS = PERIOD_NS // 2
_COUNT = len(PROCESSES)
_BYTES = mmap.PAGESIZE


class Heartbeats:
    """The shared cells: ``beats[process]`` and, for each observer, the longest standstill of each process (all in ns).

    Times are CLOCK_MONOTONIC, which all processes share; 0 is a process that has not begun, or has said that it ends.
    """

    def __init__(self, descriptor: int) -> None:
        """Open what ``descriptor`` holds; it stays the caller's and may be passed to children."""
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, _BYTES)
        self.cells = memoryview(self._map).cast("Q")

    @classmethod
    def new(cls) -> Heartbeats:
        """Cells of one's own (memfd_create(2)), in no file system."""
        descriptor = os.memfd_create("raftmon-heartbeats", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, _BYTES)
        return cls(descriptor)

    def close(self) -> None:
        """Give the memory and the descriptor back; no ``Pulse`` may use them any more."""
        self.cells.release()
        self._map.close()
        os.close(self.descriptor)

    def rest(self, process: int) -> None:
        """The process ends, or does what may take long: no beat is expected from now on."""
        self.cells[process] = 0

    def quiet_ns(self, process: int, now_ns: int) -> int:
        """For how long the process has been standing still; 0 if it beats, or no beat is expected."""
        last_ns = self.cells[process]
        return max(0, now_ns - last_ns - PERIOD_NS) if last_ns else 0

    def longest_ns(self, process: int) -> int:
        """The longest standstill of the process that anybody saw."""
        return max(self.cells[_COUNT * (observer + 1) + process] for observer in range(_COUNT))

    def longest_ms(self) -> dict[str, float]:
        """``longest_ns`` of every process by name, in ms."""
        return {name: round(self.longest_ns(number) / 1e6, 3) for number, name in enumerate(PROCESSES)}


class Pulse:
    """One process's own beat, with a look at those it watches. Call it at least every PERIOD_NS.

    The look measures against ``now_ns``, taken before: an observer that was held up itself blames nobody.
    """

    def __init__(self, beats: Heartbeats, own: int, watched: Sequence[int] = ()) -> None:
        self._cells = beats.cells
        self._own = own
        self._watched = [(process, _COUNT * (own + 1) + process) for process in watched]
        self._next_look_ns = 0

    def __call__(self, now_ns: int) -> None:
        """Beat, and look if it is time to."""
        cells = self._cells
        cells[self._own] = now_ns
        if now_ns < self._next_look_ns:
            return
        self._next_look_ns = now_ns + _LOOK_NS
        for process, longest in self._watched:
            last_ns = cells[process]
            if last_ns and now_ns - last_ns - PERIOD_NS > cells[longest]:
                cells[longest] = now_ns - last_ns - PERIOD_NS
