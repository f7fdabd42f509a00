"""Faults on single messages: one kind of Raft message is held until the fault ends, or lost, and all others pass."""

from __future__ import annotations

from raftmon.driver.faults.base import Target
from raftmon.driver.faults.links import BadLinks
from raftmon.driver.faults.receipts import Receipt, of_rules
from raftmon.monitor.raft.message import KINDS
from raftmon.setup.kinds import unknown

__all__ = ["ACTIONS", "MessageFault"]

ACTIONS = {"hold": "held until the heal", "drop": "lost"}
"""Action of the rule -> what becomes of the messages."""


class MessageFault(BadLinks):
    """``action`` is one of ``ACTIONS``; ``kind`` a message kind, by etcd's name; ``where`` selects nodes.

    It acts on what these nodes send and what they are sent. Raises InputError for a kind that there is not.
    """

    def __init__(self, name: str, action: str, kind: str, where: str = "all") -> None:
        if kind not in KINDS:
            raise unknown("message kind", kind, KINDS)
        super().__init__(name, action, where)
        self._kind = kind
        self._became = ACTIONS[action]
        self._words = f"{kind} {self._became}"

    def _line(self, links: str, action: str) -> str:
        return f"{self._kind} and ({links}) {action}"

    def receipt(self, target: Target) -> Receipt:
        """Messages that the rule acted on."""
        return of_rules(target, self._rules or "", self._became, "messages of that kind")
