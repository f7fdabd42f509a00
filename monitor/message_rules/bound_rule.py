"""One rule on messages, bound to one link, and the messages that it keeps back or remembers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from raftmon.monitor.message_rules.scanner import MessageHead
from raftmon.monitor.rules.gate import RuleGate
from raftmon.setup.topology import Link

__all__ = ["BoundRule", "KeptMessage"]


@dataclass(slots=True, eq=False)
class KeptMessage:
    """A message that a rule keeps: since when (ns), of which link, its head, and what delivers it.

    ``item`` is what the stage needs besides the head: nothing if an agent posts it, else the direction of the stream
    and the message's bytes.
    """

    since_ns: int
    link: Link
    head: MessageHead
    item: Any = None

    def to_json(self, rule: str) -> dict[str, object]:
        """For the control socket."""
        head = self.head
        return {
            "rule": rule,
            "link": str(self.link),
            "kind": head.kind,
            "term": head.term,
            "index": head.index,
            "since_ns": self.since_ns,
        }


@dataclass(slots=True, eq=False)
class BoundRule:
    """One rule on one link; ``held`` are the messages it keeps back, in order."""

    gate: RuleGate
    test: Callable[[MessageHead], bool]
    held: deque[KeptMessage] = field(default_factory=deque)
