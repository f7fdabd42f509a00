"""The kernel's own counters of one queue, from /proc/net/netfilter/nfnetlink_queue where this user may read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["QueueCounters"]

_TABLE = Path("/proc/net/netfilter/nfnetlink_queue")
_QUEUE, _LENGTH, _KERNEL_DROPPED, _USER_DROPPED = 0, 2, 5, 6  # columns, see net/netfilter/nfnetlink_queue.c


class QueueCounters:
    """Reads the table once a second; ``drop_source`` says what the drop counts rest on.

    ``proc``: the kernel's counts. ``packet-ids``: the table is closed to this user (a rootless sandbox), so gaps in the
    packets' numbers count what was lost on the way to the monitor. A full kernel queue leaves no gap, but the loop
    holds fewer packets than the queue takes and so cannot fill it without losing some on the way too.
    """

    def __init__(self, queue: int, table: Path = _TABLE) -> None:
        self._queue = queue
        self._table = table
        self.drop_source = "packet-ids"
        self.length = 0
        self.length_most = 0
        self.kernel_dropped = 0
        self.user_dropped = 0

    def read(self) -> None:
        """Take the counts of this moment; keeps the last ones where the queue is gone or the table closed."""
        try:
            text = self._table.read_text()
        except OSError:
            return
        self.drop_source = "proc"
        for line in text.splitlines():
            row = line.split()
            if len(row) > _USER_DROPPED and int(row[_QUEUE]) == self._queue:
                self.length = int(row[_LENGTH])
                self.length_most = max(self.length_most, self.length)
                self.kernel_dropped = int(row[_KERNEL_DROPPED])
                self.user_dropped = int(row[_USER_DROPPED])

    def as_dict(self) -> dict[str, Any]:
        """The part of ``monitor.json`` about the queue; counts the table does not give are null."""
        known = self.drop_source == "proc"
        return {
            "drop_source": self.drop_source,
            "queue_length": self.length if known else None,
            "queue_length_most": self.length_most if known else None,
            "queue_kernel_dropped": self.kernel_dropped if known else None,
            "queue_user_dropped": self.user_dropped if known else None,
        }
