"""Faults on links: partitions and bad networks. All of them only put rules on directed links and take them away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from raftmon.driver.faults.base import Effect, Target, Unavailable
from raftmon.driver.faults.grudges import between, bridge, halves, isolate, majority_ring, one_way
from raftmon.driver.faults.selectors import need_leader, select
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["PARTITIONS", "BadLinks", "Grudge", "Partition"]

Grudge = Callable[[Target, Random], frozenset[Link]]


def _full(target: Target, _random: Random) -> frozenset[Link]:
    return isolate(need_leader(target), target.topology.node_names())


def _full_one(target: Target, random: Random) -> frozenset[Link]:
    nodes = target.topology.node_names()
    return isolate(random.choice(nodes), nodes)


def _partial(target: Target, random: Random) -> frozenset[Link]:
    leader = need_leader(target)
    (follower,) = select("follower", target, random)
    return between([leader], [follower])


def _shuffled(target: Target, random: Random) -> list[str]:
    nodes = list(target.topology.node_names())
    random.shuffle(nodes)
    return nodes


def _one_way(target: Target, _random: Random) -> frozenset[Link]:
    leader = need_leader(target)
    return one_way([leader], [node for node in target.topology.node_names() if node != leader])


def _client_from_node(target: Target, random: Random) -> frozenset[Link]:
    node = random.choice(target.topology.node_names())
    return between([node], [client.name for client in target.topology.clients])


PARTITIONS: Mapping[str, Grudge] = {
    "full-partition": _full,
    "full-partition-one": _full_one,
    "partial-partition": _partial,
    "halves": lambda target, random: halves(_shuffled(target, random)),
    "majority-ring": lambda target, random: majority_ring(_shuffled(target, random)),
    "bridge": lambda target, random: bridge(_shuffled(target, random)),
    "one-way": _one_way,
    "client-from-node": _client_from_node,
}
"""Name -> the links to cut."""


def _or(links: frozenset[Link]) -> str:
    return " or ".join(sorted(map(str, links)))


def _sentence(verb: str, links: frozenset[Link]) -> str:
    """Pairs cut both ways are named once."""
    words = []
    for link in sorted(links, key=str):
        if link.reverse not in links:
            words.append(str(link))
        elif link.source < link.target:
            words.append(f"{link.source}<->{link.target}")
    return f"{verb} {', '.join(words)}"


class Partition:
    """Cut links; ``how`` is ``drop`` (silence) or ``reject`` (resets and unreachables).

    ``least_nodes`` is the fewest nodes it makes sense with.
    """

    def __init__(self, name: str, how: str = "drop", least_nodes: int = 2) -> None:
        if how not in ("drop", "reject"):
            raise InputError(f"--fault {name}: how={how} is not known: use drop or reject")
        self.name = name
        self._how = how
        self._grudge, self._least = PARTITIONS[name], least_nodes
        self._rules: str | None = None

    def available(self, target: Target) -> str | None:
        """None, unless there are too few nodes or client hosts."""
        count = len(target.topology.nodes)
        if count < self._least:
            return f"{self.name} needs at least {self._least} nodes; this cluster has {count}"
        return None

    def start(self, target: Target, random: Random) -> Effect:
        """Cut the links; they are cut when this returns."""
        links = self._grudge(target, random)
        if not links:
            raise Unavailable(f"{self.name} cuts nothing in a cluster of {len(target.topology.nodes)}")
        self._rules = f"fault-{self.name}-{random.getrandbits(32):08x}"
        # One rule for all links: they are cut between the same two packets.
        target.add_rules(self._rules, [f"{_or(links)} {self._how}"])
        nodes = tuple(sorted({end for link in links for end in (link.source, link.target)}))
        return Effect(_sentence("cut", links), nodes, links)

    def stop(self, target: Target) -> None:
        """Join them again."""
        if self._rules:
            target.remove_rules(self._rules)
            self._rules = None


class BadLinks:
    """One rule on every link of a set: delay, loss, duplication, reordering, rate.

    ``where`` is a selector of nodes (all their links, both ways) or ``all``. Raises InputError for an action that the
    rule language does not have.
    """

    def __init__(self, name: str, action: str, where: str = "all") -> None:
        try:
            ruleset_from_items([f"a->b {action}"], ("a", "b"))
        except InputError as error:
            raise InputError(f"--fault {name}: {error}") from error
        self.name = name
        self._action = action
        self._where = where
        self._rules: str | None = None

    def available(self, target: Target) -> str | None:
        """None, unless there is only one node."""
        return "there is no link in a cluster of one node" if len(target.topology.nodes) < 2 else None

    def start(self, target: Target, random: Random) -> Effect:
        """Put the rule on the links."""
        chosen = select(self._where, target, random)
        links = frozenset(
            link for link in target.topology.peer_links() if link.source in chosen or link.target in chosen
        )
        self._rules = f"fault-{self.name}-{random.getrandbits(32):08x}"
        target.add_rules(self._rules, [f"{_or(links)} {self._action}"])
        where = "every link" if len(chosen) == len(target.topology.nodes) else f"all links of {', '.join(chosen)}"
        return Effect(f"{where}: {self._action}", chosen, links)

    def stop(self, target: Target) -> None:
        """Take it away."""
        if self._rules:
            target.remove_rules(self._rules)
            self._rules = None
