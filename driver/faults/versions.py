"""Upgrades while the cluster runs: one node, or node after node. They stay: there is nothing to heal.

Downgrades are the same with an older server, where the system allows it; where a node refuses to start on the data, the
run says that it ended by itself.
"""

from __future__ import annotations

import threading
from random import Random

from raftmon.driver.faults.base import Effect, Target
from raftmon.driver.faults.receipts import CONFIRMED, INCONCLUSIVE, MISMATCH, Receipt
from raftmon.driver.faults.selectors import select

__all__ = ["RollingUpgrade", "Upgrade"]

SERVES_S = 30.0
"""How long a node may take to serve again."""


class Upgrade:
    """One node, at once."""

    def __init__(self, name: str, selector: str, to: str) -> None:
        self.name = name
        self._selector = selector
        self._to = to
        self._done: dict[str, str | None] = {}

    def available(self, target: Target) -> str | None:
        """None, unless the system has no nodes."""
        return None if target.topology.nodes else "this system has no nodes of its own"

    def start(self, target: Target, random: Random) -> Effect:
        """Do it."""
        (node,) = select(self._selector, target, random)
        before = target.program(node)
        target.upgrade(node, self._to)
        self._done[node] = before
        return Effect(f"upgraded {node} ({self._selector}) to {self._to}", (node,))

    def receipt(self, target: Target) -> Receipt:
        """Confirmed where another program runs than before, and serves."""
        if not self._done:
            return Receipt(INCONCLUSIVE, "no node was upgraded")
        words = []
        for node, before in self._done.items():
            now = target.program(node)
            if now is None:
                return Receipt(MISMATCH, f"{node} does not run since its upgrade")
            if now == before:
                return Receipt(MISMATCH, f"{node} runs the same program as before: {now}")
            if not target.serves(node, 2.0):
                return Receipt(MISMATCH, f"{node} runs {self._to} and does not serve")
            words.append(node)
        return Receipt(CONFIRMED, f"{', '.join(words)} {'serves' if len(words) == 1 else 'serve'} with {self._to}")

    def stop(self, target: Target) -> None:
        """Nothing: an upgrade stays."""


class RollingUpgrade(Upgrade):
    """All nodes, one after the other, the leader of the beginning last."""

    def __init__(self, name: str, to: str) -> None:
        super().__init__(name, "all", to)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None
        self._left: list[str] = []

    def start(self, target: Target, random: Random) -> Effect:
        """Begin; a thread goes on from node to node."""
        leader = target.leader()
        self._left = [node for node in target.topology.node_names() if node != leader] + ([leader] if leader else [])
        order = tuple(self._left)
        self._thread = threading.Thread(target=self._go_on, args=(target,), name=self.name, daemon=True)
        self._thread.start()
        return Effect(f"upgrades {', then '.join(order)} to {self._to}", order)

    def _go_on(self, target: Target) -> None:
        try:
            while self._left:
                node = self._left[0]
                before = target.program(node)
                target.upgrade(node, self._to)
                self._done[node] = before
                self._left.pop(0)
                waited_s = 0.0
                while not target.serves(node, 1.0) and waited_s < SERVES_S:
                    self._over.wait(0.1)
                    waited_s += 0.1
        except Exception as error:  # told by stop, on the thread that can report it
            self._failure = error

    def receipt(self, target: Target) -> Receipt:
        """Confirmed where every node runs the other program, and serves."""
        self._finish()
        if self._left:
            return Receipt(MISMATCH, f"{', '.join(self._left)} not upgraded")
        return super().receipt(target)

    def _finish(self) -> None:
        if self._thread is not None:
            self._thread.join(len(self._left) * (SERVES_S + 10.0))
            self._thread = None

    def stop(self, target: Target) -> None:
        """Wait until every node is upgraded. Raises what it failed with."""
        self._over.set()
        self._finish()
        if self._failure is not None:
            raise self._failure
