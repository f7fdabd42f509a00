"""Faults of clocks: a node's wall clock jumps, drifts, or jumps to and fro while the node runs.

What the node reads is changed in its own memory (``setup/clocks.py``), not the machine's clock. A node that is killed
and started again meanwhile is given the same clock.

- wall clock: a system that orders or expires by it may misbehave; Raft reads none. It is right again at the heal.
- monotonic clock (``clock=monotonic`` or ``both``): timers and leases run early. It only goes forward, as programs rely
  on that: at the heal it stays ahead, until the node is started again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from random import Random

from raftmon.adapters.capabilities import NodeClock
from raftmon.driver.faults.base import Effect, Target, Unavailable
from raftmon.driver.faults.receipts import CONFIRMED, MISMATCH, Receipt
from raftmon.driver.faults.selectors import select
from raftmon.setup.clocks import ClockError, ShiftedClocks, why_not_clocks

__all__ = ["CLOCKS", "ClockFault"]

CLOCKS = ("wall", "monotonic", "both")
_TICK_S = 0.02
_ASK_S = 2.0
_REMEMBERED = 100
_CLOSE_S = 1.6  # an HTTP date has whole seconds


class ClockFault:
    """Chosen nodes' clocks are ahead by ``offset_s(seconds since the start)`` (behind where negative)."""

    def __init__(
        self, name: str, selector: str, offset_s: Callable[[float], float], words: str, clock: str = "wall"
    ) -> None:
        self.name = name
        self._selector = selector
        self._offset_s = offset_s
        self._words = words
        self._clock = clock
        self._nodes: tuple[str, ...] = ()
        self._clocks: dict[int, ShiftedClocks] = {}
        self._started_s = 0.0
        self._applied: deque[float] = deque(maxlen=_REMEMBERED)  # a strobe may change between question and answer
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failure: ClockError | None = None

    def available(self, target: Target) -> str | None:
        """None if this machine's clocks can be shifted and the cluster has nodes."""
        if not target.topology.nodes:
            return "this system has no nodes of its own"
        return why_not_clocks()

    def start(self, target: Target, random: Random) -> Effect:
        """Shift them; a thread keeps them so. Raises Unavailable where a node's clocks cannot be shifted."""
        self._nodes = tuple(node for node in select(self._selector, target, random) if node in target.alive())
        if not self._nodes:
            raise Unavailable(f"no node that {self._selector} means is alive")
        self._started_s = time.monotonic()
        try:
            self._apply(target)
        except ClockError as error:
            raise Unavailable(str(error)) from error
        self._thread = threading.Thread(target=self._keep, args=(target,), name=self.name, daemon=True)
        self._thread.start()
        return Effect(f"{self._clock} clock of {', '.join(self._nodes)} ({self._selector}): {self._words}", self._nodes)

    def _now_s(self) -> float:
        return self._offset_s(time.monotonic() - self._started_s)

    def _apply(self, target: Target) -> None:
        """Write the present offset into every process of the nodes, new ones too."""
        with self._lock:
            offset_s = self._now_s()
            self._applied.append(offset_s)
            offset_ns = int(offset_s * 1e9)
            wall_ns = 0 if self._clock == "monotonic" else offset_ns
            monotonic_ns = 0 if self._clock == "wall" else offset_ns
            for node in self._nodes:
                for pid in target.processes(node):
                    if pid not in self._clocks:
                        self._clocks[pid] = ShiftedClocks(pid)
                    self._clocks[pid].shift(wall_ns, monotonic_ns)

    def _keep(self, target: Target) -> None:
        while not self._over.wait(_TICK_S):
            try:
                self._apply(target)
                self._failure = None
            except ClockError as error:  # a process that is just ending or starting; told if it stays so
                self._failure = error

    def receipt(self, target: Target) -> Receipt:
        """What the nodes' own answers say of the time; where no answer does, what their memory adds to it."""
        if self._failure is not None:
            return Receipt(MISMATCH, str(self._failure))
        asks = target.capability(NodeClock) if self._clock != "monotonic" else None
        said, wrong = [], False
        for node in self._nodes:
            if node not in target.alive():
                said.append(f"{node} is down")
                continue
            ahead_s = None
            if asks is not None:
                answer_s = asks.node_time(target.topology.host(node), _ASK_S)
                ahead_s = None if answer_s is None else answer_s - time.time()
            if ahead_s is not None:
                close = any(abs(ahead_s - applied_s) <= _CLOSE_S for applied_s in list(self._applied))
                wrong |= not close
                at = time.strftime("%H:%M:%S", time.gmtime(time.time() + ahead_s))
                said.append(f"{node} said it was {at} when it was {time.strftime('%H:%M:%S', time.gmtime())} (UTC)")
            else:
                adding = [self._adds(pid) for pid in target.processes(node)]
                wrong |= not adding or None in adding
                ahead = ", ".join(f"{shift:+.3f} s" for shift in adding if shift is not None)
                said.append(f"{node} reads {ahead or 'the time unchanged'} (by its memory; it was not asked)")
        return Receipt(MISMATCH if wrong else CONFIRMED, "; ".join(said))

    def _adds(self, pid: int) -> float | None:
        clocks = self._clocks.get(pid)
        try:
            found = clocks.reads_shifted() if clocks is not None else None
        except ClockError:
            return None
        return None if found is None else found[1 if self._clock == "monotonic" else 0] / 1e9

    def stop(self, target: Target) -> None:
        """The wall clocks are right again; a monotonic clock stays where it is."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(10.0)
            self._thread = None
        for pid, clocks in list(self._clocks.items()):
            if self._clock == "wall":
                clocks.restore()
            elif any(pid in target.processes(node) for node in self._nodes):
                found = clocks.reads_shifted()
                clocks.shift(0, found[1] if found else 0)
            del self._clocks[pid]
