"""The first bytes of etcd's messages and entries, as far as a scan of heads reads them; more may still be to come."""

from __future__ import annotations

from raftmon.monitor.raft.message import KINDS

__all__ = ["LostError", "chunk_size", "entry_term", "read_head"]


class LostError(Exception):
    """The bytes are not what the scan follows."""


def chunk_size(digits: bytes) -> int:
    """The number in the header of a chunk; raises LostError if it is none, or ends the body."""
    if not digits or any(byte not in b"0123456789abcdefABCDEF" for byte in digits):
        raise LostError
    size = int(digits, 16)
    if not size:
        raise LostError  # the end of the body
    return size


def _varint(data: bytes, place: int, end: int) -> tuple[int, int]:
    """The number and the place after it; a place of -1 where the bytes end before it does."""
    value = 0
    for shift in range(10):
        if place >= end:
            raise LostError
        if place >= len(data):
            return 0, -1
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place
    raise LostError


def read_head(data: bytes, place: int, end: int) -> tuple[int, int, int] | None:
    """(type, to, term) of the raftpb.Message in ``data[place:end]``; None if more bytes are needed."""
    found: list[int] = []
    for tag in (0x08, 0x10, 0x18, 0x20):
        if place >= end:
            if len(found) < 3:
                raise LostError
            return found[0], found[1], 0  # a link heartbeat ends here
        if place >= len(data):
            return None
        if data[place] != tag:
            if len(found) < 3:
                raise LostError
            return found[0], found[1], 0
        value, place = _varint(data, place + 1, end)
        if place < 0:
            return None
        found.append(value)
    if found[0] >= len(KINDS):
        raise LostError
    return found[0], found[1], found[3]


def entry_term(data: bytes, place: int) -> tuple[int, int]:
    """The term of the raftpb.Entry at ``place``, and the place after it: -1 if more bytes are needed."""
    if place + 2 >= len(data):
        return 0, -1
    if data[place] != 8 or data[place + 1] > 2 or data[place + 2] != 0x10:
        raise LostError
    return _varint(data, place + 3, place + 13)
