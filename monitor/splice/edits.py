"""The edits of one direction of a TCP stream, and where a byte of the one stream is in the other.

Two streams: the *original*, as its sender wrote it, and the *edited*, as its receiver gets it. Offsets are unbounded
integers from the first byte that was seen. Edits are made at the frontier only (the end of what has been decided), so
the place of a byte never changes once it is decided. What the receiver has acknowledged is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Edit", "EditMap"]


@dataclass(slots=True)
class Edit:
    """At ``original`` and ``edited``, either ``removed`` bytes are taken out or ``inserted`` are put in."""

    original: int
    edited: int
    removed: int = 0
    inserted: bytes = b""

    @property
    def edited_end(self) -> int:
        """Where in the edited stream it ends."""
        return self.edited + len(self.inserted)


class EditMap:
    """``base`` and ``edited_base``: everything before is acknowledged; ``next`` and ``edited_next``: the frontier."""

    def __init__(self) -> None:
        self.edits: list[Edit] = []
        self.base = self.edited_base = 0
        self.next = self.edited_next = 0
        self.owned = 0
        """Bytes inserted and not acknowledged yet."""

    def keep(self, size: int) -> None:
        """The next ``size`` bytes pass as they are."""
        self.next += size
        self.edited_next += size

    def remove(self, size: int) -> None:
        """The next ``size`` bytes are taken out."""
        last = self.edits[-1] if self.edits else None
        if last is not None and last.removed and last.original + last.removed == self.next:
            last.removed += size
        elif size:
            self.edits.append(Edit(self.next, self.edited_next, removed=size))
        self.next += size

    def insert(self, data: bytes) -> None:
        """Bytes are put in before the next one."""
        if data:
            self.edits.append(Edit(self.next, self.edited_next, inserted=data))
            self.edited_next += len(data)
            self.owned += len(data)

    def to_original(self, edited: int, *, least: bool = False) -> int:
        """How far the original stream is through when the edited one is through up to ``edited``.

        Bytes taken out right there count as through, unless ``least`` is set.
        """
        original, place = self.base, self.edited_base
        for edit in self.edits:
            if edit.edited > edited or (least and edit.removed and edit.edited == edited):
                break
            if edit.inserted and edited < edit.edited_end:
                return edit.original
            original, place = edit.original + edit.removed, edit.edited_end
        return original + edited - place

    def to_edited(self, original: int) -> int:
        """Where a byte of the original is in the edited stream (of one taken out: where it would have stood)."""
        place, at = self.base, self.edited_base
        for edit in self.edits:
            if edit.original > original:
                break
            if edit.removed and original < edit.original + edit.removed:
                return edit.edited
            place, at = edit.original + edit.removed, edit.edited_end
        return at + original - place

    def pieces(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """What of the original from ``start`` to ``end`` passes: (from, to, place in the edited stream)."""
        found: list[tuple[int, int, int]] = []
        place, at = self.base, self.edited_base
        start = max(start, self.base)
        for edit in [*self.edits, Edit(end, 0)]:
            first, last = max(start, place), min(end, edit.original)
            if first < last:
                if found and found[-1][1] == first and found[-1][2] + first - found[-1][0] == at + first - place:
                    found[-1] = (found[-1][0], last, found[-1][2])
                else:
                    found.append((first, last, at + first - place))
            if edit.original >= end:
                break
            place, at = edit.original + edit.removed, edit.edited_end
        return found

    def acknowledge(self, edited: int) -> None:
        """The receiver has everything before ``edited``: forget what that makes needless."""
        while self.edits:
            edit = self.edits[0]
            if edit.edited > edited or edit.edited_end > edited:
                break
            self.edits.pop(0)
            self.owned -= len(edit.inserted)
            self.base, self.edited_base = edit.original + edit.removed, edit.edited_end
        if self.edits and self.edits[0].inserted and self.edits[0].edited <= edited:
            edited = self.edits[0].edited
        if edited > self.edited_base:
            self.base, self.edited_base = self.base + edited - self.edited_base, edited
