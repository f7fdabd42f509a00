"""What every rule of a run did, by its name: through reloads, and after it was removed.

A rule that is changed under the same name starts its modifiers anew (``count``, ``every``, ``after``, ``for``), because
they belong to what the rule says now; what was counted goes on.
"""

from __future__ import annotations

from typing import Any

from raftmon.monitor.rules.gate import RuleCounters
from raftmon.monitor.rules.rule import MAX_RULES, Rule, RuleSet

__all__ = ["Tallies"]

_COUNTED = ("packets", "hits", "bytes", "errors")


class _Tally:
    """One name: the rule that has it now, its counters, and the sums of the rules that had it before."""

    __slots__ = ("counters", "earlier", "in_force", "rule")

    def __init__(self, rule: Rule, now_ns: int) -> None:
        self.rule = rule
        self.counters = RuleCounters(now_ns)
        self.earlier = dict.fromkeys(_COUNTED, 0)
        self.in_force = True

    def replace(self, rule: Rule, now_ns: int) -> None:
        """Count for another rule of this name, on top of what was counted."""
        self.earlier = self.sums()
        self.rule = rule
        self.counters = RuleCounters(now_ns)
        self.in_force = True

    def sums(self) -> dict[str, int]:
        return {key: self.earlier[key] + getattr(self.counters, key) for key in _COUNTED}


class Tallies:
    """The counters of every rule that is or was in force, in the order in which the names first appeared.

    Of removed rules the latest ``most_removed`` are remembered; ``forgotten`` counts the others.
    """

    def __init__(self, most_removed: int = MAX_RULES) -> None:
        self._tallies: dict[str, _Tally] = {}
        self._most_removed = most_removed
        self.forgotten = 0

    def load(self, ruleset: RuleSet, now_ns: int) -> None:
        """Other rules are in force. One that is in force before and after, equal in everything, keeps its counters."""
        names = {rule.name for rule in ruleset}
        for name in [name for name, tally in self._tallies.items() if tally.in_force and name not in names]:
            tally = self._tallies.pop(name)  # to the end: removed rules come in the order of their removal
            tally.in_force = False
            self._tallies[name] = tally
        for rule in ruleset:
            tally_before = self._tallies.get(rule.name)
            if tally_before is None:
                self._tallies[rule.name] = _Tally(rule, now_ns)
            elif not tally_before.in_force or tally_before.rule != rule:
                tally_before.replace(rule, now_ns)
        removed = [name for name, tally in self._tallies.items() if not tally.in_force]
        for name in removed[: max(0, len(removed) - self._most_removed)]:
            del self._tallies[name]
            self.forgotten += 1

    def __getitem__(self, name: str) -> RuleCounters:
        """The counters of a rule in force: another object whenever the rule of this name is another one."""
        return self._tallies[name].counters

    def stats(self) -> dict[str, dict[str, Any]]:
        """For each name: ``packets`` that matched, ``hits`` the rule acted on, their ``bytes``, ``errors`` of user
        code, and ``"removed": true`` where it is no longer in force.
        """
        return {
            name: {**tally.sums(), **({} if tally.in_force else {"removed": True})}
            for name, tally in self._tallies.items()
        }
