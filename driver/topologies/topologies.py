"""Registry of topologies: one row each, entry points of ``raftmon.topologies``, or a ``.py`` file.

To add one, write the function that places hosts and links, and a row in ``TOPOLOGIES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raftmon.driver.topologies.base import Placement, Quality
from raftmon.driver.topologies.builtin import place_simple, place_wan
from raftmon.driver.topologies.file import place_file
from raftmon.setup.errors import InputError
from raftmon.setup.kinds import Kinds, first_line, is_file
from raftmon.setup.topology import Topology

__all__ = ["TOPOLOGIES", "TopologyKind", "place", "topology_kind", "topology_kinds"]

_TOML = "FILE.toml"


@dataclass(frozen=True, slots=True)
class TopologyKind:
    """One row of the table of topologies.

    ``place``
        ``place(topology, quality, argument) -> Placement``, a pure function: ``topology`` has the hosts, ``quality``
        is that of the options ``--link-…``, ``argument`` what stands behind the colon of ``NAME:ARGUMENT``
    ``summary``
        one line
    ``argument``
        what may stand behind a colon, in a word; empty if nothing may
    ``client_host_a_node``
        there are as many client hosts as nodes, whatever ``--client-hosts`` says
    """

    place: Callable[[Topology, Quality, str], Placement]
    summary: str
    argument: str = ""
    client_host_a_node: bool = False


def _simple(topology: Topology, quality: Quality, _argument: str) -> Placement:
    return place_simple(topology, quality)


def _wan(topology: Topology, quality: Quality, argument: str) -> Placement:
    return place_wan(topology, quality, [part.strip() for part in argument.split(",")] if argument else [])


TOPOLOGIES: dict[str, TopologyKind] = {
    "simple": TopologyKind(_simple, "a star of identical links (--link-latency, --link-jitter, --link-loss)"),
    "wan": TopologyKind(
        _wan,
        "one node and one client host per region, with measured latencies; wan:ireland,tokyo,oregon picks regions",
        "REGION,…",
        client_host_a_node=True,
    ),
}


def _adopted(name: str, thing: Any) -> TopologyKind:
    if isinstance(thing, TopologyKind):
        return thing
    if not callable(thing):
        raise InputError(f"the topology {name} is no function and no TopologyKind: see docs/topologies.md")
    return TopologyKind(thing, first_line(thing))


def _fits(thing: Any) -> bool:
    return isinstance(thing, TopologyKind)


_KINDS = Kinds("topology", "raftmon.topologies", _adopted, _fits, "TOPOLOGY", "TopologyKind")


def topology_kinds() -> dict[str, TopologyKind]:
    """Every row by name, those of installed packages too."""
    return _KINDS.rows(TOPOLOGIES)


def topology_kind(name: str) -> TopologyKind:
    """The row of a topology, by name (without an argument) or ``.py`` path. Raises InputError."""
    return _KINDS.find(name, TOPOLOGIES, f", {_TOML}, or FILE.py")


def place(
    name: str, nodes: int, client_hosts: int, *, transparent: bool, quality: Quality | None = None, spares: int = 0
) -> Placement:
    """The topology ``name`` with its links: a pure function of its arguments (and of the file, where it is one).

    ``wan`` has as many client hosts as nodes, a TOML file its own counts. ``spares`` are hosts for nodes to come.
    Raises InputError for a name there is not, or a topology that cannot be.
    """
    quality = quality or Quality()
    if name.endswith(".toml"):
        if not quality.perfect:
            raise InputError("--link-… options go with simple and wan: a topology file says what its links are like")
        return place_file(Path(name), transparent=transparent, spares=spares)
    word, _, argument = (name, "", "") if is_file(name) else name.partition(":")
    kind = topology_kind(word)
    if argument and not kind.argument:
        raise InputError(f"--topology {name}: {word} takes nothing behind a colon")
    hosts = Topology.star(nodes, nodes if kind.client_host_a_node else client_hosts, transparent=transparent)
    return kind.place(hosts.with_spares(spares), quality, argument)
