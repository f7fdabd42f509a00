"""The nodes of a new cluster, started one after the other where the system is better off so (``Joinable``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from raftmon.adapters.capabilities import Joinable
from raftmon.setup.topology import Host

__all__ = ["start_in_turn"]

_JOINABLE_S = 1.0


def start_in_turn(adapter: object, nodes: Sequence[Host], start: Callable[[Host], None]) -> None:
    """``start`` each node of a new cluster; one that does not answer the others in a second does not stop the next."""
    for node in nodes:
        start(node)
        if isinstance(adapter, Joinable) and node is not nodes[-1]:
            adapter.joinable(node, _JOINABLE_S)
