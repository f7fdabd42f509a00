"""Which key an operation is on: every key alike, a few that are asked for most (Zipf), or one hot key.

Zipf's law with exponent ``skew``: the n-th key is asked for in proportion to ``1 / n ** skew``. YCSB's default is 0.99
(Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", 2010).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from raftmon.setup.errors import InputError

__all__ = ["CHOICES", "KeyChooser"]

CHOICES = ("uniform", "zipf", "hot")
MAX_KEYS = 1_000_000


class KeyChooser:
    """Turns a number drawn from [0, 1) into a key: one draw a choice, whatever the choice is.

    ``skew`` is Zipf's exponent; for ``hot`` it is the share of operations that go to the first key.
    Raises InputError for a choice, a number of keys or a skew that cannot be.
    """

    def __init__(self, names: Sequence[str], choice: str = "uniform", skew: float = 0.99) -> None:
        if not 1 <= len(names) <= MAX_KEYS:
            raise InputError(f"a workload has 1 to {MAX_KEYS} keys, not {len(names)}: change --keys")
        if choice not in CHOICES:
            raise InputError(f"unknown choice of keys {choice!r} (available: {', '.join(CHOICES)})")
        if choice == "hot" and not 0 < skew < 1:
            raise InputError(f"the hot key's share is {skew:g}: give skew more than 0 and less than 1")
        if choice == "zipf" and not 0 < skew <= 10:
            raise InputError(f"Zipf's exponent is {skew:g}: give skew more than 0 and at most 10")
        self.names = tuple(names)
        self._bounds = self._cumulated(choice, skew)

    def _cumulated(self, choice: str, skew: float) -> list[float]:
        """The end of each key's part of [0, 1); empty if all parts are alike."""
        count = len(self.names)
        if choice == "uniform" or count == 1:
            return []
        if choice == "zipf":
            weights = [1 / rank**skew for rank in range(1, count + 1)]
        else:
            weights = [skew] + [(1 - skew) / (count - 1)] * (count - 1)
        whole = sum(weights)
        return [part / whole for part in accumulate(weights)]

    def choose(self, draw: float) -> str:
        """The key for a draw from [0, 1)."""
        if not self._bounds:
            return self.names[int(draw * len(self.names))]
        return self.names[min(bisect_right(self._bounds, draw), len(self.names) - 1)]
