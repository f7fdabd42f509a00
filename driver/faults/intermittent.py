"""Partitions that come and go: cut for a while, joined for as long, and so on until the fault is over.

reckon's ``intermittent-partial`` and ``intermittent-full`` (HAOC 2021): the leader and one follower, or one follower
and all others. The times are constant, ``mtbf`` on and ``mtbf`` off, as reckon has them. The pair is chosen once, at
the start: who leads later changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

from raftmon.driver.faults.base import Effect, Target
from raftmon.driver.faults.grudges import between, isolate
from raftmon.driver.faults.receipts import CONFIRMED, INCONCLUSIVE, Receipt
from raftmon.driver.faults.selectors import need_leader, select
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["INTERMITTENT", "Intermittent"]


def _partial(target: Target, random: Random) -> frozenset[Link]:
    leader = need_leader(target)
    return between([leader], select("follower", target, random))


def _full(target: Target, random: Random) -> frozenset[Link]:
    (follower,) = select("follower", target, random)
    return isolate(follower, target.topology.node_names())


INTERMITTENT: dict[str, Callable[[Target, Random], frozenset[Link]]] = {
    "intermittent-partial": _partial,
    "intermittent-full": _full,
}
"""Name -> the links that are cut and joined."""


class Intermittent:
    """``mtbf_s`` is how long the links are cut, and then joined, each time."""

    def __init__(self, name: str, mtbf_s: float, how: str = "drop") -> None:
        if not mtbf_s > 0:
            raise InputError(f"--fault {name}: mtbf is {mtbf_s:g} s: give more than 0")
        if how not in ("drop", "reject"):
            raise InputError(f"--fault {name}: how={how} is not known: use drop or reject")
        self.name = name
        self.cuts = 0
        self._mtbf_s = mtbf_s
        self._how = how
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None
        self._matched = 0
        self._rules: str | None = None
        """The rules of the cut that is on."""

    def available(self, target: Target) -> str | None:
        """None, unless there are fewer than two nodes."""
        count = len(target.topology.nodes)
        return f"{self.name} needs at least 2 nodes; this cluster has {count}" if count < 2 else None

    def start(self, target: Target, random: Random) -> Effect:
        """Cut the links for the first time; a thread goes on from there."""
        links = INTERMITTENT[self.name](target, random)
        rules = f"fault-{self.name}-{random.getrandbits(32):08x}"
        line = f"{' or '.join(sorted(map(str, links)))} {self._how}"
        target.add_rules(rules, [line])
        self._rules = rules
        self.cuts = 1
        self._thread = threading.Thread(
            target=self._come_and_go, args=(target, rules, line), name=self.name, daemon=True
        )
        self._thread.start()
        nodes = tuple(sorted({end for link in links for end in (link.source, link.target)}))
        both = ", ".join(
            f"{link.source}<->{link.target}" for link in sorted(links, key=str) if link.source < link.target
        )
        return Effect(f"cut and joined {both} every {self._mtbf_s:g} s", nodes, links)

    def _come_and_go(self, target: Target, rules: str, line: str) -> None:
        cut = True
        try:
            while not self._over.wait(self._mtbf_s):
                if cut:
                    self._matched += target.rule_counts(rules)[1]
                    self._rules = None
                    target.remove_rules(rules)
                else:
                    target.add_rules(rules, [line])
                    self._rules = rules
                    self.cuts += 1
                cut = not cut
            if cut:
                target.remove_rules(rules)
        except Exception as error:  # told by stop, on the thread that can report it
            self._failure = error

    def receipt(self, target: Target) -> Receipt:
        """Packets that the cuts stopped, all together."""
        stopped = self._matched + (target.rule_counts(self._rules)[1] if self._rules is not None else 0)
        if not stopped:
            return Receipt(INCONCLUSIVE, f"{self.cuts} cuts; nothing was sent on those links while they were on")
        return Receipt(CONFIRMED, f"{stopped:,} packets stopped in {self.cuts} cuts")

    def stop(self, target: Target) -> None:
        """Join the links for good. Raises what the thread failed with."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._failure is not None:
            raise self._failure
