"""raftpb.Message and raftpb.Entry of etcd 3.4, 3.5 and 3.6, from their bytes (etcd raft/raftpb/raft.proto)."""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

from raftmon.monitor.raft.codecs.etcd.requests import read_entry_data
from raftmon.monitor.raft.codecs.protobuf import VARINT, Malformed, Varints, fields, read_varint
from raftmon.monitor.raft.message import Entry

__all__ = ["Message", "read_entry", "read_message"]

_NO_SNAPSHOT = (
    rb"(?:\x4a\x08\x12\x06\x0a\x00\x10\x00\x18\x00|\x4a\x0a\x12\x08\x0a\x02\x28\x00\x10\x00\x18\x00"
    rb"|\x4a\x0c\x0a\x00\x12\x08\x0a\x02\x28\x00\x10\x00\x18\x00)?"
)
_HEAD_PATTERN = (
    rb"\x08([\x00-\x7f])\x10" + VARINT + rb"\x18" + VARINT + rb"\x20" + VARINT + rb"\x28" + VARINT + rb"\x30" + VARINT
)
_TAIL_PATTERN = rb"\x40" + VARINT + _NO_SNAPSHOT + rb"\x50([\x00\x01])\x58" + VARINT
_WHOLE = re.compile(_HEAD_PATTERN + _TAIL_PATTERN, re.DOTALL).match
_HEAD = re.compile(_HEAD_PATTERN, re.DOTALL).match
_TAIL = re.compile(_TAIL_PATTERN, re.DOTALL).match
_ENTRY = re.compile(
    rb"\x08([\x00-\x02])\x10" + VARINT + rb"\x18" + VARINT + rb"(?:\x22" + VARINT + rb")?", re.DOTALL
).match
_number = Varints()
_REPEAT_BYTES = (2048, 1 << 20)
_recent: deque[tuple[bytes, tuple[Entry, ...]]] = deque(maxlen=8)  # the entries of large messages, as bytes and read


class Message(NamedTuple):
    """One raftpb.Message; ``unknown_bytes`` counts the fields this reader has no name for."""

    type: int
    to: int
    sender: int
    term: int
    log_term: int
    index: int  # type: ignore[assignment]
    entries: tuple[Entry, ...]
    commit: int
    reject: bool
    reject_hint: int
    context: bytes
    snapshot: tuple[int, int, tuple[int, ...]] | None = None
    vote: int = 0
    unknown_bytes: int = 0


def read_entry(data: bytes, place: int, end: int) -> Entry:
    """The raftpb.Entry in ``data[place:end]``; raises Malformed."""
    match = _ENTRY(data, place, end)
    if match is not None:
        kind, term, index, size = match.groups()
        start = match.end()
        if size is None:
            if start == end:
                return Entry(_number[term], _number[index], b"", kind[0], read_entry_data)
        elif start + _number[size] == end:
            return Entry(_number[term], _number[index], data[start:end], kind[0], read_entry_data)
    numbers = [0, 0, 0, 0]
    body = b""
    for number, value in fields(data, place, end):
        if number == 4 and isinstance(value, bytes):
            body = value
        elif number in (1, 2, 3) and isinstance(value, int):
            numbers[number] = value
        else:
            raise Malformed(f"an entry has no field {number} of this type")
    if numbers[1] > 2:
        raise Malformed(f"an entry has no type {numbers[1]}")
    return Entry(numbers[2], numbers[3], body, numbers[1], read_entry_data)


def read_message(data: bytes, place: int, end: int) -> Message:
    """The raftpb.Message in ``data[place:end]``; raises Malformed."""
    match = _WHOLE(data, place, end)
    if match is not None:
        kind, to, sender, term, log_term, index, commit, reject, hint = match.groups()
        context = b""
        place_after = match.end()
        if place_after != end:
            found = _context(data, place_after, end)
            if found is None:
                return _by_field(data, place, end)
            context = found
        return Message(
            kind[0],
            _number[to],
            _number[sender],
            _number[term],
            _number[log_term],
            _number[index],
            (),
            _number[commit],
            reject == b"\x01",
            _number[hint],
            context,
        )
    return _with_entries(data, place, end) or _by_field(data, place, end)


