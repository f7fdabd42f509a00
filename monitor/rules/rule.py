"""Rules and the immutable set of them: what to look for, what to do, how often and how long."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from raftmon.monitor.rules.actions.checked import check_number
from raftmon.monitor.rules.actions.kinds import Action
from raftmon.monitor.rules.conditions import Match, Never
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["MAX_RULES", "Rule", "RuleSet"]

MAX_RULES = 10_000


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: packets for which ``match`` holds get ``action``, as often as the modifiers say.

    The modifiers are asked in this order, the next only where the one before let the packet through:
    ``after_ms``/``for_ms`` (a window that opens so long after the rule came into force and stays open so long), the
    match, ``every_nth`` (of the packets that match), ``probability``, ``count`` (at most so many in all). Counts run
    over all links of the rule together; what an action remembers (a bucket, a burst) it remembers for each link.
    """

    name: str
    match: Match
    action: Action
    probability: float = 1.0
    count: int | None = None
    after_ms: float = 0.0
    for_ms: float | None = None
    every_nth: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or len(self.name) > 64 or re.search(r'[\x00-\x1f"\\+]', self.name):
            raise InputError(f"a rule's name has at most 64 characters and none of \" \\ +, not {self.name!r}")
        if self.count is None and self.action.once:
            object.__setattr__(self, "count", 1)
        check_number("a rule's probability", self.probability, 0, 1)
        check_number("every_nth of a rule", self.every_nth, 1, 1 << 31, whole=True)
        check_number("after_ms of a rule", self.after_ms, 0, 1e12)
        if self.count is not None:
            check_number("count of a rule", self.count, 1, 1 << 62, whole=True)
        if self.for_ms is not None:
            check_number("for_ms of a rule", self.for_ms, 0, 1e12)

    @property
    def stage(self) -> Literal["packet", "message"]:
        """``message`` where its match or action is about messages, which other code than the packet chain judges."""
        return "message" if "message" in (self.match.stage, self.action.stage) else "packet"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in the order they are asked. ``names`` are the known hosts, for checking what people write.

    ``numbered`` is the N of the last rule that was named rN here: the name of a rule that was removed is given to no
    other.
    """

    rules: tuple[Rule, ...] = ()
    names: tuple[str, ...] = ()
    numbered: int = field(default=0, compare=False)
    _by_link: dict[Link, tuple[Rule, ...]] = field(default_factory=dict, compare=False, repr=False)

    def with_rule(self, rule: Rule) -> RuleSet:
        """The set with one rule more; see ``with_rules``."""
        return self.with_rules([rule])

    def with_rules(self, rules: Iterable[Rule]) -> RuleSet:
        """The set with more rules, behind the others but before those of user scripts.

        A rule without a name gets a free one of r1, r2, … Raises InputError for a name that is taken, or more than
        MAX_RULES rules.
        """
        written = [one for one in self.rules if one.action.parsable]
        scripted = [one for one in self.rules if not one.action.parsable]
        taken = {one.name for one in self.rules}
        number = self.numbered
        for rule in rules:
            if not rule.name:
                number += 1
                while f"r{number}" in taken:
                    number += 1
                rule = replace(rule, name=f"r{number}")
            if rule.name in taken:
                raise InputError(f"there is already a rule {rule.name!r}: remove it first or choose another name")
            if len(taken) >= MAX_RULES:
                raise InputError(f"there are already {MAX_RULES} rules, the most there can be: remove some")
            taken.add(rule.name)
            (written if rule.action.parsable else scripted).append(rule)
        return RuleSet((*written, *scripted), self.names, number)

    def without(self, name: str) -> RuleSet:
        """The set without that rule; raises InputError with the available names."""
        kept = tuple(rule for rule in self.rules if rule.name != name)
        if len(kept) == len(self.rules):
            there = ", ".join(rule.name for rule in self.rules) or "none"
            raise InputError(f"unknown rule {name!r} (available: {there})")
        return RuleSet(kept, self.names, self.numbered)

    def for_link(self, link: Link) -> tuple[Rule, ...]:
        """The rules that can concern a packet of ``link``, their matches specialised on it. Worked out once a link."""
        found = self._by_link.get(link)
        if found is None:
            found = tuple(
                rule if special == rule.match else replace(rule, match=special)
                for rule in self.rules
                if not isinstance(special := rule.match.specialise(link), Never)
            )
            self._by_link[link] = found
        return found

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)
