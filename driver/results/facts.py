"""What only the live run knew, and nothing in its folder says: its times, leaders, health, deaths, faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["FinalReads", "LeaderAt", "RunFacts"]


class LeaderAt(NamedTuple):
    """Who led at some moment; ``term`` is 0 if the system has none."""

    leader: str
    term: int


class FinalReads(NamedTuple):
    """How many calls each node was to answer, and how many the one that got least far was asked."""

    wanted: int
    made: int


@dataclass(slots=True)
class RunFacts:
    """Filled in as the run goes on and saved with its results, however it ends.

    ``began_ns`` is the clients' first operation and ``ended_ns`` when the last was over (CLOCK_MONOTONIC), None where
    it did not come to that. ``health_*`` is whether a quorum answered before and after the work. ``clients`` are the
    fleet's last counts, ``deaths`` a sentence for each node that ended by itself, ``faults`` the rows of
    ``FaultRecord.to_json``.
    """

    began_ns: int | None = None
    ended_ns: int | None = None
    leader_before: LeaderAt | None = None
    leader_after: LeaderAt | None = None
    health_before: bool | None = None
    health_after: bool | None = None
    clients: dict[str, Any] = field(default_factory=dict)
    deaths: list[str] = field(default_factory=list)
    final_reads: FinalReads = field(default_factory=lambda: FinalReads(0, 0))
    interrupted: bool = False
    faults: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The part of ``results.json`` that these are."""
        return {
            "began_ns": self.began_ns,
            "ended_ns": self.ended_ns,
            "leader_before": None if self.leader_before is None else self.leader_before._asdict(),
            "leader_after": None if self.leader_after is None else self.leader_after._asdict(),
            "health_before": self.health_before,
            "health_after": self.health_after,
            "clients": self.clients,
            "deaths": self.deaths,
            "final_reads": self.final_reads._asdict(),
            "interrupted": self.interrupted,
            "faults": self.faults,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunFacts:
        """What ``to_json`` gave; names that are missing (of an older version) keep their defaults."""

        def leader(name: str) -> LeaderAt | None:
            found = value.get(name)
            return None if found is None else LeaderAt(found["leader"], found["term"])

        reads = value.get("final_reads") or {}
        return cls(
            began_ns=value.get("began_ns"),
            ended_ns=value.get("ended_ns"),
            leader_before=leader("leader_before"),
            leader_after=leader("leader_after"),
            health_before=value.get("health_before"),
            health_after=value.get("health_after"),
            clients=dict(value.get("clients") or {}),
            deaths=list(value.get("deaths") or []),
            final_reads=FinalReads(reads.get("wanted", 0), reads.get("made", 0)),
            interrupted=bool(value.get("interrupted", False)),
            faults=list(value.get("faults") or []),
        )
