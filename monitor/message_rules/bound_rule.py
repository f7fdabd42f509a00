"""One rule on messages, bound to one link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from raftmon.monitor.message_rules.scanner import MessageHead
from raftmon.monitor.rules.gate import RuleGate

__all__ = ["BoundRule"]


@dataclass(slots=True, eq=False)
class BoundRule:
    """One rule on one link; ``held`` are the messages it keeps back (what the stage calls one)."""

    gate: RuleGate
    test: Callable[[MessageHead], bool]
    held: list[Any] = field(default_factory=list)
