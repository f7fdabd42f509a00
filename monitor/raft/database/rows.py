"""Rows of the tables ``messages`` and ``entries``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raftmon.monitor.raft.message import RaftMessage

__all__ = ["INSERT_ENTRY", "INSERT_MESSAGE", "entry_rows", "fitting", "message_row", "text_of"]

_KEPT_VALUE = 256
_LARGEST = (1 << 63) - 1
_MOST_TIMES = 16  # that an entry is written down; a leader may send the same thousand a thousand times
_MAX_SENT = 40_000
INSERT_MESSAGE = f"INSERT INTO messages VALUES ({','.join('?' * 24)})"
INSERT_ENTRY = f"INSERT INTO entries VALUES ({','.join('?' * 11)})"


def text_of(raw: bytes) -> str:
    """A key as text: itself where it is printable UTF-8, otherwise ``0x`` and its bytes in hexadecimal."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "0x" + raw.hex()
    return text if text.isprintable() else "0x" + raw.hex()


def fitting(row: Sequence[Any]) -> tuple[Any, ...]:
    """SQLite's integers have 63 bits: what a forged message has beyond that is kept as the largest."""
    return tuple(min(item, _LARGEST) if isinstance(item, int) else item for item in row)


def message_row(ident: int, message: RaftMessage, verdict: str | None, delivered: bool | None) -> tuple[Any, ...]:
    """The row of table ``messages``."""
    entries = message.entries
    first = entries[0].index if entries else None
    return (
        ident,
        message.time_ns,
        message.kind,
        message.source,
        message.target,
        message.term,
        message.log_term,
        message.index,
        message.commit,
        len(entries),
        first,
        entries[-1].index if entries else None,
        1 if message.reject else 0,
        message.reject_hint,
        message.context or None,
        message.snapshot_index or None,
        message.snapshot_term or None,
        message.group,
        message.channel.stream,
        message.first_packet,
        message.last_packet,
        message.size,
        verdict or None,
        delivered,
    )


def entry_rows(
    ident: int, message: RaftMessage, rows: list[tuple[Any, ...]], sent: dict[tuple[str, int, int], int]
) -> int:
    """Add the rows of a message's entries, but of those ``sent`` too often already; how many were left out."""
    group, left_out = message.group, 0
    for position, entry in enumerate(message.entries):
        if entry.index:
            place = (group, entry.index, entry.term)
            sent[place] = times = sent.get(place, 0) + 1
            if times > _MOST_TIMES:
                left_out += 1
                continue
        for part, operation in enumerate(entry.operations):
            value = operation.value
            rows.append(
                (
                    ident, position, part, entry.index, entry.term, operation.name,
                    text_of(operation.key) if operation.key else None, value[:_KEPT_VALUE] or None, len(value),
                    f"{operation.request_id:x}" if operation.request_id else None, operation.detail or None,
                )
            )  # fmt: skip
    if len(sent) > _MAX_SENT:
        for place in list(sent)[: _MAX_SENT // 2]:
            del sent[place]
    return left_out
