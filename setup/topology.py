"""Who is in a run and under which addresses: pure data, no I/O.

Node ``i`` (from 1) really is ``10.77.i.2`` and its veth ends in the router at ``10.77.i.1``. Its peers know it
as ``10.78.i.2``, its *presented* address, which belongs to the monitor. A client host ``j`` is ``10.79.j.2``.
Under IPv6, where the kernel has it, the same hosts are ``fd77:0:0:i::2``, ``fd78:0:0:i::2`` and ``fd79:0:0:j::2``
(the index in hexadecimal; unique local addresses, RFC 4193).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from raftmon.setup.errors import InputError

__all__ = ["CLIENT_NET", "MAX_NODES", "MTU", "NODE_NET", "PRESENTED_NET", "Host", "Link", "Topology"]

NODE_NET = "10.77"
PRESENTED_NET = "10.78"
CLIENT_NET = "10.79"
MAX_NODES = 250
MTU = 1500


def _net6(net: str) -> str:
    """``10.77`` -> ``fd77``: one step between real and presented addresses, as in IPv4."""
    return "fd" + net.split(".")[1]


@dataclass(frozen=True, slots=True)
class Link:
    """A *directed* pair of host names. A partition is a set of links."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source}->{self.target}"

    @property
    def reverse(self) -> Link:
        """The same pair, the other way."""
        return Link(self.target, self.source)


@dataclass(frozen=True, slots=True)
class Host:
    """One machine of a run: a node of the cluster (``n1``) or a client host (``c1``)."""

    name: str
    index: int
    net: str
    presented_net: str | None = None

    @property
    def address(self) -> str:
        """The address it really has, IPv4 dotted."""
        return f"{self.net}.{self.index}.2"

    @property
    def gateway(self) -> str:
        """The router's end of its veth."""
        return f"{self.net}.{self.index}.1"

    @property
    def presented(self) -> str:
        """The address its peers know it under: the real one where nothing is presented."""
        return f"{self.presented_net or self.net}.{self.index}.2"

    @property
    def address6(self) -> str:
        """The IPv6 address it really has."""
        return f"{_net6(self.net)}:0:0:{self.index:x}::2"

    @property
    def gateway6(self) -> str:
        """The router's end of its veth under IPv6."""
        return f"{_net6(self.net)}:0:0:{self.index:x}::1"

    @property
    def presented6(self) -> str:
        """The IPv6 address its peers know it under: the real one where nothing is presented."""
        return f"{_net6(self.presented_net or self.net)}:0:0:{self.index:x}::2"

    @property
    def namespace(self) -> str:
        """The name of its network namespace (under the sandbox's own /run/netns)."""
        return self.name

    @property
    def router_interface(self) -> str:
        """The router's veth towards this host."""
        return f"v-{self.name}"


@dataclass(frozen=True, slots=True)
class Topology:
    """The nodes and client hosts of one run; ``spares`` are hosts for nodes that join later."""

    nodes: tuple[Host, ...]
    clients: tuple[Host, ...] = ()
    spares: tuple[Host, ...] = ()

    @classmethod
    def star(cls, nodes: int, client_hosts: int = 1, *, transparent: bool = False) -> Topology:
        """``nodes`` nodes ``n1..`` and ``client_hosts`` hosts ``c1..``, each one veth away from the router.

        Raises InputError if a count is out of range.
        """
        if not 1 <= nodes <= MAX_NODES:
            raise InputError(f"a cluster has 1 to {MAX_NODES} nodes, not {nodes}: give --nodes a number in that range")
        if not 0 <= client_hosts <= MAX_NODES:
            raise InputError(f"a run has 0 to {MAX_NODES} client hosts, not {client_hosts}: change --client-hosts")
        presented = None if transparent else PRESENTED_NET
        return cls(
            tuple(Host(f"n{i}", i, NODE_NET, presented) for i in range(1, nodes + 1)),
            tuple(Host(f"c{i}", i, CLIENT_NET) for i in range(1, client_hosts + 1)),
        )

    def with_spares(self, count: int) -> Topology:
        """The same with hosts for ``count`` nodes to come. Raises InputError if that are more than MAX_NODES."""
        first = len(self.nodes) + 1
        if first + count - 1 > MAX_NODES:
            raise InputError(f"{len(self.nodes)} nodes and {count} to come are more than {MAX_NODES}")
        presented = None if self.transparent else PRESENTED_NET
        spares = tuple(Host(f"n{i}", i, NODE_NET, presented) for i in range(first, first + count))
        return replace(self, spares=spares)

    def with_members(self, names: Iterable[str]) -> Topology:
        """The same with those nodes and spares as its nodes, in the order of their numbers."""
        wanted = set(names)
        return replace(
            self, nodes=tuple(host for host in (*self.nodes, *self.spares) if host.name in wanted), spares=()
        )

    @property
    def transparent(self) -> bool:
        """Whether nodes know each other by their real addresses."""
        return all(node.presented_net is None for node in self.nodes)

    def host(self, name: str) -> Host:
        """The host of that name; raises InputError with the available names."""
        for host in self.hosts():
            if host.name == name:
                return host
        names = ", ".join(host.name for host in self.hosts())
        raise InputError(f"unknown host {name!r} (available: {names})")

    def hosts(self) -> Iterator[Host]:
        """Nodes first, then hosts of nodes to come, then client hosts."""
        yield from self.nodes
        yield from self.spares
        yield from self.clients

    def node_names(self) -> tuple[str, ...]:
        """The nodes' names in order."""
        return tuple(node.name for node in self.nodes)

    def peer_links(self) -> tuple[Link, ...]:
        """Every directed pair of different nodes."""
        return tuple(Link(a.name, b.name) for a in self.nodes for b in self.nodes if a is not b)
