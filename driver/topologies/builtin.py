"""The two topologies of reckon: a star whose links are all alike, and sites far from each other."""

from __future__ import annotations

from collections.abc import Sequence

from raftmon.driver.topologies.base import PERFECT, Placement, Quality, link_rules
from raftmon.driver.topologies.latencies import one_way_ms, regions
from raftmon.setup.topology import Host, Link, Topology

__all__ = ["all_links", "place_simple", "place_wan"]


def all_links(topology: Topology) -> list[Link]:
    """Every directed link between two nodes or a node and a client host."""
    clients = {host.name for host in topology.clients}
    hosts = list(topology.hosts())
    return [
        Link(a.name, b.name)
        for a in hosts
        for b in hosts
        if a is not b and not (a.name in clients and b.name in clients)
    ]


def place_simple(topology: Topology, quality: Quality) -> Placement:
    """Every link, clients' links too, has this quality in each direction."""
    if quality.perfect:
        return Placement(topology)
    rules, client_traffic = link_rules(topology, dict.fromkeys(all_links(topology), quality))
    return Placement(topology, rules, client_traffic)


def place_wan(topology: Topology, quality: Quality, names: Sequence[str] = ()) -> Placement:
    """A node and a client host a site; within a site links are perfect.

    Between sites the latency is that of ``latencies.py`` where ``quality`` has none, else ``quality``'s for all pairs;
    jitter and loss are always ``quality``'s. A spare host is at the site of the node with its place in the order.
    """
    at_same_distance = quality.latency_ms > 0
    count = len(topology.nodes)
    where = tuple(f"site{n}" for n in range(1, count + 1)) if at_same_distance else regions(count, names)
    sites = {host.name: where[place % count] for group in _groups(topology) for place, host in enumerate(group)}
    qualities = {}
    for link in all_links(topology):
        a, b = sites[link.source], sites[link.target]
        if a == b:
            qualities[link] = PERFECT
        elif at_same_distance:
            qualities[link] = quality
        else:
            qualities[link] = Quality(one_way_ms(a, b), quality.jitter_ms, quality.loss_percent, quality.rate_kbit_s)
    rules, client_traffic = link_rules(topology, qualities)
    return Placement(topology, rules, client_traffic, sites)


def _groups(topology: Topology) -> tuple[tuple[Host, ...], ...]:
    return topology.nodes, topology.spares, topology.clients
