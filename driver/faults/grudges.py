"""Partitions as pure functions from nodes to the set of directed links that are cut.

The vocabulary is Jepsen's (nemesis.clj: a *grudge*) and reckon's (HAOC 2021: *partial* partitions).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from raftmon.setup.topology import Link

__all__ = ["between", "bridge", "chain", "halves", "isolate", "majority_ring", "one_way", "star"]


def _both_ways(pairs: Iterable[tuple[str, str]]) -> frozenset[Link]:
    return frozenset(link for a, b in pairs for link in (Link(a, b), Link(b, a)))


def between(left: Iterable[str], right: Iterable[str]) -> frozenset[Link]:
    """Every link between a node on the left and one on the right, both ways."""
    return _both_ways(product(left, tuple(right)))


def one_way(sources: Iterable[str], targets: Iterable[str]) -> frozenset[Link]:
    """Links from sources to targets only: the targets still reach the sources."""
    return frozenset(Link(a, b) for a, b in product(sources, tuple(targets)) if a != b)


def isolate(node: str, nodes: Sequence[str]) -> frozenset[Link]:
    """One node against all others: a *full* partition of that node."""
    return between([node], [other for other in nodes if other != node])


def halves(nodes: Sequence[str]) -> frozenset[Link]:
    """The first half against the second; with an odd count the second is the majority."""
    middle = len(nodes) // 2
    return between(nodes[:middle], nodes[middle:])


def bridge(nodes: Sequence[str]) -> frozenset[Link]:
    """Two halves that only one node, the middle one, can both reach."""
    middle = len(nodes) // 2
    return between(nodes[:middle], nodes[middle + 1 :])


def majority_ring(nodes: Sequence[str]) -> frozenset[Link]:
    """Every node sees a majority, but no two see the same one: only neighbours on a ring are joined.

    Each node keeps links to ``n // 2`` others (rounded up to an even number, so that the ring is symmetric): with
    itself a majority. Below four nodes nothing can be cut so, and the set is empty.
    """
    count = len(nodes)
    reach = (count // 2 + 1) // 2
    pairs = [
        (nodes[i], nodes[j])
        for i in range(count)
        for j in range(i + 1, count)
        if min((i - j) % count, (j - i) % count) > reach
    ]
    return _both_ways(pairs)


def star(nodes: Sequence[str]) -> frozenset[Link]:
    """All reach the first, and nobody else."""
    return _both_ways((a, b) for number, a in enumerate(nodes) for b in nodes[number + 1 :] if number)


def chain(nodes: Sequence[str]) -> frozenset[Link]:
    """Each reaches only those next to it, in this order (the *chained* scenario of Omni-Paxos, EuroSys 2023)."""
    return _both_ways((nodes[i], nodes[j]) for i in range(len(nodes)) for j in range(i + 2, len(nodes)))
