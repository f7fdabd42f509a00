from collections.abc import Callable

from raftmon.monitor.packets.captured import CapturedPacket

def pcap(
    buffer: bytes,
    place: int,
    little: bool,
    tick_ns: int,
    number: int,
    link_type: int,
    most: int,
    other: Callable[[bytes, bool], bytes],
) -> tuple[list[CapturedPacket], int, int]: ...
def pcapng(
    buffer: bytes, place: int, little: bool, number: int, interfaces: list[tuple[int, int, str]], most: int
) -> tuple[list[CapturedPacket], int]: ...
