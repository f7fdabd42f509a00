"""The topologies there are."""

from __future__ import annotations

from pathlib import Path

from raftmon.driver.topologies.base import Placement, Quality
from raftmon.driver.topologies.builtin import place_simple, place_wan
from raftmon.driver.topologies.file import place_file
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Topology

__all__ = ["TOPOLOGIES", "place"]

TOPOLOGIES = {
    "simple": "a star: every link alike (--link-latency, --link-jitter, --link-loss)",
    "wan": "a node and a client host a site, real latencies between regions; wan:ireland,tokyo,oregon picks them",
    "FILE.toml": "sites and links of your own",
}


def place(
    name: str, nodes: int, client_hosts: int, *, transparent: bool, quality: Quality | None = None, spares: int = 0
) -> Placement:
    """The topology ``name`` with its links: a pure function of its arguments (and of the file, where it is one).

    ``wan`` has as many client hosts as nodes, a file its own counts. ``spares`` are hosts for nodes to come. Raises
    InputError for a name there is not, or a topology that cannot be.
    """
    quality = quality or Quality()
    if name.endswith(".toml"):
        if not quality.perfect:
            raise InputError("--link-… options go with simple and wan: a topology file says what its links are like")
        return place_file(Path(name), transparent=transparent, spares=spares)
    word, colon, rest = name.partition(":")
    if word == "wan":
        names = [part.strip() for part in rest.split(",")] if colon else []
        hosts = Topology.star(nodes, nodes, transparent=transparent).with_spares(spares)
        return place_wan(hosts, quality, names)
    if name != "simple":
        raise InputError(f"there is no topology {name!r}; there are {', '.join(TOPOLOGIES)}")
    return place_simple(Topology.star(nodes, client_hosts, transparent=transparent).with_spares(spares), quality)
