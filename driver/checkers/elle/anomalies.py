"""What is wrong with a set of transactions: one finding, and the collection that bounds how many are kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from raftmon.driver.checkers.kept import Kept

__all__ = ["Anomalies", "Anomaly"]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One finding: its name, the vertices (live transactions) and aborted ones it is about, and why in a sentence.

    A cycle has ``edges``: (source, target, kind), vertices and one of ww, wr, rw, process, realtime.
    """

    name: str
    sentence: str
    vertices: tuple[int, ...] = ()
    aborted: tuple[int, ...] = ()
    key: Any = None
    steps: tuple[str, ...] = ()
    edges: tuple[tuple[int, int, str], ...] = ()


class Anomalies(Kept[Anomaly]):
    """Anomalies by name."""

    def add(self, anomaly: Anomaly) -> None:
        """Count one more; keep it while there is room."""
        self.keep(anomaly.name, lambda: anomaly)

    def extend(self, anomalies: Iterable[Anomaly]) -> None:
        """Add each."""
        for anomaly in anomalies:
            self.add(anomaly)

    def names(self) -> set[str]:
        """The names found."""
        return set(self.counts)
