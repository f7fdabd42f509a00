"""What a system must offer to be tested: a way to start a node, and read, write and compare-and-set.

An adapter is a class with at most six verbs. It never retries: an operation is sent once, and an error whose effect
is not certain is *info*. One ``Client`` belongs to one thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from raftmon.setup.topology import Host, Topology

__all__ = ["Adapter", "Client", "Definite", "Indefinite", "NodeCommand"]


class Definite(Exception):
    """The operation certainly did not happen; the message says why (``fail`` in the history)."""

    def __init__(self, message: str, *, seen: Any = None, has_seen: bool = False) -> None:
        super().__init__(message)
        self.seen = seen
        self.has_seen = has_seen


class Indefinite(Exception):
    """It is unknown whether the operation happened (``info`` in the history)."""


@dataclass(frozen=True, slots=True)
class NodeCommand:
    """How to start one node: its argument vector, its environment, and where its data is."""

    argv: Sequence[str]
    data: Path
    env: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Client(Protocol):
    """A connection to one node, used by one thread.

    Each call ends in one of three ways: it returns (ok), raises Definite (fail) or raises Indefinite (info). Any other
    exception counts as Indefinite.
    """

    def read(self, key: str) -> Any:
        """The value of ``key``, None if it was never written. Linearizable unless the adapter was told otherwise."""

    def write(self, key: str, value: Any) -> None:
        """Set ``key``."""

    def cas(self, key: str, expected: Any, new: Any) -> None:
        """Set ``key`` to ``new`` if it is ``expected``; otherwise raise Definite, with ``seen`` if known."""

    def close(self) -> None:
        """Close the connection; never raises."""


class Adapter(Protocol):
    """A system under test."""

    name: str

    def command(self, node: Host, topology: Topology, folder: Path) -> NodeCommand:
        """The command that starts ``node``; its data must lie under ``folder``."""

    def ready(self, node: Host, topology: Topology, timeout_s: float) -> bool:
        """Ask the node itself whether it serves requests; False if it did not answer so in time."""

    def connect(self, node: Host, timeout_s: float) -> Client:
        """A client of ``node`` for one thread. ``timeout_s`` bounds every operation."""
