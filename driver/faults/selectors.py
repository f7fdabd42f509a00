"""Which nodes a fault is done to: ``leader one follower minority majority all all-but-one nK``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random

from raftmon.driver.faults.base import Target, Unavailable

__all__ = ["SELECTORS", "need_leader", "select"]

ELECTION_S = 5.0
"""How long a fault on the leader waits for there to be one."""

SELECTORS = ("leader", "one", "follower", "minority", "majority", "all", "all-but-one")


def need_leader(target: Target) -> str:
    """The leader, waited for through an election; raises Unavailable if nobody leads for ELECTION_S."""
    deadline = time.monotonic() + ELECTION_S
    while (leader := target.leader()) is None:
        if time.monotonic() > deadline:
            raise Unavailable(f"nobody led the cluster for {ELECTION_S:g} s, or nobody could say who")
        time.sleep(0.02)
    return leader


def select(selector: str, target: Target, random: Random) -> tuple[str, ...]:
    """The nodes a selector means now, in the order of the topology.

    Raises Unavailable if there is no such node at this moment.
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
    if selector == "all-but-one":
        if len(nodes) < 2:
            raise Unavailable("a cluster of one node has no others")
        spared = random.choice(list(nodes))
        return tuple(node for node in nodes if node != spared)
    if selector == "one":
        return (random.choice(list(nodes)),)
    count = len(nodes) // 2 + 1 if selector == "majority" else (len(nodes) - 1) // 2
    if count == 0:
        raise Unavailable(f"a cluster of {len(nodes)} has no minority that it can lose")
    chosen = set(random.sample(list(nodes), count))
    return tuple(node for node in nodes if node in chosen)
