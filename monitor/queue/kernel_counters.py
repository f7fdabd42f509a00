"""What the kernel counts of one queue: its row of /proc/net/netfilter/nfnetlink_queue, or the socket's own drops."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Any

__all__ = ["QueueCounters"]

_TABLE = Path("/proc/net/netfilter/nfnetlink_queue")
_QUEUE, _LENGTH, _KERNEL_DROPPED, _USER_DROPPED = 0, 2, 5, 6  # columns, see net/netfilter/nfnetlink_queue.c
_SO_MEMINFO = 55  # asm-generic/socket.h; the socket module has no name for it
_meminfo = struct.Struct("9I")  # linux/sock_diag.h, SK_MEMINFO_*
_DROPS = 8


class QueueCounters:
    """Reads the counts once a second; ``drop_source`` says what they rest on.

    ``proc``: the kernel's table. ``socket``: the table is closed to this user (a rootless sandbox), so ``descriptor``,
    the queue's netlink socket, is asked how many packets found no room in it; that the kernel's own queue was full is
    not seen then, but the loop holds fewer packets than it takes and so cannot fill it without filling the socket too.
    ``packet-ids``: neither could be read, only gaps in the packets' numbers tell of losses (and only once a later
    packet has come).
    """

    def __init__(self, queue: int, descriptor: int | None = None, table: Path = _TABLE) -> None:
        self._queue = queue
        self._descriptor = descriptor
        self._table = table
        self.drop_source = "packet-ids"
        self.length = 0
        self.length_most = 0
        self.kernel_dropped = 0
        self.user_dropped = 0

    def read(self) -> None:
        """Take the counts of this moment; keeps the last ones where the queue is gone or nothing can be read."""
        try:
            text = self._table.read_text()
        except OSError:
            self._ask_socket()
            return
        self.drop_source = "proc"
        for line in text.splitlines():
            row = line.split()
            if len(row) > _USER_DROPPED and int(row[_QUEUE]) == self._queue:
                self.length = int(row[_LENGTH])
                self.length_most = max(self.length_most, self.length)
                self.kernel_dropped = int(row[_KERNEL_DROPPED])
                self.user_dropped = int(row[_USER_DROPPED])

    def _ask_socket(self) -> None:
        if self._descriptor is None:
            return
        try:
            with socket.socket(fileno=os.dup(self._descriptor)) as shared:
                found = shared.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _meminfo.size)
            self.user_dropped = _meminfo.unpack(found)[_DROPS]
        except (OSError, struct.error):  # a kernel before 4.11
            return
        self.drop_source = "socket"

    def as_dict(self) -> dict[str, Any]:
        """The part of ``monitor.json`` about the queue; what is not known is null."""
        whole = self.drop_source == "proc"
        return {
            "drop_source": self.drop_source,
            "queue_length": self.length if whole else None,
            "queue_length_most": self.length_most if whole else None,
            "queue_kernel_dropped": self.kernel_dropped if whole else None,
            "queue_user_dropped": None if self.drop_source == "packet-ids" else self.user_dropped,
        }
