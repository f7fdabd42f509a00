from __future__ import annotations

import pytest

from raftmon.driver.topologies.base import Quality, link_rules
from raftmon.driver.topologies.builtin import all_links
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link, Topology

TOPOLOGY = Topology.star(2, 1)
NAMES = ("n1", "n2", "c1")


def test_a_link_gets_a_rule_for_each_thing_that_is_wrong_with_it():
    rules, clients = link_rules(TOPOLOGY, {Link("n1", "n2"): Quality(10, 2.5, 0.1, 512)})
    assert rules == (
        "latency-1: n1->n2 delay 10ms ±2.5ms",
        "loss-2: n1->n2 loss 0.1%",
        "rate-3: n1->n2 rate 512kbit",
    )
    assert not clients


def test_links_of_one_quality_share_a_rule_and_perfect_ones_have_none():
    qualities = dict.fromkeys([Link("n1", "n2"), Link("n2", "n1"), Link("n2", "c1")], Quality(5))
    rules, clients = link_rules(TOPOLOGY, {**qualities, Link("c1", "n1"): Quality()})
    assert rules == ("latency-1: n1->n2 or n2->c1,n1 delay 5ms",)
    assert clients


def test_the_rules_are_rules():
    qualities = dict.fromkeys(all_links(TOPOLOGY), Quality(5, 1, 0.5, 1000.0))
    found = ruleset_from_items(list(link_rules(TOPOLOGY, qualities)[0]), NAMES)
    assert [rule.name for rule in found] == ["latency-1", "loss-2", "rate-3"]


def test_clients_have_no_links_with_each_other():
    links = all_links(Topology.star(2, 2))
    assert len(links) == 2 + 2 * 4
    assert Link("c1", "c2") not in links


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((-1,), "latency is -1"),
        ((5, 6), "before it was sent"),
        ((0, 0, 101), "loss is 101"),
        ((0, 0, 0, 0), "rate is 0"),
    ],
)
def test_a_quality_that_no_link_can_have_is_refused(values: tuple[float, ...], words: str):
    with pytest.raises(InputError, match=words):
        Quality(*values)
