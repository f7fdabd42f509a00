"""Rules about roles become rules about the nodes that have them."""

from __future__ import annotations

import pytest

from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.language import parse_rule, write_rule
from raftmon.monitor.rules.roles import named_roles, with_roles
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

NAMES = ("n1", "n2", "n3")


@pytest.mark.parametrize(
    ("line", "resolved"),
    [
        ("leader->* drop", "n2->* drop"),
        ("leader<->follower delay 20ms", "n2<->n1,n3 delay 20ms"),
        ("not source leader MsgVote drop", "not n2->* and MsgVote drop"),
        ("n1->n3 or follower->leader port 9 drop", "n1->n3 or (n1,n3->n2 and port 9) drop"),
        ("kill leader", "* kill n2 count 1"),
    ],
)
def test_a_role_becomes_the_nodes_that_have_it(line: str, resolved: str) -> None:
    rule = parse_rule(line, NAMES)
    assert named_roles(rule, NAMES)
    assert write_rule(with_roles(rule, "n2", ("n1", "n3"))) == resolved


def test_an_object_can_name_roles() -> None:
    (rule,) = ruleset_from_items([{"source": "leader", "target": ["follower"], "action": "drop"}], NAMES)
    assert write_rule(with_roles(rule, "n1", ("n2",))) == "r1: n1->n2 drop"


def test_a_host_that_is_called_so_is_no_role() -> None:
    names = ("leader", "n2")
    assert not named_roles(parse_rule("leader->n2 drop", names), names)


def test_an_action_on_one_node_is_refused_where_several_have_the_role() -> None:
    with pytest.raises(InputError, match="n1, n3 is follower"):
        with_roles(parse_rule("kill follower", NAMES), "n2", ("n1", "n3"))


def test_a_rule_that_nobody_resolved_never_comes_into_force() -> None:
    with pytest.raises(InputError, match="about the leader"):
        Engine([Link("n1", "n2")], "seed", 0).load(ruleset_from_items(["leader->* drop"], NAMES), 0)
