"""What one client host is told: a JSON file that ClientFleet writes and ``python -m raftmon.driver.clients`` reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from raftmon.driver.clients.plan import ClientPlan
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Host

__all__ = ["HostConfig"]


@dataclass(frozen=True, slots=True)
class HostConfig:
    """One client host of a run.

    ``plan`` is that of all clients; ``slots`` are the numbers of this host's own, and ``targets`` maps each of them to
    a node's name. ``host_number`` of ``hosts`` makes event indices unique without coordination.
    """

    host: str
    host_number: int
    hosts: int
    slots: Sequence[int]
    targets: Mapping[int, str]
    nodes: Sequence[Host]
    history: str
    folder: str
    plan: ClientPlan

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_bytes(orjson.dumps(dataclasses.asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))

    @classmethod
    def load(cls, path: Path) -> HostConfig:
        """What ``save`` wrote; raises InputError if the file is no such thing."""
        try:
            given = orjson.loads(path.read_bytes())
            given["plan"] = ClientPlan(**given["plan"])
            given["nodes"] = [Host(**node) for node in given["nodes"]]
            given["targets"] = {int(slot): node for slot, node in given["targets"].items()}
            return cls(**given)
        except (OSError, orjson.JSONDecodeError, TypeError, KeyError, ValueError) as error:
            raise InputError(f"{path} is no configuration of a client host: {error}") from error
