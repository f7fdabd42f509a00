"""A node that gets a share of the processor: by a control group's quota where one can be made, else by SIGSTOP.

With a quota every thread goes on running until the node has used its share of a tenth of a second, and then all wait;
the node is slow throughout. With SIGSTOP and SIGCONT (duty.py) it stands still for stretches, whatever it needs.
"""

from __future__ import annotations

import os
import threading
from random import Random

from raftmon.driver.faults.base import Effect, Target
from raftmon.driver.faults.duty import PERIOD_S, DutyCycle
from raftmon.driver.faults.receipts import CONFIRMED, INCONCLUSIVE, Receipt
from raftmon.driver.faults.selectors import select
from raftmon.setup.cpu_groups import CpuGroup, cpu_parent
from raftmon.setup.errors import InputError

__all__ = ["WAYS", "Throttle"]

WAYS = ("auto", "cgroup", "signals")
_KEEP_S = 0.05


class Throttle:
    """``share`` of the time for the nodes that ``selector`` means. ``way`` is one of ``WAYS``."""

    def __init__(self, name: str, selector: str, share: float, way: str) -> None:
        if way not in WAYS:
            raise InputError(f"--fault {name}: by={way} is unknown (available: {', '.join(WAYS)})")
        self.name = name
        self._selector, self._share, self._way = selector, share, way
        self._duty: DutyCycle | None = None
        self._groups: dict[str, CpuGroup] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: OSError | None = None

    def available(self, target: Target) -> str | None:
        """None, unless the system has no nodes, or a control group is asked for and cannot be made."""
        if not target.topology.nodes:
            return "this system has no nodes of its own"
        if self._way == "cgroup" and cpu_parent() is None:
            return (
                "no control group with a processor quota can be made here (it takes root, or Delegate=cpu of systemd)"
            )
        return None

    def start(self, target: Target, random: Random) -> Effect:
        """Begin, by a control group unless told otherwise or it cannot be made."""
        parent = cpu_parent() if self._way != "signals" else None
        if parent is None:
            return self._by_signals(target, random)
        nodes = select(self._selector, target, random)
        processors = len(os.sched_getaffinity(0))
        try:
            for node in nodes:
                self._groups[node] = CpuGroup(parent, f"{node}-{random.getrandbits(32):08x}")
                self._groups[node].limit(self._share, processors)
            self._take(target)
        except OSError:
            self._leave()
            if self._way == "cgroup":
                raise
            return self._by_signals(target, random)
        self._thread = threading.Thread(target=self._keep, args=(target,), name=self.name, daemon=True)
        self._thread.start()
        words = f"{self._share:.0%} of the processor (control group)"
        return Effect(f"{', '.join(nodes)} ({self._selector}): {words}", nodes)

    def _by_signals(self, target: Target, random: Random) -> Effect:
        share = self._share
        self._duty = DutyCycle(
            self.name,
            self._selector,
            lambda _random: PERIOD_S * (1 - share),
            lambda _random: PERIOD_S * share,
            f"{share:.0%} of the processor (SIGSTOP and SIGCONT)",
        )
        return self._duty.start(target, random)

    def _take(self, target: Target) -> None:
        for node, group in self._groups.items():
            group.take(target.processes(node))

    def _keep(self, target: Target) -> None:
        """A node that is started again meanwhile gets the same share."""
        while not self._over.wait(_KEEP_S):
            try:
                self._take(target)
            except OSError as error:  # told by stop, on the thread that can report it
                self._failure = error
                return

    def receipt(self, target: Target) -> Receipt:
        """By how often the kernel made the nodes wait, or by the number of pauses."""
        if self._duty is not None:
            return self._duty.receipt(target)
        told = {node: group.throttled() for node, group in self._groups.items()}
        periods = sum(count for count, _ in told.values())
        if not periods:
            return Receipt(INCONCLUSIVE, "the nodes never used their share up")
        words = ", ".join(
            f"{node} waited {waited_s:.2f} s in {count} periods" for node, (count, waited_s) in told.items()
        )
        return Receipt(CONFIRMED, f"{words} of 0.1 s, by the kernel's count")

    def stop(self, target: Target) -> None:
        """The whole processor again. Raises what the thread failed with."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(10.0)
            self._thread = None
        if self._duty is not None:
            self._duty.stop(target)
        self._leave()
        if self._failure is not None:
            raise self._failure

    def _leave(self) -> None:
        while self._groups:
            node = next(iter(self._groups))
            self._groups[node].close()
            del self._groups[node]
