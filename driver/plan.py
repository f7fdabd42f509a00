"""A run's plan as data: what clients will do and what will be done to the cluster, before anything happens.

The plan is a pure function of configuration and seed, and the same byte for byte for the same seed. It holds no time
of day, no path and no process id. Two things are decided only while the run lasts, and the plan names them by word:
what a cas expects (what its client last saw) and who "the leader" is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from driver.workloads.base import Workload, slot_random
from setup.errors import RaftmonError

__all__ = ["DIGESTED_CALLS", "Plan", "calls_digest"]

DIGESTED_CALLS = 200  # of each slot: enough to tell two plans apart, cheap enough for a thousand slots


def calls_digest(workload: Workload, seed: str, slots: int) -> str:
    """SHA-256 over the first calls of every slot, as they are as long as nothing has been seen."""
    digest = hashlib.sha256()
    for slot in range(slots):
        plan = workload.slot(slot, slots, slot_random(seed, slot))
        digest.update(orjson.dumps([tuple(plan.next()) for _ in range(DIGESTED_CALLS)], default=str))
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that will be done. ``faults`` are the schedule's entries as JSON objects, in order of start."""

    seed: str
    system: str
    nodes: Sequence[str]
    client_hosts: Sequence[str]
    slots: int
    duration_s: float
    workload: str
    parameters: Mapping[str, Any]
    calls_sha256: str
    rate: float | None = None
    arrival: str = "uniform"
    pin: str | None = None
    faults: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    @classmethod
    def of(cls, workload: Workload, *, seed: str, slots: int, **rest: Any) -> Plan:
        """A plan for a workload, its parameters and digest filled in; ``rest`` are the other fields."""
        return cls(
            seed=seed,
            slots=slots,
            workload=workload.name,
            parameters=workload.parameters(),
            calls_sha256=calls_digest(workload, seed, slots),
            **rest,
        )

    def to_bytes(self) -> bytes:
        """The plan as JSON, keys sorted, one trailing newline."""
        value = {name: getattr(self, name) for name in self.__slots__}
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)

    def save(self, path: Path) -> None:
        """Write it; raises RaftmonError where that fails."""
        try:
            path.write_bytes(self.to_bytes())
        except OSError as error:
            raise RaftmonError(f"the plan could not be written to {path}: {error.strerror}") from error
