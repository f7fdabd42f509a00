"""Messages that were taken out of a TCP stream go back into it later, between two others.

Due at a time (delay, a copy after a gap), in the order of their direction (``QueuedUnit``), or as soon as possible
(released, forged, delivered again). All on the loop's thread, but for ``give``.
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from raftmon.monitor.message_rules.bound_rule import KeptMessage
from raftmon.monitor.message_rules.deliveries import Deliveries
from raftmon.monitor.message_rules.spliced_connection import EditedDirection, QueuedUnit, SplicedConnection
from raftmon.monitor.packets.view import Connection
from raftmon.setup.topology import Link

__all__ = ["MAX_WAITING", "PutBack"]

MAX_WAITING = 10_000
_AGAIN_NS = 10_000_000


class PutBack:
    """``connections`` are those that are followed, the newest last; ``send`` sends one finished packet."""

    def __init__(
        self,
        connections: OrderedDict[Connection, SplicedConnection],
        send: Callable[[bytes], object],
        deliveries: Deliveries,
    ) -> None:
        self._connections = connections
        self._send = send
        self._deliveries = deliveries
        self._later: list[tuple[int, int, EditedDirection, bytes]] = []
        self._order = itertools.count()
        self._given: deque[KeptMessage] = deque()  # to be put back with the next tick

    def __len__(self) -> int:
        return len(self._later)

    def give(self, message: KeptMessage) -> None:
        """Put it back with the next tick; for any thread."""
        self._given.append(message)

    @property
    def due_ns(self) -> int | None:
        """When ``tick`` wants to be called."""
        due = [one.splicer.due_ns for one in self._connections.values() if one.splicer.due_ns is not None]
        if self._later:
            due.append(self._later[0][0])
        return 0 if self._given else min(due, default=None)

    def tick(self, now_ns: int) -> None:
        """Put back what is due, and send again what was not acknowledged."""
        while self._given:
            direction, item = self._given.popleft().item
            if isinstance(item, QueuedUnit):
                item.held = False
                self.drain(direction, now_ns)
            else:
                self.put(self._open_one(direction), item, now_ns)
        while self._later and self._later[0][0] <= now_ns:
            _, _, direction, unit = heapq.heappop(self._later)
            if unit:
                self.put(direction, unit, now_ns)
            else:
                self.drain(direction, now_ns)
        for one in self._connections.values():
            if one.splicer.due_ns is not None and one.splicer.due_ns <= now_ns:
                self._deliver(one.splicer.tick(now_ns))

    def put(self, direction: EditedDirection, unit: bytes, now_ns: int, again: bytes | None = None) -> bool:
        """Put a unit in, or try ``again`` a little later with what that says (the unit unless given)."""
        assert direction.connection is not None
        if not direction.between_messages and not direction.connection.splicer.closed:
            self.postpone(now_ns + _AGAIN_NS, direction, unit if again is None else again)
            return False
        packets = direction.connection.splicer.insert(direction is direction.connection.directions[0], unit, now_ns)
        if packets is None:
            self._deliveries.undeliverable += 1
        else:
            self._deliver(packets)
        return True

    def postpone(self, due_ns: int, direction: EditedDirection, unit: bytes) -> None:
        """Put a unit in when its time has come."""
        if len(self._later) >= MAX_WAITING:
            self._deliveries.undeliverable += 1
        else:
            heapq.heappush(self._later, (due_ns, next(self._order), direction, unit))

    def enqueue(self, direction: EditedDirection, queued: QueuedUnit) -> None:
        """Let a unit wait behind those of its direction that wait already."""
        if len(direction.queue) >= MAX_WAITING:
            self._deliveries.undeliverable += 1
            return
        direction.queue.append(queued)
        if not queued.held:
            self.postpone(queued.due_ns, direction, b"")

    def drain(self, direction: EditedDirection, now_ns: int) -> None:
        """Put in what waits in order, up to the first that must wait longer."""
        while direction.queue and not direction.queue[0].held and direction.queue[0].due_ns <= now_ns:
            if not self.put(direction, direction.queue[0].unit, now_ns, again=b""):
                return
            direction.queue.popleft()

    def _open_one(self, direction: EditedDirection) -> EditedDirection:
        """The direction itself, or the newest open one of the same link where its connection has ended."""
        assert direction.connection is not None
        if not direction.connection.splicer.closed:
            return direction
        return self.open_stream(direction.link) or direction

    def open_stream(self, link: Link) -> EditedDirection | None:
        """The newest followed stream of a link that is still open."""
        for one in reversed(self._connections.values()):
            for direction in one.directions:
                if direction.link == link and direction.connection and not direction.connection.splicer.closed:
                    return direction
        return None

    def _deliver(self, packets: Sequence[bytes]) -> None:
        for packet in packets:
            self._send(packet)
