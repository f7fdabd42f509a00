"""A topology of one's own, from a TOML file.

    [links]                      # what holds for every link that nothing else is said of
    latency = "5ms"
    jitter = "1ms"
    loss = "0.1%"
    rate = "100Mbit"

    [[site]]                     # hosts n1.. and c1.. are numbered through all sites
    name = "paris"
    nodes = 2
    clients = 1

    [[site]]
    name = "tokyo"
    nodes = 1

    [[link]]                     # between two sites or hosts, both ways unless one_way = true; later entries win
    from = "paris"
    to = "tokyo"
    latency = "110ms"

Links within a site are perfect unless ``inside`` of the site says otherwise (a table as ``[links]``).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raftmon.driver.quantities import latency_ms, loss_percent, rate_kbit_s
from raftmon.driver.topologies.base import PERFECT, Placement, Quality, link_rules
from raftmon.driver.topologies.builtin import all_links
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link, Topology

__all__ = ["place_file"]

_QUALITY = ("latency", "jitter", "loss", "rate")
_TABLES = {
    "": ("links", "site", "link"),
    "site": ("name", "nodes", "clients", "inside"),
    "link": ("from", "to", "one_way", *_QUALITY),
}


@dataclass(slots=True)
class _Site:
    name: str
    nodes: int
    clients: int
    inside: Quality = PERFECT
    hosts: list[str] = field(default_factory=list)


def place_file(path: Path, *, transparent: bool, spares: int = 0) -> Placement:
    """The topology in a file; it says itself how many nodes and client hosts there are. Raises InputError."""
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"--topology {path}: the file cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--topology {path}: this is not TOML: {error}") from error
    _known(table, _TABLES[""], f"{path}")
    sites = _sites(table.get("site", []), path)
    clients = sum(site.clients for site in sites)
    topology = Topology.star(sum(site.nodes for site in sites), clients, transparent=transparent).with_spares(spares)
    _settle(sites, topology)
    default = _quality(table.get("links", {}), PERFECT, f"{path}, [links]")
    of_host = {name: site for site in sites for name in site.hosts}
    qualities = {}
    for link in all_links(topology):
        a, b = of_host[link.source], of_host[link.target]
        qualities[link] = a.inside if a is b else default
    for number, entry in enumerate(_list(table, "link", path), 1):
        what = f"{path}, [[link]] {number}"
        _known(entry, _TABLES["link"], what)
        for link in _between(entry, sites, topology, what):
            if link in qualities:
                qualities[link] = _quality(entry, qualities[link], what)
    rules, client_traffic = link_rules(topology, qualities)
    return Placement(topology, rules, client_traffic, {name: site.name for name, site in of_host.items()})


def _list(table: Mapping[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    entries = table.get(name, [])
    if not isinstance(entries, list):
        raise InputError(f"--topology {path}: write [[{name}]], as there may be several")
    return entries


def _known(table: Mapping[str, Any], names: tuple[str, ...], what: str) -> None:
    for name in table:
        if name not in names:
            raise InputError(f"--topology {what}: unknown {name!r} (available: {', '.join(names)})")


def _sites(entries: list[dict[str, Any]], path: Path) -> list[_Site]:
    sites: list[_Site] = []
    for number, entry in enumerate(_list({"site": entries}, "site", path), 1):
        what = f"{path}, [[site]] {number}"
        _known(entry, _TABLES["site"], what)
        counts = [entry.get("nodes", 0), entry.get("clients", 0)]
        if any(type(count) is not int or count < 0 for count in counts):
            raise InputError(f"--topology {what}: nodes and clients are whole numbers of 0 or more")
        name = str(entry.get("name", f"site{number}"))
        if name in (site.name for site in sites):
            raise InputError(f"--topology {what}: there is another site {name!r}")
        inside = _quality(entry.get("inside", {}), PERFECT, f"{what}, inside")
        sites.append(_Site(name, counts[0], counts[1], inside))
    if not any(site.nodes for site in sites) or not any(site.clients for site in sites):
        raise InputError(f"--topology {path}: its sites have no nodes or no clients: give [[site]] nodes and clients")
    return sites


def _settle(sites: list[_Site], topology: Topology) -> None:
    """Give out the hosts in order; a spare goes to the site of the node with its place in the order."""
    nodes, clients = iter(topology.nodes), iter(topology.clients)
    for site in sites:
        site.hosts += [next(nodes).name for _ in range(site.nodes)]
        site.hosts += [next(clients).name for _ in range(site.clients)]
    with_nodes = [site for site in sites if site.nodes]
    for place, spare in enumerate(topology.spares):
        with_nodes[place % len(with_nodes)].hosts.append(spare.name)


def _between(entry: Mapping[str, Any], sites: list[_Site], topology: Topology, what: str) -> list[Link]:
    ends = []
    for side in ("from", "to"):
        name = str(entry.get(side, ""))
        hosts = next((site.hosts for site in sites if site.name == name), None)
        if hosts is None and name in (host.name for host in topology.hosts()):
            hosts = [name]
        if hosts is None:
            there = ", ".join([*(site.name for site in sites), *(host.name for host in topology.hosts())])
            raise InputError(f"--topology {what}: {side} = {name!r} is neither a site nor a host (available: {there})")
        ends.append(hosts)
    links = [Link(a, b) for a in ends[0] for b in ends[1] if a != b]
    return links if entry.get("one_way") else [*links, *(link.reverse for link in links)]


def _quality(table: Any, base: Quality, what: str) -> Quality:
    """``base`` with what a table says over it."""
    if not isinstance(table, Mapping):
        raise InputError(f"--topology {what}: write a table with {', '.join(_QUALITY)}")
    _known(table, (*_QUALITY, "from", "to", "one_way"), what)
    try:
        return Quality(
            latency_ms(table["latency"]) if "latency" in table else base.latency_ms,
            latency_ms(table["jitter"]) if "jitter" in table else base.jitter_ms,
            loss_percent(table["loss"]) if "loss" in table else base.loss_percent,
            rate_kbit_s(table["rate"]) if "rate" in table else base.rate_kbit_s,
        )
    except InputError as error:
        raise InputError(f"--topology {what}: {error}") from error
