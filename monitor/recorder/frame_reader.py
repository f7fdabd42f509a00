"""From the pipe's frames to the record: real addresses, pcapng blocks, and packets for who decodes them.

Here it is in Python; ``_record_path.pyx`` is the same compiled, and is taken where it was built, as in
``raftmon.monitor.queue.fast_path``. Both make the same of every frame (tests/monitor/recorder/test_frame_reader.py).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import NamedTuple

from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.packets.addresses import AddressBook
from raftmon.monitor.packets.pcapng_writer import PcapngWriter
from raftmon.monitor.recorder.pipe import NO_LINK, FrameDecoder
from raftmon.setup.topology import Link

__all__ = ["NOBODY", "Fed", "RecordPath", "RecordPathInPython", "RecordedPacket"]

NOBODY = Link("?", "?")
"""The link of packets between addresses that are nobody's in the topology."""


@dataclass(slots=True)
class RecordedPacket:
    """One packet as the record has it: ``number`` from 1 in file order, ``time_ns`` CLOCK_MONOTONIC at arrival.

    ``data`` is the IP packet between real addresses, as it came; ``sent`` is what left where it differs. ``link_id`` is
    the link's place in the configuration's ``links()``, NO_LINK for NOBODY.
    """

    number: int
    time_ns: int
    link: Link
    data: bytes
    verdict_comment: str
    delivered: bool
    sent: bytes | None
    link_id: int = NO_LINK


class Fed(NamedTuple):
    """What a piece of the pipe's stream held: packets that it completed, their bytes, and when the first one came."""

    packets: int
    size: int
    oldest_ns: int


class RecordPathInPython:
    """Takes the pipe's stream in any pieces.

    ``writer`` makes the blocks, which wait for ``take``: interfaces are the links in their order, then NOBODY. Without
    one there are none.
    """

    def __init__(self, book: AddressBook, writer: PcapngWriter | None) -> None:
        self._lines = [(link, book.recorder(link_id)) for link_id, link in enumerate(book.links)]
        self._nobody = (NOBODY, lambda data: data)
        self._decoder = FrameDecoder()
        self._writer = writer
        self._blocks: list[bytes] = []
        self.waiting_bytes = 0

    @property
    def pending_bytes(self) -> int:
        """The bytes of a frame that is not complete yet."""
        return self._decoder.pending_bytes

    def feed(self, data: bytes, number: int, packets: list[RecordedPacket] | None) -> Fed:
        """Take a piece. The last packet before it was ``number``; the new ones are added to ``packets``, if given."""
        first, size, oldest_ns = number, 0, 0
        lines, nobody, writer = self._lines, self._nobody, self._writer
        for time_ns, link_id, arrived, comment, delivered, sent in self._decoder.feed(data):
            number += 1
            size += len(arrived)
            oldest_ns = oldest_ns or time_ns
            link, real = nobody if link_id == NO_LINK else lines[link_id]
            recorded = real(arrived)
            if writer is not None:
                interface = len(lines) if link_id == NO_LINK else link_id
                block = writer.packet(interface, time_ns, recorded, comment)
                self._blocks.append(block)
                self.waiting_bytes += len(block)
            if packets is not None:
                after = real(sent) if sent else sent
                packets.append(RecordedPacket(number, time_ns, link, recorded, comment, delivered, after, link_id))
        return Fed(number - first, size, oldest_ns)

    def take(self) -> bytes:
        """The blocks since the last call."""
        blocks = b"".join(self._blocks)
        self._blocks.clear()
        self.waiting_bytes = 0
        return blocks


RecordPath: type[RecordPathInPython] = RecordPathInPython
"""The compiled one where it was built, else the interpreted one."""
if COMPILED:
    with contextlib.suppress(ImportError):
        from raftmon.monitor.recorder._frame_reader import RecordPath as RecordPath
