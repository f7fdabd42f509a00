"""What is wrong with a set of transactions: one finding, and the collection that bounds how many are kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MAX_EXAMPLES", "Anomalies", "Anomaly"]

MAX_EXAMPLES = 20  # of one name; the rest are counted


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One finding: its name, the vertices (live transactions) and aborted ones it is about, and why in a sentence."""

    name: str
    sentence: str
    vertices: tuple[int, ...] = ()
    aborted: tuple[int, ...] = ()
    key: Any = None
    steps: tuple[str, ...] = ()


@dataclass(slots=True)
class Anomalies:
    """Findings by name."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Anomaly]] = field(default_factory=dict)

    def add(self, anomaly: Anomaly) -> None:
        """Count one more; keep it while there is room."""
        self.counts[anomaly.name] = self.counts.get(anomaly.name, 0) + 1
        kept = self.examples.setdefault(anomaly.name, [])
        if len(kept) < MAX_EXAMPLES:
            kept.append(anomaly)

    def extend(self, anomalies: Iterable[Anomaly]) -> None:
        """Add each."""
        for anomaly in anomalies:
            self.add(anomaly)

    def names(self) -> set[str]:
        """The names found."""
        return set(self.counts)
