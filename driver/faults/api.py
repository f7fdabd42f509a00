"""Operations of the system's own API as faults: compact, defragment, move the leader, save a snapshot.

Each needs a capability of the adapter (``adapters/capabilities.py``). What it does is done at once, and again every
``every`` seconds until the fault is over where that is given; there is nothing to heal. An operation that the system
refuses is counted and told, and no failure of the run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.capabilities import Compact, Defragment, MoveLeader, Snapshot
from raftmon.driver.faults.base import Effect, Target, Unavailable
from raftmon.driver.faults.receipts import CONFIRMED, INCONCLUSIVE, MISMATCH, Receipt
from raftmon.driver.faults.selectors import need_leader, select
from raftmon.setup.errors import RaftmonError

__all__ = ["OPERATIONS", "ApiFault"]

CALL_S = 10.0

Operation = Callable[[Target, str, Random], str]


def _compact(target: Target, selector: str, random: Random) -> str:
    node = select(selector, target, random)[0]
    return str(target.capability(Compact).compact(target.topology.host(node), CALL_S))


def _defragment(target: Target, selector: str, random: Random) -> str:
    system = target.capability(Defragment)
    nodes = select(selector, target, random)
    return "; ".join(str(system.defragment(target.topology.host(node), CALL_S)) for node in nodes)


def _snapshot(target: Target, selector: str, random: Random) -> str:
    node = select(selector, target, random)[0]
    return str(target.capability(Snapshot).snapshot(target.topology.host(node), CALL_S))


def _move_leader(target: Target, _selector: str, random: Random) -> str:
    leader = need_leader(target)
    others = [node for node in target.topology.node_names() if node != leader and node in target.alive()]
    if not others:
        raise Unavailable("there is no other node that lives")
    to = random.choice(others)
    hosts = target.topology.host(leader), target.topology.host(to)
    return str(target.capability(MoveLeader).move_leader(*hosts, CALL_S))


OPERATIONS: dict[str, tuple[type, Operation]] = {
    "compact": (Compact, _compact),
    "defragment": (Defragment, _defragment),
    "move-leader": (MoveLeader, _move_leader),
    "snapshot": (Snapshot, _snapshot),
}
"""Name -> the capability that it needs, and how it is done; gives a sentence."""


class ApiFault:
    """One operation, once or every ``every_s`` seconds. ``node`` selects whom it is asked of."""

    def __init__(self, name: str, operation: str, node: str, every_s: float | None) -> None:
        self.name = name
        self._kind, self._operation = OPERATIONS[operation]
        self._node = node
        self._every_s = every_s
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._done: list[str] = []
        self._refused: list[str] = []

    def available(self, target: Target) -> str | None:
        """None where the system has the operation and the cluster enough nodes."""
        count = len(target.topology.nodes)
        if target.capability(self._kind) is None:
            return f"this system has no operation {self.name} (capability {self._kind.__name__})"
        if self._kind is MoveLeader and count < 2:
            return "a cluster of one node has nobody to hand its leadership to"
        return None

    def start(self, target: Target, random: Random) -> Effect:
        """Do it once; a thread goes on from there where it is to be done again."""
        self._once(target, random)
        if self._every_s is not None:
            self._thread = threading.Thread(target=self._again, args=(target, random), name=self.name, daemon=True)
            self._thread.start()
            return Effect(f"{self.name} every {self._every_s:g} s; first: {self._last()}")
        return Effect(f"{self.name}: {self._last()}")

    def _last(self) -> str:
        return self._done[-1] if self._done else f"refused: {self._refused[-1]}"

    def _once(self, target: Target, random: Random) -> None:
        try:
            self._done.append(self._operation(target, self._node, random))
        except (RaftmonError, Unavailable, Definite, Indefinite) as error:
            self._refused.append(str(error))

    def _again(self, target: Target, random: Random) -> None:
        assert self._every_s is not None
        while not self._over.wait(self._every_s):
            self._once(target, random)

    def receipt(self, _target: Target) -> Receipt:
        """Confirmed where the system said that it was done."""
        refused = f"; {len(self._refused)} refused, the last: {self._refused[-1]}" if self._refused else ""
        if self._done:
            return Receipt(CONFIRMED, f"done {len(self._done)} times, the last: {self._done[-1]}{refused}")
        return Receipt(MISMATCH if self._refused else INCONCLUSIVE, f"never done{refused}")

    def stop(self, target: Target) -> None:
        """No further one."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(2 * CALL_S)
            self._thread = None
