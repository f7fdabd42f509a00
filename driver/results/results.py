"""A run's results: the content of ``results.json`` as one value. docs/verdicts.md lists its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.checkers.base import Valid
from raftmon.driver.results.facts import RunFacts

__all__ = ["Results"]


@dataclass(frozen=True, slots=True)
class Results:
    """What came of a run.

    - ``sentences``: the verdict in words; ``reasons``: why it is *unknown*, or what went wrong beside it.
    - ``checkers``: by name, ``Result.as_json`` of each; ``operations``: ``operation_table``; ``outages``: ``outages``.
    - ``monitor``: the content of ``monitor.json``, None if there is none; ``config``: ``RunConfig.to_json``.
    - ``explanations``: ``Explanation.to_json`` of each anomaly (raftmon.driver.blame.explain).
    - ``error``: why the run itself failed; there are no checkers then, only ``facts`` up to there.
    """

    valid: Valid
    facts: RunFacts
    sentences: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    checkers: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    outages: list[dict[str, float]] = field(default_factory=list)
    monitor: dict[str, Any] | None = None
    config: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    explanations: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The object that is ``results.json``."""
        if self.error is not None:
            return {"valid": self.valid.value, "error": self.error, **self.facts.to_json()}
        return {
            "valid": self.valid.value,
            "sentences": self.sentences,
            "reasons": self.reasons,
            "checkers": self.checkers,
            "explanations": self.explanations,
            "operations": self.operations,
            "outages": self.outages,
            **self.facts.to_json(),
            "monitor": self.monitor,
            "config": self.config,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Results:
        """What ``to_json`` gave; names that are missing (of an older version) keep their defaults.

        Raises ValueError or TypeError where the object is no such thing.
        """
        return cls(
            valid=Valid(value.get("valid", Valid.UNKNOWN)),
            facts=RunFacts.from_json(value),
            sentences=list(value.get("sentences") or []),
            reasons=list(value.get("reasons") or []),
            checkers=dict(value.get("checkers") or {}),
            operations=dict(value.get("operations") or {}),
            outages=list(value.get("outages") or []),
            monitor=value.get("monitor"),
            config=dict(value.get("config") or {}),
            error=value.get("error"),
            explanations=list(value.get("explanations") or []),
        )
