"""The fast path: plain packets on links without rules, with an ordinary header. All others take the full path.

Here it is in Python; ``_fast_path.pyx`` is the same compiled, and is taken where it was built
(``raftmon.monitor.compiled``). Both do the same, packet by packet (tests/monitor/queue/test_fast_path.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.queue.delivery import QueuedPacket
from raftmon.monitor.recorder.pipe import BATCH_NS, BATCH_PACKETS, Batch, PipeFrame, PlainFrame

__all__ = ["FastPath", "FastRoute", "InterpretedFastPath"]

_OWN_TIME_SHIFT = 8  # time is counted in steps of 256 ns; Histogram takes over once a second
_OWN_TIME_STEPS = 4096
_TOTAL_LENGTH = [length.to_bytes(2, "big") for length in range(65_536)]  # what a good header says, by its real length
_NO_OPTIONS = 0x45  # IPv4 with a header of 20 bytes

FastRoute = tuple[bytes | None, int]
"""What becomes of a plain packet: the 8 bytes of addresses it leaves with (None: its own), and its link's id."""


class _Delivery(Protocol):
    @property
    def next_due_ns(self) -> int | None: ...


class InterpretedFastPath:
    """Lets plain packets go and keeps them for the recorder. ``frames`` takes what others want to be kept in between.

    ``full_path(packet, data, now_ns)`` judges every packet that is not plain. ``clock_ns`` is CLOCK_MONOTONIC, or a
    test's. ``id_gaps`` counts the packet numbers that were passed over: the kernel gave them to nobody.
    """

    def __init__(
        self,
        full_path: Callable[[QueuedPacket, bytes, int], None],
        slow: Callable[[int], None],
        clock_ns: Callable[[], int],
    ) -> None:
        """``slow(ns)`` is told of each packet that took a millisecond or more; ``take_own_time`` has the others."""
        self.frames: list[PipeFrame | PlainFrame] = []
        self.id_gaps = 0
        self._full_path = full_path
        self._slow = slow
        self._clock_ns = clock_ns
        self._routes: dict[bytes, FastRoute] = {}
        self._own_time = [0] * _OWN_TIME_STEPS

    def set_routes(self, routes: Mapping[bytes, FastRoute]) -> None:
        """From now on these are the plain packets: by the 8 bytes of their addresses."""
        self._routes.clear()
        self._routes.update(routes)

    @property
    def waiting(self) -> bool:
        """Whether something is kept."""
        return bool(self.frames)

    def callback(
        self,
        flush: Callable[[], None],
        periodic_work: Callable[[int], None],
        posted: Collection[object],
        delivery: _Delivery,
    ) -> Callable[[QueuedPacket], None]:
        """The function for NetfilterQueue. Calls ``flush`` when enough is kept, and ``periodic_work(now_ns)`` in time,
        when a call was posted, and when a held packet is due before the next time.

        Everything it needs is a local name: this runs for every packet. The verdict is given first; bookkeeping runs
        while the packet is already on its way.
        """
        clock, find, lengths, own_time = self._clock_ns, self._routes.get, _TOTAL_LENGTH, self._own_time
        keep, frames, full_path, slow = self.frames.append, self.frames, self._full_path, self._slow
        last_id = -1
        next_periodic_work_ns = 0

        def handle(packet: QueuedPacket) -> None:
            nonlocal last_id, next_periodic_work_ns
            now_ns = clock()
            data = packet.get_payload()
            route = find(data[12:20])
            if route is not None and data[0] == _NO_OPTIONS and data[2:4] == lengths[len(data)]:
                addresses, link_id = route
                if addresses is not None:
                    packet.set_payload(data[:12] + addresses + data[20:])
                packet.accept()
                keep((now_ns, link_id, data))
            else:
                full_path(packet, data, now_ns)
                due_ns = delivery.next_due_ns
                if due_ns is not None and due_ns < next_periodic_work_ns:
                    next_periodic_work_ns = 0
            number = packet.id
            if number != last_id + 1 and last_id >= 0:
                self.id_gaps += (number - last_id - 1) & 0xFFFFFFFF
            last_id = number
            spent = (clock() - now_ns) >> _OWN_TIME_SHIFT
            if spent < _OWN_TIME_STEPS:
                own_time[spent] += 1
            else:
                slow(spent << _OWN_TIME_SHIFT)
            if len(frames) >= BATCH_PACKETS:
                flush()
            if posted or now_ns >= next_periodic_work_ns:  # under load NetfilterQueue.run does not come back
                periodic_work(now_ns)
                due_ns = delivery.next_due_ns
                next_periodic_work_ns = now_ns + BATCH_NS if due_ns is None else min(due_ns, now_ns + BATCH_NS)

        return handle

    def take(self) -> Batch | None:
        """What was kept since the last call, None if nothing was."""
        frames = self.frames
        if not frames:
            return None
        batch = Batch.of(frames)
        frames.clear()
        return batch

    def take_own_time(self) -> Iterable[tuple[int, int]]:
        """(ns, how many packets took that long) since the last call; times are the upper ends of 256 ns each."""
        found = [
            ((step << _OWN_TIME_SHIFT) + (1 << _OWN_TIME_SHIFT) - 1, count)
            for step, count in enumerate(self._own_time)
            if count
        ]
        self._own_time[:] = [0] * _OWN_TIME_STEPS
        return found


FastPath: type[InterpretedFastPath] = InterpretedFastPath
"""The compiled one where it was built, else the interpreted one."""
if COMPILED:
    from raftmon.monitor.queue._fast_path import FastPath as FastPath
