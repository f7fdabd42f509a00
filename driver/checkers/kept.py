"""What was found wrong, counted by name, with a few examples of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["MAX_EXAMPLES", "Kept"]

T = TypeVar("T")

MAX_EXAMPLES = 20
"""Of one name that are kept; the rest are counted."""


@dataclass(slots=True)
class Kept(Generic[T]):
    """Counts by name, and examples by name."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[T]] = field(default_factory=dict)

    def keep(self, name: str, make: Callable[[], T]) -> None:
        """Count one more of that name, and make and keep it while there is room."""
        self.counts[name] = self.counts.get(name, 0) + 1
        kept = self.examples.setdefault(name, [])
        if len(kept) < MAX_EXAMPLES:
            kept.append(make())
