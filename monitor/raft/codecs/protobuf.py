"""Reading protobuf's wire format by hand (developers.google.com/protocol-buffers/docs/encoding), strictly.

etcd's gogo-generated code writes a raftpb.Message and a raftpb.Entry always with the same fields in the same order, so
one regular expression reads such a message at C speed; anything else goes through the field reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["MAX_VARINT", "VARINT", "Malformed", "Varints", "fields", "one", "read_varint", "write_varint"]

VARINT = rb"([\x80-\xff]{0,9}[\x00-\x7f])"
MAX_VARINT = 10
_SCALAR = re.compile(VARINT)


class Malformed(ValueError):
    """The bytes violate the format."""


class Varints(dict[bytes, int]):
    """Encoded varint -> number, remembered: the same ids, terms and indexes come again and again. Bounded."""

    def __missing__(self, raw: bytes) -> int:
        value = 0
        for shift, byte in enumerate(raw):
            value |= (byte & 0x7F) << 7 * shift
        value &= 0xFFFFFFFFFFFFFFFF
        if len(self) > 20_000:
            self.clear()
        self[raw] = value
        return value


_known = Varints()


def read_varint(data: bytes, place: int, end: int) -> tuple[int, int]:
    """The number at ``place`` and the place after it; raises Malformed if it does not end before ``end``."""
    value = shift = 0
    while True:
        if place >= end or shift > 63:
            raise Malformed(f"a varint does not end at byte {place}")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place
        shift += 7


def write_varint(value: int, size: int = 0) -> bytes:
    """``value`` as a varint, padded to ``size`` bytes with a non-minimal encoding where that is longer."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    while len(out) < size:
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def fields(data: bytes, place: int = 0, end: int | None = None) -> Iterator[tuple[int, int | bytes]]:
    """The fields of one message in order, as (number, value): an int, or the bytes of a length-delimited one.

    Raises Malformed if a field does not fit, has number 0 or is a group.
    """
    stop = len(data) if end is None else end
    while place < stop:
        tag = data[place]
        if tag < 0x80:
            place += 1
        else:
            tag, place = read_varint(data, place, stop)
        number, wire = tag >> 3, tag & 7
        if not number:
            raise Malformed("a field has number 0")
        if wire == 0:
            if place < stop and (byte := data[place]) < 0x80:
                place += 1
                yield number, byte
                continue
            value, place = read_varint(data, place, stop)
            yield number, value
        elif wire == 2:
            size, place = read_varint(data, place, stop)
            if place + size > stop:
                raise Malformed(f"field {number} of {size} bytes does not fit in {stop - place}")
            yield number, data[place : place + size]
            place += size
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            if place + size > stop:
                raise Malformed(f"field {number} is cut off")
            yield number, int.from_bytes(data[place : place + size], "little")
            place += size
        else:
            raise Malformed(f"field {number} has wire type {wire}")


def one(value: int | bytes, kind: type[int] | type[bytes]) -> int | bytes:
    """``value`` if it is of the wanted wire type; raises Malformed otherwise."""
    if not isinstance(value, kind):
        raise Malformed(f"a field holds {type(value).__name__}, not {kind.__name__}")
    return value
