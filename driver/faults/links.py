"""Faults on links: partitions and bad networks. All of them only put rules on directed links and take them away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from raftmon.driver.faults.base import Effect, Target, Unavailable
from raftmon.driver.faults.grudges import between, bridge, chain, halves, isolate, majority_ring, one_way, star
from raftmon.driver.faults.receipts import Receipt, of_rules
from raftmon.driver.faults.selectors import need_leader, select
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["PARTITIONS", "BadLinks", "Cut", "Grudge", "Jam", "Partition"]

_JAM_S = 600
_ACTED = {
    "delay": "delayed",
    "loss": "lost",
    "duplicate": "duplicated",
    "reorder": "reordered",
    "rate": "held to the rate",
}
"""What became of the packets that a rule acted on, by its action."""

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


def _deaf(target: Target, _random: Random) -> frozenset[Link]:
    leader = need_leader(target)
    return one_way([node for node in target.topology.node_names() if node != leader], [leader])


def _star(target: Target, random: Random) -> frozenset[Link]:
    """The leader in the middle."""
    leader = need_leader(target)
    return star([leader, *(node for node in _shuffled(target, random) if node != leader)])


def _chain(target: Target, random: Random) -> frozenset[Link]:
    """The leader at one end."""
    leader = need_leader(target)
    return chain([leader, *(node for node in _shuffled(target, random) if node != leader)])


PARTITIONS: Mapping[str, Grudge] = {
    "full-partition": _full,
    "full-partition-one": _full_one,
    "partial-partition": _partial,
    "halves": lambda target, random: halves(_shuffled(target, random)),
    "majority-ring": lambda target, random: majority_ring(_shuffled(target, random)),
    "bridge": lambda target, random: bridge(_shuffled(target, random)),
    "one-way": _one_way,
    "mute": _one_way,
    "deaf": _deaf,
    "star": _star,
    "chain": _chain,
    "client-from-node": _client_from_node,
}
"""Name -> the links to cut."""


def _sentence(verb: str, links: frozenset[Link]) -> str:
    """Pairs cut both ways are named once."""
    words = []
    for link in sorted(links, key=str):
        if link.reverse not in links:
            words.append(str(link))
        elif link.source < link.target:
            words.append(f"{link.source}<->{link.target}")
    return f"{verb} {', '.join(words)}"


class _RulesOnLinks:
    """A name, and the rules that this fault has in force, if any."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._rules: str | None = None

    def _put(self, target: Target, random: Random, links: frozenset[Link], action: str) -> None:
        """One rule for all links: they are affected between the same two packets."""
        self._rules = f"fault-{self.name}-{random.getrandbits(32):08x}"
        target.add_rules(self._rules, [self._line(" or ".join(sorted(map(str, links))), action)])

    def _line(self, links: str, action: str) -> str:
        return f"{links} {action}"

    def receipt(self, target: Target) -> Receipt:
        """Packets that the cut stopped."""
        return of_rules(target, self._rules or "")

    def stop(self, target: Target) -> None:
        """Take the rules away."""
        if self._rules:
            target.remove_rules(self._rules)
            self._rules = None


def _checked_how(name: str, how: str) -> str:
    if how not in ("drop", "reject"):
        raise InputError(f"--fault {name}: how={how} is not known: use drop or reject")
    return how


class Partition(_RulesOnLinks):
    """Cut links; ``how`` is ``drop`` (silence) or ``reject`` (resets and unreachables).

    ``least_nodes`` is the fewest nodes it makes sense with.
    """

    def __init__(self, name: str, how: str = "drop", least_nodes: int = 2) -> None:
        super().__init__(name)
        self._how = _checked_how(name, how)
        self._grudge, self._least = PARTITIONS[name], least_nodes

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
        self._put(target, random, links, self._how)
        nodes = tuple(sorted({end for link in links for end in (link.source, link.target)}))
        return Effect(_sentence("cut", links), nodes, links)


class BadLinks(_RulesOnLinks):
    """One rule on every link of a set: delay, loss, duplication, reordering, rate.

    ``where`` is a selector of nodes (all their links, both ways) or ``all``. Raises InputError for an action that the
    rule language does not have.
    """

    def __init__(self, name: str, action: str, where: str = "all") -> None:
        try:
            ruleset_from_items([f"a->b {action}"], ("a", "b"))
        except InputError as error:
            raise InputError(f"--fault {name}: {error}") from error
        super().__init__(name)
        self._action = action
        self._where = where
        self._words = action

    def available(self, target: Target) -> str | None:
        """None, unless there is only one node."""
        return "there is no link in a cluster of one node" if len(target.topology.nodes) < 2 else None

    def start(self, target: Target, random: Random) -> Effect:
        """Put the rule on the links."""
        chosen = select(self._where, target, random)
        links = frozenset(
            link for link in target.topology.peer_links() if link.source in chosen or link.target in chosen
        )
        self._put(target, random, links, self._action)
        where = "every link" if len(chosen) == len(target.topology.nodes) else f"all links of {', '.join(chosen)}"
        return Effect(f"{where}: {self._words}", chosen, links)

    def receipt(self, target: Target) -> Receipt:
        """Packets that the rule acted on."""
        return of_rules(target, self._rules or "", _ACTED[self._action.split()[0]])


class Cut(_RulesOnLinks):
    """Any links, named: ``n1->n2`` one way, ``n1<->n3`` both, with + between them."""

    def __init__(self, name: str, links: str, how: str = "drop") -> None:
        super().__init__(name)
        self._how = _checked_how(name, how)
        self._links = frozenset(_named_links(name, links))

    def available(self, target: Target) -> str | None:
        """None. Raises InputError for a link to a host that there is not."""
        known = {host.name for host in target.topology.hosts()}
        for link in self._links:
            for end in (link.source, link.target):
                if end not in known:
                    raise InputError(
                        f"--fault {self.name}: there is no host {end} (available: {', '.join(sorted(known))})"
                    )
        return None

    def start(self, target: Target, random: Random) -> Effect:
        """Cut them."""
        self._put(target, random, self._links, self._how)
        nodes = tuple(sorted({end for link in self._links for end in (link.source, link.target)}))
        return Effect(_sentence("cut", self._links), nodes, self._links)


def _named_links(name: str, text: str) -> list[Link]:
    found = []
    for word in text.split("+"):
        both, arrow = word.partition("<->"), word.partition("->")
        left, right = (both[0], both[2]) if both[1] else (arrow[0], arrow[2])
        if not arrow[1] or not left.strip() or not right.strip():
            raise InputError(f"--fault {name}: links={text}: write n1->n2 or n1<->n2, with + between several")
        link = Link(left.strip(), right.strip())
        found += [link, link.reverse] if both[1] else [link]
    return found


class Jam(BadLinks):
    """Queue every packet between nodes, and deliver all of them at the end, in their order: a network that stalls."""

    def __init__(self, name: str, where: str = "all") -> None:
        # Unordered: what comes after the heal need not wait behind what was queued; all are due in the order they came.
        super().__init__(name, f"delay {_JAM_S}s unordered", where)
        self._words = "packets queued until the heal"

    def receipt(self, target: Target) -> Receipt:
        """Packets that were queued."""
        return of_rules(target, self._rules or "", "queued")

    def stop(self, target: Target) -> None:
        """Deliver everything, and queue no more."""
        if self._rules:
            super().stop(target)
            target.flush_held()
