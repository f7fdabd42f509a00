"""The words in which the wire and the clients are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from raftmon.driver.histories.operation import Operation

__all__ = ["Committed", "same_text", "written_value"]


@dataclass(frozen=True, slots=True)
class Committed:
    """One committed put as a Raft message showed it. ``value`` None is a delete. ``time_ns``: first seen committed."""

    term: int
    index: int
    key: Any
    value: Any
    time_ns: int


def same_text(value: Any) -> Any:
    """Clients write numbers, the wire carries bytes: both as text. None stays None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "surrogateescape")
    return str(value)


def written_value(operation: Operation) -> Any:
    """What a write or cas sets its key to; None for a cas that is no pair."""
    if operation.f != "cas":
        return operation.value
    pair = operation.value
    return pair[1] if isinstance(pair, (list, tuple)) and len(pair) == 2 else None
