"""Rules about roles: ``leader`` and ``follower`` in the place of hosts, in force for the nodes that have them then."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from raftmon.monitor.rules.actions.kinds import Kill, Pause
from raftmon.monitor.rules.conditions import ROLES, AllOf, AnyOf, Links, Match, Not, both, either, negate
from raftmon.monitor.rules.rule import Rule
from raftmon.setup.errors import InputError

__all__ = ["named_roles", "with_roles"]


def named_roles(rule: Rule, names: Collection[str] = ()) -> frozenset[str]:
    """The roles that a rule names; a host that is called so (one of ``names``) is no role."""
    found = _in_match(rule.match)
    if isinstance(rule.action, Kill | Pause):
        found |= {rule.action.node}
    return frozenset((found & ROLES) - set(names))


def _in_match(match: Match) -> set[str]:
    if isinstance(match, Links):
        return set(match.sources or ()) | set(match.targets or ())
    if isinstance(match, AllOf | AnyOf):
        return set().union(*(_in_match(part) for part in match.parts))
    return _in_match(match.part) if isinstance(match, Not) else set()


def with_roles(rule: Rule, leader: str, followers: Collection[str]) -> Rule:
    """The rule with the nodes that have these roles now in the place of the roles.

    Raises InputError if its action is on one node, and several or none have the role.
    """
    nodes = {"leader": frozenset((leader,)), "follower": frozenset(followers)}
    action = rule.action
    if isinstance(action, Kill | Pause) and action.node in nodes:
        having = sorted(nodes[action.node])
        if len(having) != 1:
            raise InputError(
                f"the rule {rule.name!r} acts on one node, and {', '.join(having) or 'no node'} is {action.node} now: "
                "name the node"
            )
        action = replace(action, node=having[0])
    return replace(rule, match=_resolved(rule.match, nodes), action=action)


def _resolved(match: Match, nodes: dict[str, frozenset[str]]) -> Match:
    if isinstance(match, Links):
        return replace(match, sources=_hosts(match.sources, nodes), targets=_hosts(match.targets, nodes))
    if isinstance(match, AllOf):
        return both(*(_resolved(part, nodes) for part in match.parts))
    if isinstance(match, AnyOf):
        return either(*(_resolved(part, nodes) for part in match.parts))
    return negate(_resolved(match.part, nodes)) if isinstance(match, Not) else match


def _hosts(names: frozenset[str] | None, nodes: dict[str, frozenset[str]]) -> frozenset[str] | None:
    return None if names is None else frozenset().union(*(nodes.get(name, frozenset((name,))) for name in names))
