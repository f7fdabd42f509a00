"""What an adapter imports: ``from raftmon.systems import Definite, NodeCommand`` (docs/adapters.md).

An adapter says how to start one node of a system and how a client reads, writes and compares-and-sets on it. Everything
else a system can do is a capability: a small Protocol that the client or the adapter may have, each of them named here.
"""

from __future__ import annotations

from raftmon.adapters import capabilities, versioned
from raftmon.adapters.asking import ask_until
from raftmon.adapters.base import Adapter, Client, Definite, Indefinite, NodeCommand
from raftmon.adapters.capabilities import *  # noqa: F403
from raftmon.adapters.line_client import LineClient
from raftmon.adapters.options import Options
from raftmon.adapters.outcomes import Row, judge, raise_outcome
from raftmon.adapters.versioned import *  # noqa: F403
from raftmon.setup.topology import Host, Topology

__all__ = [
    "Adapter",
    "Client",
    "Definite",
    "Host",
    "Indefinite",
    "LineClient",
    "NodeCommand",
    "Options",
    "Row",
    "Topology",
    "ask_until",
    "judge",
    "raise_outcome",
    *capabilities.__all__,
    *versioned.__all__,
]