def _context(data: bytes, place: int, end: int) -> bytes | None:
    if data[place] != 0x62:
        return None
    size, place = read_varint(data, place + 1, end)
    return data[place:end] if place + size == end else None


def _with_entries(data: bytes, place: int, end: int) -> Message | None:
    match = _HEAD(data, place, end)
    if match is None:
        return None
    kind, to, sender, term, log_term, index = match.groups()
    entries, place = _entries(data, match.end(), end, may_repeat=kind == b"\x03")
    match = _TAIL(data, place, end)
    if match is None:
        return None
    commit, reject, hint = match.groups()
    context = b""
    if match.end() != end:
        found = _context(data, match.end(), end)
        if found is None:
            return None
        context = found
    return Message(
        kind[0],
        _number[to],
        _number[sender],
        _number[term],
        _number[log_term],
        _number[index],
        entries,
        _number[commit],
        reject == b"\x01",
        _number[hint],
        context,
    )


def _entries(data: bytes, start: int, end: int, *, may_repeat: bool) -> tuple[tuple[Entry, ...], int]:
    """The entries that begin at ``start``, and where they end.

    After a partition etcd 3.4 may send the same thousand entries a thousand times: then they are the same objects, by
    which others, too, know that there is nothing new in them.
    """
    least, most = _REPEAT_BYTES
    place, found = start, []
    if may_repeat and end - start > least:
        for known, entries in _recent:
            stop = start + len(known)
            if place < stop < end and data.startswith(known, start):
                if data[stop] != 0x3A:
                    return entries, stop
                place, found = stop, list(entries)  # these, and some more
    while place < end and data[place] == 0x3A:
        size, place = read_varint(data, place + 1, end)
        if place + size > end:
            raise Malformed("an entry does not fit in its message")
        found.append(read_entry(data, place, place + size))
        place += size
    entries = tuple(found)
    if may_repeat and least < place - start < most:
        _recent.append((data[start:place], entries))
    return entries, place


_SCALARS = {1, 2, 3, 4, 5, 6, 8, 10, 11, 13}


def _by_field(data: bytes, place: int, end: int) -> Message:
    numbers = dict.fromkeys(_SCALARS, 0)
    entries: list[Entry] = []
    snapshot = None
    context = b""
    unknown = 0
    for number, value in fields(data, place, end):
        if number in _SCALARS and isinstance(value, int):
            numbers[number] = value
        elif number == 7 and isinstance(value, bytes):
            entries.append(read_entry(value, 0, len(value)))
        elif number == 9 and isinstance(value, bytes):
            snapshot = _snapshot(value)
        elif number == 12 and isinstance(value, bytes):
            context = value
        elif number in _SCALARS or number in (7, 9, 12):
            raise Malformed(f"field {number} has the wrong wire type")
        elif number != 14:  # 14: what a local append will answer (3.6); never needed to read the message
            unknown += len(value) if isinstance(value, bytes) else 1
    return Message(
        numbers[1],
        numbers[2],
        numbers[3],
        numbers[4],
        numbers[5],
        numbers[6],
        tuple(entries),
        numbers[8],
        bool(numbers[10]),
        numbers[11],
        context,
        snapshot,
        numbers[13],
        unknown,
    )


def _snapshot(data: bytes) -> tuple[int, int, tuple[int, ...]] | None:
    """(index, term, voters) of a Snapshot's metadata, None for the empty one."""
    for number, value in fields(data):
        if number == 2 and isinstance(value, bytes):
            index = term = 0
            voters: list[int] = []
            for inner, item in fields(value):
                if inner == 1 and isinstance(item, bytes):
                    voters = [node for key, node in fields(item) if key == 1 and isinstance(node, int)]
                elif inner == 2 and isinstance(item, int):
                    index = item
                elif inner == 3 and isinstance(item, int):
                    term = item
            return (index, term, tuple(voters)) if index else None
    return None
