"""MessagePack (msgpack.org, specification of 2013 and the raw type before it): where a value ends, and its contents.

Texts are given as bytes, as the old form does not tell them from byte strings. Depth and size are bounded.
"""

from __future__ import annotations

import struct
from typing import Any

from raftmon.monitor.raft.codecs.protobuf import Malformed

__all__ = ["MAX_DEPTH", "MsgpackEnd", "load"]

MAX_DEPTH = 32
_MAX_SIZE = 1 << 30
# first byte -> (bytes of length that follow, what is added to that length, values a unit of length stands for)
_SIZED = {
    0xC4: (1, 0, 0), 0xC5: (2, 0, 0), 0xC6: (4, 0, 0), 0xC7: (1, 1, 0), 0xC8: (2, 1, 0), 0xC9: (4, 1, 0),
    0xD9: (1, 0, 0), 0xDA: (2, 0, 0), 0xDB: (4, 0, 0), 0xDC: (2, 0, 1), 0xDD: (4, 0, 1), 0xDE: (2, 0, 2),
    0xDF: (4, 0, 2),
}  # fmt: skip
_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4,
          0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}  # fmt: skip
_NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h",
            0xD2: ">i", 0xD3: ">q"}  # fmt: skip


def _shape(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """(bytes of the value at ``at`` without the values in it, how many values are in it), None for too few bytes."""
    byte = data[at]
    if byte < 0x80 or byte >= 0xE0:
        return 1, 0
    if byte < 0x90:
        return 1, 2 * (byte & 15)
    if byte < 0xA0:
        return 1, byte & 15
    if byte < 0xC0:
        return 1 + (byte & 31), 0
    if byte in _FIXED:
        return 1 + _FIXED[byte], 0
    if byte not in _SIZED:
        raise Malformed("a byte that MessagePack does not use")
    width, more, values = _SIZED[byte]
    if at + 1 + width > len(data):
        return None
    length = int.from_bytes(data[at + 1 : at + 1 + width], "big") + more
    if length > _MAX_SIZE:
        raise Malformed(f"a MessagePack value of {length} bytes or values")
    return (1 + width, length * values) if values else (1 + width + length, 0)


class MsgpackEnd:
    """Finds the end of ``values`` values; ``feed`` the same buffer again when it has grown. No value is read twice."""

    __slots__ = ("_at", "_left")

    def __init__(self, skip: int = 0, values: int = 1) -> None:
        self._at = skip
        self._left = values

    def feed(self, data: bytes | bytearray, place: int) -> int:
        """The place after the values, -1 while they are unfinished. Raises Malformed."""
        while self._left:
            at = place + self._at
            if at >= len(data):
                return -1
            shape = _shape(data, at)
            if shape is None:
                return -1
            self._at += shape[0]
            self._left += shape[1] - 1
        return place + self._at if place + self._at <= len(data) else -1


def load(data: bytes, at: int = 0, depth: int = 0) -> tuple[Any, int]:
    """The value at ``at`` and the place after it. Maps become dicts, their keys bytes; raises Malformed."""
    if depth > MAX_DEPTH:
        raise Malformed(f"MessagePack deeper than {MAX_DEPTH}")
    if at >= len(data):
        raise Malformed("MessagePack that ends early")
    shape = _shape(data, at)
    if shape is None or at + shape[0] > len(data) or shape[1] > len(data):
        raise Malformed("MessagePack that ends early")
    byte, stop = data[at], at + shape[0]
    if byte < 0x80:
        return byte, stop
    if byte >= 0xE0:
        return byte - 256, stop
    if byte in _NUMBERS:
        return struct.unpack_from(_NUMBERS[byte], data, at + 1)[0], stop
    if byte in (0xC0, 0xC2, 0xC3):
        return (None, None, False, True)[byte & 3], stop
    if byte < 0x90 or byte in (0xDE, 0xDF):
        return _map(data, stop, shape[1] // 2, depth)
    if byte < 0xA0 or byte in (0xDC, 0xDD):
        items = []
        for _ in range(shape[1]):
            item, stop = load(data, stop, depth + 1)
            items.append(item)
        return items, stop
    head = 1 if byte < 0xC0 else 1 + _SIZED[byte][0] if byte in _SIZED else 1
    return data[at + head : stop], stop


def _map(data: bytes, at: int, count: int, depth: int) -> tuple[dict[bytes, Any], int]:
    found: dict[bytes, Any] = {}
    for _ in range(count):
        key, at = load(data, at, depth + 1)
        value, at = load(data, at, depth + 1)
        if not isinstance(key, bytes):
            raise Malformed("a MessagePack map whose keys are no texts")
        found[key] = value
    return found, at
