"""Sets of rules: made from what people write, changed one at a time, never in place."""

from __future__ import annotations

import pytest

from raftmon.monitor.rules import rule as rules_module
from raftmon.monitor.rules.actions.kinds import Call
from raftmon.monitor.rules.conditions import ALWAYS, Port
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.monitor.rules.serialization import ruleset_from_items, ruleset_to_items, with_items
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

NAMES = ("n1", "n2", "n3")


def names_of(ruleset: RuleSet) -> list[str]:
    return [rule.name for rule in ruleset]


def test_generated_names_avoid_those_taken() -> None:
    ruleset = ruleset_from_items(["drop", "r2: drop", "drop", "drop"], NAMES)
    assert names_of(ruleset) == ["r1", "r2", "r3", "r4"]
    assert names_of(with_items(ruleset.without("r1"), ["accept"])) == ["r2", "r3", "r4", "r5"]


def test_changes_leave_the_set_before_as_it_was() -> None:
    before = ruleset_from_items(["drop"], NAMES)
    after = with_items(before, ["more: accept"])
    assert (names_of(before), names_of(after)) == (["r1"], ["r1", "more"])
    assert len(after.without("r1")) == 1


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"unknown rule 'x' \(available: a, b"):
        ruleset_from_items(["a: drop", "b: drop"], NAMES).without("x")
    with pytest.raises(InputError, match=r"unknown rule 'x' \(available: none"):
        RuleSet().without("x")


def test_a_name_cannot_be_given_twice() -> None:
    with pytest.raises(InputError, match="already a rule 'a'"):
        ruleset_from_items(["a: drop", "a: accept"], NAMES)


def test_rules_of_scripts_stay_behind_written_ones_and_are_marked() -> None:
    ruleset = with_items(RuleSet((), NAMES), [Rule("mine", ALWAYS, Call(print)), "drop"])
    assert names_of(ruleset) == ["r1", "mine"]
    assert ruleset_to_items(ruleset)[1] == {"name": "mine", "match": "*", "action": "call print", "script": True}


def test_rules_are_indexed_by_link() -> None:
    ruleset = ruleset_from_items(["a: n1->n2 port 5 drop", "b: n2<->n1 drop", "c: udp drop", "d: n3->* drop"], NAMES)
    assert [(rule.name, rule.match) for rule in ruleset.for_link(Link("n1", "n2"))] == [
        ("a", Port(frozenset({5}))),
        ("b", ALWAYS),
        ("c", ruleset.rules[2].match),
    ]
    assert [rule.name for rule in ruleset.for_link(Link("n2", "n1"))] == ["b", "c"]
    assert ruleset.for_link(Link("n2", "n1")) is ruleset.for_link(Link("n2", "n1"))


def test_there_is_a_most_of_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_module, "MAX_RULES", 2)
    with pytest.raises(InputError, match="already 2 rules"):
        ruleset_from_items(["drop", "drop", "drop"], NAMES)
