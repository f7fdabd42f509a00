"""JSON objects become rules and back, and wrong ones are told what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.monitor.rules.actions.kinds import Call, Delay, Drop, LossBursts, Rate
from raftmon.monitor.rules.conditions import ALWAYS, Links, Port, both
from raftmon.monitor.rules.rule import Rule
from raftmon.monitor.rules.serialization import rule_to_item, ruleset_from_items, ruleset_to_items
from raftmon.setup.errors import InputError

NAMES = ("n1", "n2", "n3")
N1_N2 = Links(frozenset({"n1"}), frozenset({"n2"}))


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
    assert ruleset_from_items([item], NAMES).rules == (rule,)


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
        ({"action": "drop", "source": "n9"}, "unknown host 'n9' as a rule's source (available: n1, n2, n3"),
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
        ruleset_from_items([item], NAMES)
    assert sentence in str(caught.value)


def test_items_of_a_set_make_the_same_set() -> None:
    lines = ["n1<->n3 delay 50ms ±10ms 20% for 5s", "cut: n1->n2 port 2380 or not syn drop every 5 count 3 after 1s"]
    ruleset = ruleset_from_items(lines, NAMES)
    assert ruleset_from_items(ruleset_to_items(ruleset), NAMES) == ruleset
    assert ruleset_to_items(ruleset)[1] == {
        "name": "cut",
        "match": "(n1->n2 and port 2380) or not syn",
        "action": "drop",
        "count": 3,
        "after_ms": 1000.0,
        "every_nth": 5,
    }


def test_an_object_tells_what_cannot_be_made_again() -> None:
    assert rule_to_item(Rule("mine", ALWAYS, Call(print))) == {
        "name": "mine",
        "match": "*",
        "action": "call print",
        "script": True,
    }


WORDS = st.sampled_from(["n1", "drop", "*"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
KEYS = ["name", "source", "target", "match", "action", "rule", "probability", "count", "after_ms", "for_ms"]
FIELDS = ["every_nth", "ms", "jitter_ms", "distribution", "bits", "repair", "kbit_s", "copies", "enter", "leave"]


@settings(max_examples=500, deadline=None)
@given(
    st.dictionaries(st.sampled_from(KEYS + FIELDS), VALUES, max_size=5),
    st.sampled_from([None, "drop", "delay", "rate", "corrupt", "loss bursts"]),
)
def test_any_json_is_a_rule_or_an_input_error(item: dict[str, Any], action: str | None) -> None:
    if action is not None:
        item["action"] = action
    try:
        ruleset = ruleset_from_items([item], NAMES)
    except InputError:
        return
    assert ruleset_from_items(ruleset_to_items(ruleset), NAMES) == ruleset
