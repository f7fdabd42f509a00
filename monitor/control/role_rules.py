"""Rules about roles (``leader``, ``follower``) become rules about the nodes that have these roles now."""

from __future__ import annotations

import asyncio

from raftmon.monitor.control.live_monitor import LiveMonitor
from raftmon.monitor.rules.roles import named_roles, with_roles
from raftmon.monitor.rules.rule import Rule
from raftmon.setup.errors import InputError

__all__ = ["with_current_roles"]

_LEADER_NS = 2_000_000_000


async def with_current_roles(live: LiveMonitor, rule: Rule) -> Rule:
    """The rule for the nodes that have its roles now; itself where it names none."""
    if not named_roles(rule, live.names):
        return rule
    deadline_ns = live.clock_ns() + _LEADER_NS
    while live.leaders is not None:
        roles = await asyncio.to_thread(live.leaders.now)
        if roles is not None:
            return with_roles(rule, roles.leader, roles.followers)
        if live.clock_ns() > deadline_ns:
            break
        await asyncio.sleep(0.05)
    raise InputError(
        "nobody leads now, as far as the recorded messages show, so the rule has no leader or follower to be "
        "about: name the nodes, or add it again later"
    )
