"""For tests of rules: an engine of three links, its chain on the first, and what becomes of packets there."""

from __future__ import annotations

from typing import Any

from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.link_state import Chain
from raftmon.monitor.rules.replay import craft
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.monitor.rules.serialization import with_items
from raftmon.monitor.rules.verdict import Verdict
from raftmon.setup.topology import Link

THERE, BACK, ASIDE = Link("n1", "n2"), Link("n2", "n1"), Link("n1", "n3")
LINKS = (THERE, BACK, ASIDE)
NAMES = ("n1", "n2", "n3")
PACKET = craft(THERE, payload=b"x" * 100)
MS = 1_000_000


def engine_with(*rules: str | dict[str, Any] | Rule, **options: Any) -> Engine:
    engine = Engine(LINKS, "seed", 0, **options)
    engine.load(with_items(RuleSet((), NAMES), rules), 0)
    return engine


def chain_with(*rules: str | dict[str, Any] | Rule, **options: Any) -> Chain:
    chain = engine_with(*rules, **options).chain(0)
    assert chain is not None
    return chain


def delays_ms(verdict: Verdict, now_ns: int = 0) -> list[float]:
    return [(copy.due_ns - now_ns) / MS if copy.due_ns else 0.0 for copy in verdict.copies]


def pattern(chain: Chain, packets: int, step_ns: int = MS) -> str:
    """One letter a packet: ``.`` passed, ``x`` dropped."""
    return "".join("." if chain(PACKET, n * step_ns).copies else "x" for n in range(packets))
