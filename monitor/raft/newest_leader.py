"""Who leads in the newest term that has a leader, told message by message (triggers) or over a record (``Tracker``)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NewestLeader"]


@dataclass(slots=True)
class NewestLeader:
    """``node`` leads in ``term``; None and 0 while nobody was seen to lead. A term has one leader: the first seen."""

    node: str | None = None
    term: int = 0

    def heard(self, node: str, term: int) -> bool:
        """A node spoke as leader of a term (``LEADER_KINDS``); whether the term is newer than all led before."""
        if term < self.term or (term == self.term and self.node is not None):
            return False
        self.node, self.term = node, term
        return True

    def rename(self, old: str, new: str) -> None:
        """A node has another name from now on."""
        if self.node == old:
            self.node = new
