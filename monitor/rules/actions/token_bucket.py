"""The token bucket behind ``rate``."""

from __future__ import annotations

from raftmon.monitor.rules.actions.kinds import Rate

__all__ = ["TokenBucket"]


class TokenBucket:
    """When packets may leave at a rate, by the virtual clock of GCRA (ITU-T I.371), which is a token bucket exactly.

    Within any time t no more than ``burst + rate * t`` bytes (and the last packet) leave.
    """

    __slots__ = ("_burst_ns", "_full_ns", "_ns_per_byte", "_queue_ns")

    def __init__(self, action: Rate) -> None:
        self._ns_per_byte = 8e6 / action.kbit_s
        self._burst_ns = action.burst_bytes * self._ns_per_byte
        self._queue_ns = action.queue_bytes * self._ns_per_byte
        self._full_ns = 0.0  # when the bucket would be full again

    def depart_ns(self, now_ns: int, size: int) -> int | None:
        """The time a packet of ``size`` bytes may leave; None if more would wait than the queue takes."""
        full_ns = max(self._full_ns, now_ns) + size * self._ns_per_byte
        depart_ns = max(now_ns, full_ns - self._burst_ns)
        if depart_ns - now_ns > self._queue_ns:
            return None
        self._full_ns = full_ns
        return round(depart_ns)
