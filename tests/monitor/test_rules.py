"""Sets of rules: made from what people write, changed one at a time, never in place."""

from __future__ import annotations

from typing import Any

import pytest

from monitor import rules as rules_module
from monitor.actions import Call, Delay, Drop, LossBursts, Rate
from monitor.match import ALWAYS, Links, Port, both
from monitor.rules import Rule, RuleSet
from setup.errors import InputError
from setup.topology import Link

NAMES = ("n1", "n2", "n3")
N1_N2 = Links(frozenset({"n1"}), frozenset({"n2"}))


def names_of(ruleset: RuleSet) -> list[str]:
    return [rule.name for rule in ruleset]


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        ("n1->n2 drop", Rule("r1", N1_N2, Drop())),
        ({"source": "n1", "target": ["n2"], "action": "drop", "name": "cut"}, Rule("cut", N1_N2, Drop())),
        ({"rule": "n1->n2 drop", "name": "cut"}, Rule("cut", N1_N2, Drop())),
        ({"rule": "cut: n1->n2 drop"}, Rule("cut", N1_N2, Drop())),
        ({"source": "*", "action": "delay", "ms": 5, "jitter_ms": 1}, Rule("r1", ALWAYS, Delay(5, 1))),
        ({"action": "delay 5ms ±1ms", "probability": 0.5}, Rule("r1", ALWAYS, Delay(5, 1), probability=0.5)),
        ({"action": "loss bursts", "enter": 0.1, "leave": 0.2}, Rule("r1", ALWAYS, LossBursts(0.1, 0.2))),
        (
            {"source": "n1", "target": "n2", "match": "port 5", "action": "rate", "kbit_s": 10, "count": 3},
            Rule("r1", both(N1_N2, Port(frozenset({5}))), Rate(10), count=3),
        ),
        (
            {"action": "drop", "every_nth": 2, "after_ms": 5, "for_ms": 10},
            Rule("r1", ALWAYS, Drop(), every_nth=2, after_ms=5, for_ms=10),
        ),
    ],
)
def test_item_becomes_a_rule(item: Any, rule: Rule) -> None:
    assert RuleSet.from_items([item], NAMES).rules == (rule,)


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({}, 'has no "action"'),
        (5, "a rule is a line of text or an object, not 5"),
        ({"action": 5}, '"action" of a rule is text'),
        ({"action": "drop", "ms": 5}, "the action 'drop' takes no \"ms\""),
        ({"action": "delay", "ms": 5, "gap_ms": 1}, 'a rule has no "gap_ms"'),
        ({"action": "delay", "jitter_ms": 5}, "takes ms, jitter_ms"),
        ({"action": "delay", "ms": "5"}, "a delay in ms is a number"),
        ({"action": "drop", "source": "n9"}, "there is no host 'n9' for a rule's source; the hosts are n1, n2, n3"),
        ({"action": "drop", "target": []}, '"target" of a rule is a name, a list of names or'),
        ({"action": "drop", "target": [5]}, '"target" of a rule is a name'),
        ({"action": "drop", "probability": 2}, "a rule's probability is a number from 0 to 1, not 2"),
        ({"action": "drop", "count": 0}, "count of a rule is a whole number"),
        ({"action": "drop", "every_nth": 1.5}, "every_nth of a rule is a whole number"),
        ({"action": "drop", "name": 5}, "a rule's name is text"),
        ({"action": "drop", "name": 'a"b'}, "a rule's name has at most 64"),
        ({"action": "drop", "name": "x" * 65}, "a rule's name has at most 64"),
        ({"action": "drop", "match": "prot 5"}, "did you mean 'port'"),
        ({"rule": "drop", "count": 5}, 'a rule has no "count"; it can have name, rule'),
        ({"rule": 7}, '"rule" of a rule is text'),
    ],
)
def test_wrong_item_is_refused(item: Any, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        RuleSet.from_items([item], NAMES)
    assert sentence in str(caught.value)


def test_items_of_a_set_make_the_same_set() -> None:
    lines = ["n1<->n3 delay 50ms ±10ms 20% for 5s", "cut: n1->n2 port 2380 or not syn drop every 5 count 3 after 1s"]
    ruleset = RuleSet.from_items(lines, NAMES)
    assert RuleSet.from_items(ruleset.to_items(), NAMES) == ruleset
    assert ruleset.to_items()[1] == {
        "name": "cut",
        "match": "(n1->n2 and port 2380) or not syn",
        "action": "drop",
        "count": 3,
        "after_ms": 1000.0,
        "every_nth": 5,
    }


def test_generated_names_avoid_those_taken() -> None:
    ruleset = RuleSet.from_items(["drop", "r2: drop", "drop", "drop"], NAMES)
    assert names_of(ruleset) == ["r1", "r2", "r3", "r4"]
    assert names_of(ruleset.without("r1").with_rule("accept")) == ["r2", "r3", "r4", "r1"]


def test_changes_leave_the_set_before_as_it_was() -> None:
    before = RuleSet.from_items(["drop"], NAMES)
    after = before.with_rule("more: accept")
    assert (names_of(before), names_of(after)) == (["r1"], ["r1", "more"])
    assert len(after.without("r1")) == 1


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(InputError, match="no rule 'x'; the rules there are: a, b"):
        RuleSet.from_items(["a: drop", "b: drop"], NAMES).without("x")
    with pytest.raises(InputError, match="the rules there are: none"):
        RuleSet().without("x")


def test_a_name_cannot_be_given_twice() -> None:
    with pytest.raises(InputError, match="already a rule 'a'"):
        RuleSet.from_items(["a: drop", "a: accept"], NAMES)


def test_rules_of_scripts_stay_behind_written_ones_and_are_marked() -> None:
    ruleset = RuleSet((), NAMES).with_rules([Rule("mine", ALWAYS, Call(print)), "drop"])
    assert names_of(ruleset) == ["r1", "mine"]
    assert ruleset.to_items()[1] == {"name": "mine", "match": "*", "action": "call print", "script": True}


def test_rules_are_indexed_by_link() -> None:
    ruleset = RuleSet.from_items(["a: n1->n2 port 5 drop", "b: n2<->n1 drop", "c: udp drop", "d: n3->* drop"], NAMES)
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
        RuleSet.from_items(["drop", "drop", "drop"], NAMES)
