"""Which nodes a fault is done to: ``one leader follower minority majority all nK``."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from driver.faults.base import Target, Unavailable

__all__ = ["SELECTORS", "need_leader", "select"]

SELECTORS = ("one", "leader", "follower", "minority", "majority", "all")


def need_leader(target: Target) -> str:
    """The leader; raises Unavailable where nobody leads."""
    leader = target.leader()
    if leader is None:
        raise Unavailable("nobody led the cluster at that moment, or nobody could say who")
    return leader


def select(selector: str, target: Target, random: Random) -> tuple[str, ...]:
    """The nodes a selector means now, in the order of the topology.

    Raises Unavailable where there is no such node at this moment.
    """
    nodes: Sequence[str] = target.topology.node_names()
    if selector in nodes:
        return (selector,)
    if selector == "all":
        return tuple(nodes)
    if selector == "leader":
        return (need_leader(target),)
    if selector == "follower":
        leader = need_leader(target)
        others = [node for node in nodes if node != leader]
        if not others:
            raise Unavailable("a cluster of one node has no follower")
        return (random.choice(others),)
    if selector == "one":
        return (random.choice(list(nodes)),)
    count = len(nodes) // 2 + 1 if selector == "majority" else (len(nodes) - 1) // 2
    if count == 0:
        raise Unavailable(f"a cluster of {len(nodes)} has no minority that it can lose")
    chosen = set(random.sample(list(nodes), count))
    return tuple(node for node in nodes if node in chosen)
