"""What belongs to one link for a whole run, and a packet rule on it."""

from __future__ import annotations

import random
from collections.abc import Callable

from raftmon.monitor.packets.connections import ConnectionTable
from raftmon.monitor.rules.actions.binding import ActionEffect, NodeSignals, Scene
from raftmon.monitor.rules.actions.decision import Order
from raftmon.monitor.rules.actions.kinds import Call, Rewrite
from raftmon.monitor.rules.conditions import Test
from raftmon.monitor.rules.gate import RuleCounters, RuleGate
from raftmon.monitor.rules.rule import Rule
from raftmon.monitor.rules.verdict import Verdict
from raftmon.setup.topology import Link

__all__ = ["Chain", "LinkState", "PacketRule"]

Chain = Callable[[bytes, int], Verdict]
"""From a packet's bytes and the time (CLOCK_MONOTONIC, ns) to what becomes of it."""


class PacketRule(RuleGate):
    """A packet rule on one link: the match compiled, the action with its state."""

    __slots__ = ("effect", "hung", "test", "user_code")

    def __init__(
        self, rule: Rule, counters: RuleCounters, rng: random.Random, test: Test | None, effect: ActionEffect
    ) -> None:
        super().__init__(rule, counters, rng)
        self.test = test
        self.effect = effect
        self.user_code = isinstance(rule.action, Call | Rewrite)
        self.hung = False  # its code did not return: it is asked no more


class LinkState:
    """What belongs to one link for the whole run."""

    __slots__ = (
        "bound",
        "chain",
        "connections",
        "gates",
        "link",
        "message_rng",
        "only_orders",
        "order",
        "rng",
        "rules",
        "scene",
    )

    def __init__(
        self,
        link: Link,
        seed: str,
        present: Callable[[bytes], bytes] | None,
        listening: frozenset[int],
        nodes: NodeSignals | None = None,
    ) -> None:
        self.link = link
        self.rng = random.Random(f"{seed}/{link}")
        self.scene = Scene(link, self.rng, present, nodes)
        self.order = Order()
        self.connections = ConnectionTable(listening)
        self.rules: tuple[Rule, ...] = ()
        self.bound: dict[str, PacketRule] = {}
        self.gates: dict[str, RuleGate] = {}  # of message rules; their random streams are not those of packet rules
        self.message_rng = random.Random(f"{seed}/{link}/messages")
        self.chain: Chain | None = None
        self.only_orders = False  # the chain has no rule: it keeps packets from overtaking what is still held
