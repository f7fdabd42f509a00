"""Members that come and go while clients work: add, remove and replace a node by the system's own operations.

A change is asked of a node that stays. It is asked again only where the system said that it certainly did not happen
(etcd refuses while not all members have been connected for 5 s); where its fate is unknown, the list of members tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.capabilities import Members
from raftmon.adapters.hooks import hooks
from raftmon.driver.faults.base import Effect, Target, Unavailable
from raftmon.driver.faults.receipts import CONFIRMED, INCONCLUSIVE, MISMATCH, Receipt
from raftmon.driver.faults.selectors import need_leader, select

__all__ = ["MemberAdd", "MemberRemove", "MemberReplace"]

CHANGE_S = 20.0
"""How long a change is asked for until it counts as refused."""
ASK_S = 5.0
PAUSE_S = 0.25


class _MemberFault:
    """What the three have in common: a node, and how members are asked for."""

    least = 2

    def __init__(self, name: str, selector: str = "follower") -> None:
        self.name = name
        self._selector = selector
        self._node: str | None = None
        self._out = False

    def available(self, target: Target) -> str | None:
        """None if the system can change its members."""
        count = len(target.topology.nodes)
        if target.capability(Members) is None:
            return "this system has no members that can be changed while it runs"
        if count < self.least:
            return f"{self.name} needs at least {self.least} nodes; this cluster has {count}"
        return None

    def _through(self, target: Target, but: str) -> Any:
        """A node that shall carry the change out: the leader, or another where that is the node itself."""
        leader = need_leader(target)
        alive = [name for name in target.alive() if name != but]
        if not alive:
            raise Unavailable("no other node is alive to carry the change out")
        return target.topology.host(leader if leader in alive else alive[0])

    def _remove(self, target: Target, node: str) -> None:
        host, members = target.topology.host(node), target.capability(Members)
        self._change(
            target, node, lambda through: members.remove_member(through, host, ASK_S), lambda names: node not in names
        )
        self._out = True
        target.kill(node)

    def _join(self, target: Target, node: str) -> None:
        """Add the node and start it with nothing on its disk."""
        host, members = target.topology.host(node), target.capability(Members)
        before = self._names(target, node)
        known = {host.name for host in target.topology.hosts()}
        started = sorted({*(name for name in before if name in known), node})
        running = hooks(members).joins_running
        if running:
            target.start_fresh(node, started)
        self._change(
            target,
            node,
            lambda through: members.add_member(through, host, ASK_S),
            lambda names: len(names) > len(before),
        )
        if not running:
            target.start_fresh(node, started)
        self._out = False

    def _names(self, target: Target, node: str) -> list[str]:
        deadline = time.monotonic() + CHANGE_S
        while True:
            try:
                return list(target.capability(Members).members(self._through(target, node), ASK_S))
            except (Definite, Indefinite) as error:
                if time.monotonic() > deadline:
                    raise Unavailable(f"nobody told who the members are: {error}") from error
                time.sleep(PAUSE_S)

    def _change(self, target: Target, node: str, ask: Callable[[Any], None], done: Callable[[list[str]], bool]) -> None:
        deadline = time.monotonic() + CHANGE_S
        while True:
            try:
                ask(self._through(target, node))
                return
            except (Definite, Indefinite) as error:
                if isinstance(error, Indefinite) and done(self._names(target, node)):
                    return
                if time.monotonic() > deadline:
                    raise Unavailable(f"the system refused to change its members: {error}") from error
                time.sleep(PAUSE_S)

    def receipt(self, target: Target) -> Receipt:
        """What a living node says of the members."""
        node = self._node
        if node is None:
            return Receipt(INCONCLUSIVE, "no change was made")
        names = self._names(target, node if self._out else "")
        there = node in names
        sentence = f"the members are {', '.join(sorted(names))}"
        return Receipt(MISMATCH if there == self._out else CONFIRMED, sentence)


class MemberRemove(_MemberFault):
    """Removes a member and kills it; when the fault ends, it is added again with an empty disk."""

    def start(self, target: Target, random: Random) -> Effect:
        """Put the node out."""
        (node,) = select(self._selector, target, random)
        self._node = node
        self._remove(target, node)
        return Effect(f"removed {node} ({self._selector}) from the members", (node,))

    def stop(self, target: Target) -> None:
        """Let it in again, as a new member."""
        if self._node is not None and self._out:
            self._join(target, self._node)


class MemberReplace(_MemberFault):
    """Removes a member, kills it and immediately adds one of the same name with an empty disk."""

    def start(self, target: Target, random: Random) -> Effect:
        """Replace it."""
        (node,) = select(self._selector, target, random)
        self._node = node
        self._remove(target, node)
        self._join(target, node)
        return Effect(f"replaced {node} ({self._selector}) by a new member with an empty disk", (node,))

    def stop(self, target: Target) -> None:
        """Finish what was left undone."""
        if self._node is not None and self._out:
            self._join(target, self._node)


class MemberAdd(_MemberFault):
    """Adds a member; when the fault ends, it is removed again."""

    least = 1

    def available(self, target: Target) -> str | None:
        """None if there is a host for it, too."""
        if not target.topology.spares:
            return "this run has no host for a further node"
        return super().available(target)

    def start(self, target: Target, random: Random) -> Effect:
        """Add the first host that is not in use."""
        used = set(target.alive())
        node = next((host.name for host in target.topology.spares if host.name not in used), None)
        if node is None:
            raise Unavailable("every spare host is in use")
        self._join(target, node)
        self._node = node
        return Effect(f"added {node} to the members", (node,))

    def stop(self, target: Target) -> None:
        """Put it out."""
        if self._node is not None:
            self._remove(target, self._node)
            self._node = None
