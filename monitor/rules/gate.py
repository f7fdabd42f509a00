"""How often and how long a rule acts: its window, every_nth, probability and count, and what it did so far.

The same for rules on packets and on messages; "one" below is either.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from raftmon.monitor.rules.rule import Rule

__all__ = ["RuleCounters", "RuleGate"]


class RuleCounters:
    """What one rule did, over all its links; it lives as long as the rule stays as it is."""

    __slots__ = ("bytes", "errors", "hits", "packets", "since_ns")

    def __init__(self, now_ns: int) -> None:
        self.since_ns = now_ns
        self.packets = 0  # that matched
        self.hits = 0  # of these, on which the rule acted
        self.bytes = 0  # in these hits
        self.errors = 0  # exceptions of user code


class RuleGate:
    """One rule on one link. ``rng`` is a stream of random numbers that belongs to the link.

    ``on_failure(name, counters, error)`` is the engine's way with exceptions of user code.
    """

    __slots__ = ("_chancy", "_on_failure", "closes_ns", "counters", "name", "opens_ns", "rng", "rule")

    def __init__(
        self,
        rule: Rule,
        counters: RuleCounters,
        rng: random.Random,
        on_failure: Callable[[str, RuleCounters, BaseException], None] | None = None,
    ) -> None:
        self.rule = rule
        self._on_failure = on_failure
        self.name = rule.name
        self.counters = counters
        self.rng = rng
        self.opens_ns = counters.since_ns + round(rule.after_ms * 1e6) if rule.after_ms else 0
        self.closes_ns = None if rule.for_ms is None else counters.since_ns + round((rule.after_ms + rule.for_ms) * 1e6)
        self._chancy = rule.every_nth > 1 or rule.probability < 1 or rule.count is not None

    @property
    def windowed(self) -> bool:
        """Whether the rule has a window at all."""
        return bool(self.opens_ns) or self.closes_ns is not None

    def in_window(self, now_ns: int) -> bool:
        """Whether the rule's window is open; ask before the match."""
        return now_ns >= self.opens_ns and (self.closes_ns is None or now_ns < self.closes_ns)

    def fires(self) -> bool:
        """Count one that matched inside the window, and say whether the rule acts on it."""
        counters = self.counters
        counters.packets += 1
        if not self._chancy:
            return True
        rule = self.rule
        if rule.every_nth > 1 and counters.packets % rule.every_nth:
            return False
        if rule.probability < 1 and self.rng.random() >= rule.probability:
            return False
        return rule.count is None or counters.hits < rule.count

    def acted(self, size_bytes: int) -> None:
        """Count one on which the rule acted."""
        self.counters.hits += 1
        self.counters.bytes += size_bytes

    def failed(self, error: BaseException) -> None:
        """User code raised ``error``: counted, shown once a rule. Raises UserCodeError if the run is strict."""
        if self._on_failure is None:
            raise error
        self._on_failure(self.name, self.counters, error)
