"""The disks of a cluster's nodes: a FUSE filesystem under each node's data folder, where a fault needs one.

A node's data folder is what ``NodeCommand.data`` names. Its output lies elsewhere, on the host's disk: a power cut must
not take what the node said.
"""

from __future__ import annotations

from pathlib import Path

from raftmon.setup.disks.disk import NodeDisk
from raftmon.setup.errors import RaftmonError

__all__ = ["Disks"]


class Disks:
    """Every node's disk by name; none where the run has no fault that needs one. Close it after the nodes ended."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._disks: dict[str, NodeDisk] = {}

    def open(self, node: str, data: Path) -> None:
        """Mount the disk of ``node`` at its data folder; nothing if it is there already."""
        if node not in self._disks:
            disk = NodeDisk(data, f"{self._seed} {node}")
            disk.open()
            self._disks[node] = disk

    def of(self, node: str) -> NodeDisk:
        """The disk of a node. Raises RaftmonError if the run has none."""
        if node not in self._disks:
            raise RaftmonError(f"{node} has no disk of raftmon's in this run")
        return self._disks[node]

    def close(self) -> None:
        """Unmount them all; their files stay, at the same paths."""
        for disk in self._disks.values():
            disk.close()
        self._disks.clear()
