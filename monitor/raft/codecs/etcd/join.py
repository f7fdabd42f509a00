"""Where a stream of etcd's peer protocol can be joined in the middle: a complete chunk with a complete, valid frame."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from raftmon.monitor.raft.codecs.etcd.raftpb import read_entry, read_message
from raftmon.monitor.raft.codecs.protobuf import Malformed

__all__ = ["looks_like", "message_chunks"]

_U64 = struct.Struct(">Q").unpack_from
_CHUNK = re.compile(rb"(?:\A|(?<=\r\n))([0-9a-f]{1,8})\r\n")


def message_chunks(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Where complete chunks are in a segment: (their header, their first byte, behind their last)."""
    for match in _CHUNK.finditer(data):
        start, end = match.end(), match.end() + int(match.group(1), 16)
        if end != start and data[end : end + 2] == b"\r\n":
            yield match.start(), start, end


def looks_like(data: bytes, start: int, end: int) -> str | None:
    """Which stream a chunk's payload belongs to, if its first frame is complete and valid."""
    size = end - start
    if not any(data[start:end]):
        return "msgapp" if size <= 7 else None
    try:
        if data[start : start + 4] == b"\0\0\0\0" and size > 11:
            if data[start + 8] != 8 or data[start + 9] > 23 or data[start + 10] != 16:
                return None
            stop = start + 8 + _U64(data, start)[0]
            if stop > end:
                return None
            read_message(data, start + 8, stop)
            return "message"
        if data[start] == 1 and data[start + 1 : start + 5] == b"\0\0\0\0" and size >= 17:
            if size == 17:
                return "msgapp" if data[start + 5 : start + 9] == b"\0\0\0\0" else None
            stop = start + 17 + _U64(data, start + 9)[0]
            if stop > end:
                return None
            return "msgapp" if read_entry(data, start + 17, stop).index else None
        if data[start] == 2 and data[start + 1 : start + 5] == b"\0\0\0\0" and size > 11 and data[start + 9] == 8:
            stop = start + 9 + _U64(data, start + 1)[0]
            if stop > end:
                return None
            read_message(data, start + 9, stop)
            return "msgapp"
    except (Malformed, IndexError, struct.error):
        return None
    return None
