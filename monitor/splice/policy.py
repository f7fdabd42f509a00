"""What decides on the bytes of one direction, and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Edit", "EditPolicy", "Insert", "Keep", "Remove"]


@dataclass(frozen=True, slots=True)
class Keep:
    """So many bytes pass as they are."""

    size: int


@dataclass(frozen=True, slots=True)
class Remove:
    """So many bytes are taken out."""

    size: int


@dataclass(frozen=True, slots=True)
class Insert:
    """These bytes are put in here."""

    data: bytes


Edit = Keep | Remove | Insert


class EditPolicy(Protocol):
    """What decides one direction. Both answers are operations in the order of the stream."""

    def feed(self, data: bytes) -> Sequence[Edit]:
        """The next bytes; kept and removed sizes must add up to their number."""

    def finish(self) -> Sequence[Edit]:
        """The stream ends here; only Insert is allowed."""
