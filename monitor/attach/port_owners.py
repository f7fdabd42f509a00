"""Who dialled: finds the node behind a connection's ephemeral port, where nodes share one address (loopback).

Only the kernel knows. /proc/net/tcp gives the socket's inode, /proc/PID/fd tells which process holds it, and a node is
the process that listens on the node's port. A look costs some 100 us and happens once a connection.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["PortOwners"]

_LISTENING = "0A"
_LOCAL, _REMOTE, _STATE, _INODE = 1, 2, 3, 9  # columns, see Documentation/networking/proc_net_tcp.rst


class PortOwners:
    """Names processes by the port they listen on. ``nodes`` maps ports to names; ``proc`` is /proc."""

    def __init__(self, nodes: Mapping[int, str], proc: Path = Path("/proc")) -> None:
        self._nodes = dict(nodes)
        self._proc = proc
        self._pids: dict[str, int] = {}

    def owner(self, local_port: int, remote_port: int) -> str | None:
        """The node whose process has the connection from ``local_port`` to ``remote_port``; None if none has."""
        if local_port in self._nodes:
            return self._nodes[local_port]
        inode = None
        listening: dict[str, str] = {}
        for row in self._rows():
            local, remote = int(row[_LOCAL].rpartition(":")[2], 16), int(row[_REMOTE].rpartition(":")[2], 16)
            if row[_STATE] == _LISTENING and local in self._nodes:
                listening[row[_INODE]] = self._nodes[local]
            elif (local, remote) == (local_port, remote_port):
                inode = row[_INODE]
        if inode is None:
            return None
        found = self._holder(inode)
        if found is None and self._find_nodes(listening):
            found = self._holder(inode)
        return found

    def _rows(self) -> Iterator[list[str]]:
        for table in ("tcp", "tcp6"):
            try:
                text = (self._proc / "net" / table).read_text()
            except OSError:
                continue
            yield from (line.split() for line in text.splitlines()[1:])

    def _holder(self, inode: str) -> str | None:
        for name, pid in self._pids.items():
            if inode in self._sockets(pid):
                return name
        return None

    def _find_nodes(self, listening: Mapping[str, str]) -> bool:
        """Look through all processes for the nodes; true where any is another process than before."""
        before = dict(self._pids)
        for entry in self._proc.iterdir():
            if entry.name.isdigit():
                for inode in self._sockets(int(entry.name)) & listening.keys():
                    self._pids[listening[inode]] = int(entry.name)
        return self._pids != before

    def _sockets(self, pid: int) -> set[str]:
        folder = self._proc / str(pid) / "fd"
        found = set()
        try:
            for entry in os.listdir(folder):
                target = os.readlink(folder / entry)
                if target.startswith("socket:["):
                    found.add(target[8:-1])
        except OSError:  # it ended, or belongs to somebody else
            pass
        return found
