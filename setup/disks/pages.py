"""Which pages of one file a power cut would take: the page cache as a record (pure; one file, no I/O).

A write makes pages dirty. What a page held when the file was last synced is kept, so that a cut can bring it back. A
sync forgets all of that. The model is the one of Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014):
between two syncs every dirty page may have reached the disk or not, in any order, and a page may be torn at a sector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

__all__ = ["PAGE_BYTES", "SECTOR_BYTES", "Cut", "DirtyFile", "Restored"]

PAGE_BYTES = 4096
SECTOR_BYTES = 512

Reader = Callable[[int, int], bytes]
"""``read(offset, count)`` of the file as it is now; short at its end."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How much of what was not synced a power cut takes.

    ``keep`` is the chance, for each dirty page by itself, that it had reached the disk (0: everything unsynced is
    gone); ``torn`` the chance that a page that reached it did so only up to a sector.
    """

    keep: float = 0.0
    torn: float = 0.0


@dataclass(slots=True)
class Restored:
    """What a cut makes of one file: bytes to write at offsets, then its size. ``lost_bytes`` were not synced."""

    writes: list[tuple[int, bytes]] = field(default_factory=list)
    size: int = 0
    lost_bytes: int = 0
    lost_pages: int = 0


class DirtyFile:
    """One file since its last sync.

    ``size`` is the durable size in bytes; ``before`` holds, by page number, what each dirty page held when it was last
    synced. Pages at or behind the durable end have nothing to bring back.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.before: dict[int, bytes] = {}
        self.beyond: set[int] = set()
        self.resized = False

    @property
    def dirty(self) -> bool:
        """Whether a cut would change anything."""
        return bool(self.before or self.beyond or self.resized)

    @property
    def held_bytes(self) -> int:
        """Memory that the record of this file takes, in bytes."""
        return len(self.before) * PAGE_BYTES + len(self.beyond) * 64

    def writing(self, offset: int, count: int, read: Reader) -> None:
        """Note a write of ``count`` bytes at ``offset`` that is about to be made; ``read`` gives what is there."""
        if count <= 0:
            return
        durable_pages = -(-self.size // PAGE_BYTES)
        for page in range(offset // PAGE_BYTES, (offset + count - 1) // PAGE_BYTES + 1):
            if page >= durable_pages:
                self.beyond.add(page)
            elif page not in self.before:
                held = read(page * PAGE_BYTES, min(PAGE_BYTES, self.size - page * PAGE_BYTES))
                self.before[page] = held
        self.resized = self.resized or offset + count > self.size

    def resizing(self, size: int, now: int, read: Reader) -> None:
        """Note that the file is about to go from ``now`` to ``size`` bytes; what is cut off is kept first."""
        if size == now:
            return
        if size < self.size:
            self.writing(size, min(now, self.size) - size, read)
        self.resized = True

    def synced(self, size: int) -> None:
        """Everything is on the disk, ``size`` bytes."""
        self.size = size
        self.before.clear()
        self.beyond.clear()
        self.resized = False

    def cut(self, now: int, read: Reader, how: Cut, random: Random) -> Restored:
        """What a power cut leaves of a file of ``now`` bytes. The record itself is not changed."""
        found = Restored(size=self.size)
        for page in sorted(self.before.keys() | self.beyond):
            start = page * PAGE_BYTES
            held, old = read(start, PAGE_BYTES), self.before.get(page, b"")
            kept = held[: self._kept(how, random)]
            content = kept + old[len(kept) :]
            if content:
                found.writes.append((start, content))
            if kept:
                found.size = max(found.size, start + len(kept))
            lost = sum(a != b for a, b in zip(held[len(kept) :], old[len(kept) :], strict=False))
            lost += max(0, len(held) - max(len(content), len(kept)))
            found.lost_bytes += lost
            found.lost_pages += lost > 0
        return found

    @staticmethod
    def _kept(how: Cut, random: Random) -> int:
        """How many bytes of a dirty page reached the disk."""
        if how.keep <= 0 or random.random() >= how.keep:
            return 0
        if how.torn > 0 and random.random() < how.torn:
            return SECTOR_BYTES * random.randrange(1, PAGE_BYTES // SECTOR_BYTES)
        return PAGE_BYTES
