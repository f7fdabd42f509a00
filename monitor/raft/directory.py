"""Who is who: node ids, names and addresses, learnt from the wire as it comes.

A node can be seen under several addresses: the one it is reached at, and the one its peers know it by (behind a NAT, or
behind raftmon's own presented addresses). Whatever a protocol tells of an address is asked for here, so that one node
is one party.
"""

from __future__ import annotations

from collections.abc import Mapping

from raftmon.monitor.raft.message import Channel, Entry

__all__ = ["Directory"]

_MAX_NODES = 4096


class _Labels(dict[int, str | None]):
    """id -> the name it is shown under; an id without a name is shown in hexadecimal, as etcd writes it."""

    def __missing__(self, ident: int) -> str | None:
        label = f"{ident:x}" if ident else None
        if len(self) < _MAX_NODES:
            self[ident] = label
        return label


class Directory:
    """``names`` maps addresses (``IP`` or ``IP:port``) to node names where the run's topology is known.

    ``renamed`` holds, for every id that was shown in hexadecimal before its name was known, that name; ``learnt_from``
    the entries that were looked through last for names.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self.labels = _Labels()
        self.labels[0] = None
        self.renamed: dict[str, str] = {}
        self.learnt_from: tuple[Entry, ...] = ()
        self.addresses: dict[str, int] = {}
        self._hosts: dict[str, int] = {}
        self._claims: dict[str, str | None] = {}
        self._names = dict(names or {})
        self._fixed: set[int] = set()

    def name(self, ident: int, name: str) -> None:
        """The node says (or another says of it) that it is called ``name``."""
        if not ident or not name or ident in self._fixed or len(self.renamed) >= _MAX_NODES:
            return
        self.labels[ident] = name
        self.renamed[f"{ident:x}"] = name

    def seen(self, ident: int, address: str, port: int | None) -> None:
        """The node with this id was seen at this address; ``port`` is its listening port, None for an ephemeral one."""
        if not ident or len(self.addresses) >= _MAX_NODES:
            return
        where = address if port is None else f"{address}:{port}"
        name = self._names.get(where) or self._names.get(address)
        if name is not None and ident not in self._fixed:
            self.name(ident, name)
            self._fixed.add(ident)
        if port is not None:
            self.addresses[where] = ident
        if not address.startswith("127.") and address != "::1":
            self._hosts[address] = ident if self._hosts.get(address, ident) == ident else 0

    def place(self, channel: Channel) -> None:
        """Fill in who speaks on a channel from its addresses, as far as they are known for certain."""
        if channel.source is None:
            channel.source = self._at(channel.source_address)
        if channel.target is None:
            channel.target = self._at(channel.target_address)

    def party(self, address: str) -> str:
        """The node at ``IP:port`` as a protocol tells it: its name where the topology knows the address, otherwise the
        address under which the node introduced itself, otherwise the address as it is.
        """
        host, _, port = address.rpartition(":")
        if (name := self._names.get(address) or self._names.get(host)) is not None:
            return name
        claimed = self._claims.get(host)
        return f"{claimed}:{port}" if claimed is not None else address

    def claimed(self, address: str, seen_at: str) -> str:
        """A peer that connects from the host ``seen_at`` says that it is ``address`` (``IP:port``); who that is.

        Nodes that share a host (loopback) cannot be told apart by it, so two claims from one host are none.
        """
        host, _, port = address.rpartition(":")
        if seen_at != host and port and len(self._claims) < _MAX_NODES:
            first = self._claims.setdefault(seen_at, host)
            if first is not None and first != host:
                self._claims[seen_at] = None
            elif first is not None:
                self.renamed.setdefault(f"{seen_at}:{port}", self.party(address))
        return self.party(address)

    def _at(self, address: str) -> str | None:
        if (ident := self.addresses.get(address)) is not None:
            return self.labels[ident]
        host = address.rpartition(":")[0]
        return self._names.get(address) or self._names.get(host) or self.labels[self._hosts.get(host, 0)]
