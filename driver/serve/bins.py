"""Counts over time in a bounded number of bins, of which only those that changed are told again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Bins"]

MOST_BINS = 400
_MOST_VALUES = 200  # kept of each bin, for its quantiles


@dataclass(slots=True)
class _Bin:
    counts: dict[str, int] = field(default_factory=dict)
    values: list[float] = field(default_factory=list)
    version: int = 0


@dataclass(slots=True)
class Bins:
    """Bins of ``width_s`` from second 0 on; where they would be more than ``MOST_BINS``, two become one."""

    width_s: float = 0.25
    bins: list[_Bin] = field(default_factory=list)

    def add(self, at_s: float, name: str, version: int, value: float | None = None) -> None:
        """Count one; ``value`` goes into the bin's quantiles. What was before second 0 counts in the first bin."""
        place = max(int(at_s / self.width_s), 0)
        while place >= MOST_BINS:
            self._halve(version)
            place = int(at_s / self.width_s)
        while len(self.bins) <= place:
            self.bins.append(_Bin(version=version))
        one = self.bins[place]
        one.counts[name] = one.counts.get(name, 0) + 1
        one.version = version
        if value is not None and len(one.values) < _MOST_VALUES:
            one.values.append(value)

    def _halve(self, version: int) -> None:
        self.width_s *= 2
        merged = []
        for place in range(0, len(self.bins), 2):
            pair = self.bins[place : place + 2]
            names = {name for one in pair for name in one.counts}
            counts = {name: sum(one.counts.get(name, 0) for one in pair) for name in sorted(names)}
            merged.append(_Bin(counts, [value for one in pair for value in one.values][:_MOST_VALUES], version))
        self.bins = merged

    def since(self, version: int, names: tuple[str, ...] | None = None) -> dict[str, Any] | None:
        """From the first bin changed after ``version`` on: ``bin`` (s), ``from`` (its number), ``counts`` by name (all,
        or ``names``), ``p50`` and ``p99`` of the values. None if nothing changed.
        """
        first = next((n for n, one in enumerate(self.bins) if one.version > version), None)
        if first is None:
            return None
        changed = self.bins[first:]
        wanted = names or tuple(dict.fromkeys(name for one in self.bins for name in one.counts))
        return {
            "bin": self.width_s,
            "from": first,
            "counts": {name: [one.counts.get(name, 0) for one in changed] for name in wanted},
            "p50": [_quantile(one.values, 0.5) for one in changed],
            "p99": [_quantile(one.values, 0.99) for one in changed],
        }


def _quantile(values: list[float], share: float) -> float | None:
    if not values:
        return None
    return round(sorted(values)[min(int(len(values) * share), len(values) - 1)], 3)
