from collections.abc import Callable, Collection, Iterable, Mapping

from monitor.delivery import QueuedPacket
from monitor.pipe import Batch, Frame, PlainFrame
from monitor.plain import Way, _Delivery

class PlainPath:
    frames: list[Frame | PlainFrame]
    id_gaps: int
    def __init__(
        self,
        careful: Callable[[QueuedPacket, bytes, int], None],
        slow: Callable[[int], None],
        clock_ns: Callable[[], int],
    ) -> None: ...
    def set_ways(self, ways: Mapping[bytes, Way]) -> None: ...
    @property
    def waiting(self) -> bool: ...
    def callback(
        self,
        flush: Callable[[], None],
        chores: Callable[[int], None],
        mailbox: Collection[object],
        delivery: _Delivery,
    ) -> Callable[[QueuedPacket], None]: ...
    def take(self) -> Batch | None: ...
    def take_own_time(self) -> Iterable[tuple[int, int]]: ...
