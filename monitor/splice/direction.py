"""One direction of a spliced connection: its numbers, windows and timers."""

from __future__ import annotations

from raftmon.monitor.splice.edits import EditMap
from raftmon.monitor.splice.policy import EditPolicy
from raftmon.monitor.splice.segment import MASK

__all__ = ["DEFAULT_MSS", "FIRST_RTO_NS", "HALF", "Direction"]

FIRST_RTO_NS = 50_000_000
DEFAULT_MSS = 536
HALF = 1 << 31


class Direction:
    """What one end sends; the acknowledgements that the other end sends for it."""

    def __init__(self, policy: EditPolicy) -> None:
        self.policy = policy
        self.map = EditMap()
        self.first: int | None = None  # the sequence number of offset 0
        self.template: bytes | None = None
        self.stamp: int | None = None  # the latest timestamp of the sender
        self.mss = DEFAULT_MSS
        self.scale: int | None = 0  # of windows that the sender announces; None if it is not known
        self.finished = False
        self.acked = 0  # by the receiver, in the edited stream
        self.confirmed = False  # whether the receiver has acknowledged offset 0
        self.right = 0  # the edge of the receiver's window, in the edited stream
        self.told = 0  # acknowledged to the sender, in the original stream
        self.told_window = 0  # the field last announced to the sender
        self.sent = 0  # of what was put in, in the edited stream
        self.rto_ns = FIRST_RTO_NS
        self.due_ns: int | None = None

    def offset(self, number: int, near: int) -> int:
        """A 32-bit number as an offset, the one nearest to ``near``."""
        assert self.first is not None
        return near + ((number - self.first - near + HALF) & MASK) - HALF

    def number(self, offset: int) -> int:
        """An offset as a sequence number."""
        return ((self.first or 0) + offset) & MASK

    def translate(self, offset: int) -> int:
        """The edited place of a segment without payload, wherever it stands."""
        edits = self.map
        if offset > edits.next:
            return offset - edits.next + edits.edited_next
        return edits.to_edited(offset) if offset >= edits.base else offset - edits.base + edits.edited_base

    def back(self, edited: int, *, least: bool = False) -> int:
        """The original place of an edited one, also beyond the frontier."""
        edits = self.map
        if edited > edits.edited_next:
            return edited - edits.edited_next + edits.next
        return edits.to_original(max(edited, edits.edited_base), least=least)
