"""One packet of a capture, and what there is to say of those that cannot be read."""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections import Counter
from dataclasses import dataclass, field
from types import ModuleType
from typing import IO, NamedTuple

from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.packets.link_layer import inner_packet

__all__ = ["MAX_PACKET", "PIECE", "CaptureNotes", "CapturedPacket", "compiled", "ip_packet"]

MAX_PACKET = 1 << 24
PIECE = 1 << 18
"""How much of a file is read at a time, in bytes."""


class CapturedPacket(NamedTuple):
    """One packet: its number in the file from 1 (as Wireshark counts), time (ns, UTC epoch) and the IP packet.

    ``data`` is empty if the frame holds no IP. ``comment`` is the packet's comment in a pcapng file, and
    ``interface`` the name of its interface there.
    """

    number: int
    time_ns: int
    data: bytes
    interface: str = ""
    comment: str = ""


@dataclass(slots=True)
class CaptureNotes:
    """What a capture held beside packets that can be read.

    ``cut``: packets of which the file holds only the beginning (a snap length); ``tunnelled``: packets taken out of a
    tunnel; ``other_interfaces``: packets of interfaces whose link type cannot be read, by link type; ``broken``: why
    reading ended before the file did, empty if it did not. ``file`` is the file on disk (packed or not) while it is
    read, ``size`` its size.
    """

    packets: int = 0
    cut: int = 0
    tunnelled: int = 0
    no_ip: int = 0
    other_interfaces: Counter[int] = field(default_factory=Counter)
    broken: str = ""
    file: IO[bytes] | None = field(default=None, compare=False, repr=False)
    size: int = field(default=0, compare=False, repr=False)

    def share(self) -> float | None:
        """How much of the file on disk has been read, between 0 and 1; None where nobody knows."""
        if self.file is None or self.file.closed or not self.size:
            return None
        return min(self.file.tell() / self.size, 1.0)

    def sentences(self) -> list[str]:
        """Each note that says something, in words."""
        found = []
        if self.cut:
            found.append(
                f"the capture is cut: of {self.cut:,} of {self.packets:,} packets it holds only the beginning (a snap "
                "length), so their messages cannot be read; capture again with -s 0"
            )
        if self.tunnelled:
            found.append(f"{self.tunnelled:,} packets were taken out of a tunnel (VXLAN, GENEVE or GRE)")
        for link_type, count in sorted(self.other_interfaces.items()):
            found.append(f"{count:,} packets of an interface of link type {link_type}, which cannot be read")
        if self.no_ip and self.no_ip == self.packets:
            found.append("no packet of the capture holds IP")
        if self.broken:
            found.append(f"reading ended early: {self.broken}")
        return found


def ip_packet(packet: bytes, cut: bool, notes: CaptureNotes) -> bytes:
    """The packet that is looked at, out of its tunnel where it is in one; notes what there is to say."""
    notes.packets += 1
    if cut:
        notes.cut += 1
    if not packet:
        notes.no_ip += 1
        return packet
    inside = inner_packet(packet)
    if inside is None:
        return packet
    notes.tunnelled += 1
    return inside


@functools.cache
def compiled() -> ModuleType | None:
    """The compiled reader of plain records, where it was built: it needs this module, so it is imported late."""
    if COMPILED:
        with contextlib.suppress(ImportError):
            return importlib.import_module("raftmon.monitor.packets._capture_records")
    return None
