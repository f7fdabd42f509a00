"""Processes that stop and go: a share of the processor (``throttle``), pauses by chance (``stutter``), paused clients.

A duty cycle of SIGSTOP and SIGCONT. It needs no cgroup and no root. It simulates a machine whose processor is taken
away for stretches (a noisy neighbour, a virtual machine that is stolen from), not one that is slower throughout.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

from raftmon.driver.faults.base import Effect, Target
from raftmon.driver.faults.nodes import Pause
from raftmon.driver.faults.receipts import CONFIRMED, INCONCLUSIVE, Receipt
from raftmon.driver.faults.selectors import select
from raftmon.setup.errors import InputError

__all__ = ["DutyCycle", "PauseClients"]

PERIOD_S = 0.1


class DutyCycle:
    """Nodes that stop and go. ``off_s`` and ``on_s`` draw how long each stretch is, in seconds."""

    def __init__(
        self,
        name: str,
        selector: str,
        off_s: Callable[[Random], float],
        on_s: Callable[[Random], float],
        words: str,
    ) -> None:
        self.name = name
        self._selector = selector
        self._off_s, self._on_s = off_s, on_s
        self._words = words
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._nodes: tuple[str, ...] = ()
        self._pauses = 0
        self._failure: Exception | None = None

    def available(self, target: Target) -> str | None:
        """None, unless the system has no nodes."""
        return None if target.topology.nodes else "this system has no nodes of its own"

    def start(self, target: Target, random: Random) -> Effect:
        """Begin; a thread goes on from there."""
        self._nodes = select(self._selector, target, random)
        self._thread = threading.Thread(target=self._stop_and_go, args=(target, random), name=self.name, daemon=True)
        self._thread.start()
        return Effect(f"{', '.join(self._nodes)} ({self._selector}): {self._words}", self._nodes)

    def _stop_and_go(self, target: Target, random: Random) -> None:
        paused = False
        try:
            while not self._over.is_set():
                for node in self._nodes:
                    target.pause(node)
                paused = True
                self._pauses += 1
                self._over.wait(self._off_s(random))
                for node in self._nodes:
                    target.resume(node)
                paused = False
                self._over.wait(self._on_s(random))
        except Exception as error:  # told by stop, on the thread that can report it
            self._failure = error
        finally:
            if paused:
                for node in self._nodes:
                    target.resume(node)

    def receipt(self, _target: Target) -> Receipt:
        """Confirmed by the number of pauses."""
        if self._pauses:
            return Receipt(CONFIRMED, f"{', '.join(self._nodes)} stopped {self._pauses} times")
        return Receipt(INCONCLUSIVE, "it was over before the first pause")

    def stop(self, target: Target) -> None:
        """Let them go on. Raises what the thread failed with."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(10.0)
            self._thread = None
        if self._failure is not None:
            raise self._failure


class PauseClients(Pause):
    """SIGSTOP of client hosts, SIGCONT at the end: a client that does not know that time went by."""

    def __init__(self, name: str, host: str) -> None:
        super().__init__(name, host)

    def available(self, target: Target) -> str | None:
        """None where there are client hosts, and the one that is named."""
        names = [host.name for host in target.topology.clients]
        if not names:
            return "there are no client hosts"
        if self._selector not in ("one", "all", *names):
            raise InputError(
                f"--fault {self.name}: there is no client host {self._selector} (available: {', '.join(names)})"
            )
        return None

    def start(self, target: Target, random: Random) -> Effect:
        """Stop them."""
        names = [host.name for host in target.topology.clients]
        chosen = (
            names if self._selector == "all" else [random.choice(names) if self._selector == "one" else self._selector]
        )
        for name in chosen:
            self._hit.append(name)
            target.pause(name)
        return Effect(f"paused the clients on {', '.join(chosen)}", tuple(chosen))
