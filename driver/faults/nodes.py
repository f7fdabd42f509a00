"""Faults on node processes: kill, pause, restart."""

from __future__ import annotations

from random import Random

from raftmon.driver.faults.base import Effect, Target
from raftmon.driver.faults.receipts import CONFIRMED, INCONCLUSIVE, MISMATCH, Receipt, of_dead, of_paused
from raftmon.driver.faults.selectors import select

__all__ = ["Kill", "KillN", "Pause", "Restart"]


class _NodeFault:
    """A selector and the nodes it chose."""

    verb = ""

    def __init__(self, name: str, selector: str) -> None:
        self.name = name
        self._selector = selector
        self._hit: list[str] = []

    def available(self, target: Target) -> str | None:
        """None, unless the cluster has no nodes or too few for the selector."""
        count = len(target.topology.nodes)
        if count == 0:
            return "this system has no nodes of its own"
        if self._selector == "minority" and count < 3:
            return f"a cluster of {count} has no minority that it can lose"
        if self._selector == "follower" and count < 2:
            return "a cluster of one node has no follower"
        return None

    def _effect(self, nodes: tuple[str, ...]) -> Effect:
        return Effect(f"{self.verb} {', '.join(nodes)} ({self._selector})", nodes)


class Kill(_NodeFault):
    """SIGKILL; started again on its own data at the end. Its packets are dropped as long as it is dead."""

    verb = "killed"

    def start(self, target: Target, random: Random) -> Effect:
        """Kill the chosen nodes that are alive."""
        nodes = select(self._selector, target, random)
        for node in nodes:
            if node in target.alive():
                self._hit.append(node)
                target.kill(node)
        return self._effect(nodes)

    def receipt(self, target: Target) -> Receipt:
        """Confirmed where their processes are gone."""
        return of_dead(target, self._hit)

    def stop(self, target: Target) -> None:
        """Start every node that was killed."""
        while self._hit:
            target.start(self._hit[-1])
            self._hit.pop()


class Pause(_NodeFault):
    """SIGSTOP, then SIGCONT: the node does not know that time went by."""

    verb = "paused"

    def start(self, target: Target, random: Random) -> Effect:
        """Stop the chosen nodes' processes."""
        nodes = select(self._selector, target, random)
        for node in nodes:
            self._hit.append(node)
            target.pause(node)
        return self._effect(nodes)

    def receipt(self, target: Target) -> Receipt:
        """Confirmed where every thread is stopped."""
        return of_paused(target, self._hit)

    def stop(self, target: Target) -> None:
        """Let them go on."""
        while self._hit:
            target.resume(self._hit[-1])
            self._hit.pop()


class Restart(Kill):
    """SIGKILL and start again immediately."""

    verb = "restarted"
    _again: tuple[str, ...] = ()

    def start(self, target: Target, random: Random) -> Effect:
        """Kill all chosen nodes, then start them."""
        effect = super().start(target, random)
        self._again = tuple(self._hit)
        self.stop(target)
        return effect

    def receipt(self, target: Target) -> Receipt:
        """Confirmed where they were killed and run again."""
        if not self._again:
            return Receipt(INCONCLUSIVE, "no node was alive to be restarted")
        down = [node for node in self._again if node not in target.alive()]
        if down:
            return Receipt(MISMATCH, f"{', '.join(down)} did not come up again")
        return Receipt(CONFIRMED, f"{', '.join(self._again)} ended by SIGKILL and run again as new processes")


class KillN(Kill):
    """SIGKILL of the first ``count`` nodes in the topology's order: reckon's ``kill-n``."""

    def __init__(self, name: str, count: int) -> None:
        super().__init__(name, f"the first {count}")
        self._count = count

    def available(self, target: Target) -> str | None:
        """None, unless there are fewer nodes."""
        nodes = len(target.topology.nodes)
        return f"{self.name} shall kill {self._count} nodes; this cluster has {nodes}" if nodes < self._count else None

    def start(self, target: Target, random: Random) -> Effect:
        """Kill them."""
        nodes = target.topology.node_names()[: self._count]
        for node in nodes:
            if node in target.alive():
                self._hit.append(node)
                target.kill(node)
        return self._effect(nodes)
