"""Faults of disks: a power cut that takes what was not synced, slow disks, full ones, and ones that fail.

They need raftmon's own filesystem under the nodes' data (``setup/disks``), which every run has whose faults ask for it.

- ``power-cut``: the nodes die and everything that they had not synced is gone, in every file and directory entry. A
  system may lose what it had not acknowledged; whatever it acknowledged it must still have, unless it documents
  otherwise. ``keep`` is the chance that a dirty page had reached the disk, ``torn`` that it did so in part.
- ``slow-disk``: reads, writes and syncs take longer. Nothing may be lost.
- ``full-disk``: writes that need more room end in ENOSPC. Nothing acknowledged may be lost.
- ``disk-error``: calls end in EIO. A node may refuse to go on; it must not acknowledge what it could not keep.
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.driver.faults.base import Effect, Target, Unavailable
from raftmon.driver.faults.receipts import CONFIRMED, INCONCLUSIVE, Receipt, of_dead
from raftmon.driver.faults.selectors import select
from raftmon.setup.disks.behaviour import Behaviour
from raftmon.setup.disks.disk import why_not
from raftmon.setup.disks.pages import Cut

__all__ = ["DiskFault", "PowerCut"]


class _OnDisks:
    """A selector, and what is asked before a run."""

    def __init__(self, name: str, selector: str) -> None:
        self.name = name
        self._selector = selector

    def available(self, target: Target) -> str | None:
        """None if the machine can serve a disk and the cluster has nodes."""
        count = len(target.topology.nodes)
        if count == 0:
            return "this system has no nodes of its own"
        if self._selector == "minority" and count < 3:
            return f"a cluster of {count} has no minority that it can lose"
        if self._selector == "follower" and count < 2:
            return "a cluster of one node has no follower"
        return why_not()


class PowerCut(_OnDisks):
    """Kill nodes, take what they had not synced, and start them again at the end."""

    def __init__(self, name: str, selector: str, how: Cut) -> None:
        super().__init__(name, selector)
        self._how = how
        self._hit: list[str] = []

    def start(self, target: Target, random: Random) -> Effect:
        """Cut the power of the chosen nodes that live; all of them die before any is looked at."""
        nodes = [node for node in select(self._selector, target, random) if node in target.alive()]
        if not nodes:
            raise Unavailable(f"no node that {self._selector} means is alive")
        for node in nodes:
            self._hit.append(node)
            target.kill(node)
        said = [f"{node} {_lost(target.disk(node).cut(self._how))}" for node in nodes]
        return Effect(f"power cut of {', '.join(nodes)} ({self._selector}): {'; '.join(said)}", tuple(nodes))

    def receipt(self, target: Target) -> Receipt:
        """Confirmed where their processes are gone; what was lost stands in what was done."""
        return of_dead(target, self._hit)

    def stop(self, target: Target) -> None:
        """Start them again, on what is left."""
        while self._hit:
            target.start(self._hit[-1])
            self._hit.pop()


def _lost(receipt: dict[str, Any]) -> str:
    """What a cut took, in words: the receipt of the disk."""
    files = [one for one in receipt["files"] if one["lost_bytes"]]
    if not files and not receipt["entries"]:
        return "lost nothing: all it had written was synced"
    most = sorted(files, key=lambda one: -one["lost_bytes"])[:3]
    names = ", ".join(f"{one['lost_bytes']:,} B of {one['name']}" for one in most)
    more = f" and {len(files) - len(most)} more files" if len(files) > len(most) else ""
    entries = f"{len(receipt['entries'])} changes of directory entries" if receipt["entries"] else ""
    return "lost " + " and ".join(part for part in (names + more, entries) if part)


class DiskFault(_OnDisks):
    """One node's disk (or several) behaves otherwise while the fault lasts.

    ``room_bytes``, where given, is how much the disk can still take, from what it holds when the fault begins.
    """

    def __init__(
        self, name: str, selector: str, behaviour: Behaviour, words: str, room_bytes: int | None = None
    ) -> None:
        super().__init__(name, selector)
        self._behaviour = behaviour
        self._words = words
        self._room_bytes = room_bytes
        self._hit: list[str] = []
        self._before: dict[str, int] = {}

    def start(self, target: Target, random: Random) -> Effect:
        """Make the chosen nodes' disks misbehave."""
        nodes = select(self._selector, target, random)
        for node in nodes:
            disk = target.disk(node)
            chosen = self._behaviour
            if self._room_bytes is not None:
                chosen = Behaviour(full_bytes=disk.usage()["used_bytes"] + self._room_bytes)
            self._before[node] = self._met(target, node)
            self._hit.append(node)
            disk.behave(chosen)
        return Effect(f"disk of {', '.join(nodes)} ({self._selector}): {self._words}", nodes)

    def receipt(self, target: Target) -> Receipt:
        """What the disks counted since it began: calls that were slowed, failed, or found no room."""
        met = {node: self._met(target, node) - before for node, before in self._before.items()}
        if not sum(met.values()):
            return Receipt(INCONCLUSIVE, "no call of such a kind was made while it was on")
        words = ", ".join(f"{count:,} calls of {node}" for node, count in met.items() if count)
        return Receipt(CONFIRMED, f"{words} met it")

    @staticmethod
    def _met(target: Target, node: str) -> int:
        counts = target.disk(node).usage()
        return sum(int(counts[name]) for name in ("failed", "delayed", "refused"))

    def stop(self, target: Target) -> None:
        """The disks are well again; a node that died of it is started."""
        while self._hit:
            node = self._hit[-1]
            target.disk(node).behave(Behaviour())
            if node not in target.alive():
                target.start(node)
            self._hit.pop()
