"""What the clients of a run do, as one frozen value: it travels whole from the options to each client host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.clients.arrivals import ARRIVALS
from raftmon.setup.errors import InputError

__all__ = ["ClientPlan"]


@dataclass(frozen=True, slots=True)
class ClientPlan:
    """Nothing in it depends on where a client runs.

    - ``system``, ``options``: what the adapter is made of; ``workload``, ``parameters``: what they do.
    - ``slots``: client threads in all; ``pin``: the nodes that they talk to (with commas), all where it is None.
    - ``rate``: operations a second over all of them, None for a closed loop; ``arrival``: see ``ARRIVALS``.
    - ``op_timeout_s``: how long a client waits for an answer, ``connect_timeout_s`` for its first one.

    Raises InputError for an arrival that is unknown.
    """

    system: str
    slots: int
    seed: str
    options: Mapping[str, Any] = field(default_factory=dict)
    workload: str = "register"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rate: float | None = None
    arrival: str = "uniform"
    op_timeout_s: float = 2.0
    connect_timeout_s: float = 20.0
    pin: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no client can do."""
        if self.arrival not in ARRIVALS:
            raise InputError(f"unknown arrival {self.arrival!r} (available: {', '.join(ARRIVALS)})")

    def targets(self, nodes: Sequence[str]) -> Sequence[str]:
        """The nodes that slots are dealt out to, one after the other. Raises InputError for one that is unknown."""
        if self.pin is None:
            return nodes
        pinned = [word.strip() for word in self.pin.split(",")]
        for name in pinned:
            if name not in nodes:
                raise InputError(f"--pin: unknown node {name!r} (available: {', '.join(nodes)})")
        return pinned
