"""Go's encoding/gob, read without Go: values as Python's (https://pkg.go.dev/encoding/gob, "Encoding Details").

A stream of gob describes its types before it uses them, so a reader that has not seen the beginning can read nothing.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from raftmon.monitor.raft.codecs.protobuf import Malformed

__all__ = ["GobTypes", "gob_message", "gob_uint"]

_MAX_TYPES = 10_000
_MAX_DEPTH = 100
_MAX_ITEMS = 1 << 20
_BOOL, _INT, _UINT, _FLOAT, _BYTES, _STRING, _COMPLEX, _INTERFACE = range(1, 9)
_FIRST_OWN = 64  # smaller ids are gob's own


class _Type(NamedTuple):
    """``kind``: array, slice, struct, map or opaque; ``parts`` are field names and type ids, or the type ids."""

    kind: str
    name: str
    parts: tuple[Any, ...]


def gob_uint(data: bytes | bytearray, place: int, end: int) -> tuple[int, int]:
    """The unsigned number at ``place`` and the place after it: -1 if ``end`` comes first. Raises Malformed."""
    if place >= end:
        return 0, -1
    first = data[place]
    if first < 128:
        return first, place + 1
    size = 256 - first
    if size > 8:
        raise Malformed(f"a number of {size} bytes")
    stop = place + 1 + size
    return (int.from_bytes(data[place + 1 : stop], "big"), stop) if stop <= end else (0, -1)


def gob_message(data: bytes | bytearray, place: int, most: int) -> int:
    """Where the message that begins at ``place`` ends, -1 if more bytes are needed. Raises Malformed."""
    size, start = gob_uint(data, place, len(data))
    if start < 0:
        return -1
    if not 0 < size <= most:
        raise Malformed(f"a message of {size} bytes")
    return start + size if start + size <= len(data) else -1


class _Reader:
    """Reads one message's bytes."""

    def __init__(self, data: bytes, place: int, types: dict[int, _Type]) -> None:
        self.data, self.place, self.end = data, place, len(data)
        self._types = types
        self._items = 0

    def unsigned(self) -> int:
        value, place = gob_uint(self.data, self.place, self.end)
        if place < 0:
            raise Malformed("a value is cut off")
        self.place = place
        return value

    def signed(self) -> int:
        value = self.unsigned()
        return ~(value >> 1) if value & 1 else value >> 1

    def raw(self) -> bytes:
        size = self.unsigned()
        if size > self.end - self.place:
            raise Malformed("a text is cut off")
        found = self.data[self.place : self.place + size]
        self.place += size
        return found

    def text(self) -> str:
        return self.raw().decode("utf-8", "replace")

    def floating(self) -> float:
        return float(struct.unpack("<d", self.unsigned().to_bytes(8, "big"))[0])

    def count(self) -> int:
        size = self.unsigned()
        self._items += size
        if self._items > _MAX_ITEMS or size > 8 * (self.end - self.place) + 8:
            raise Malformed(f"{size} items")
        return size

    def value(self, kind: int, depth: int = 0) -> Any:
        """A value of the type with this id."""
        if depth > _MAX_DEPTH:
            raise Malformed(f"values nest deeper than {_MAX_DEPTH}")
        if kind == _BOOL:
            return bool(self.unsigned())
        if kind == _INT:
            return self.signed()
        if kind == _UINT:
            return self.unsigned()
        if kind == _FLOAT:
            return self.floating()
        if kind == _BYTES:
            return self.raw()
        if kind == _STRING:
            return self.text()
        if kind == _COMPLEX:
            return complex(self.floating(), self.floating())
        if kind == _INTERFACE:
            return self._interface(depth)
        found = self._types.get(kind)
        if found is None:
            raise Malformed(f"type {kind} was not described")
        if found.kind == "struct":
            return self._struct(found, depth)
        if found.kind == "map":
            keys = [
                (self.value(found.parts[0], depth + 1), self.value(found.parts[1], depth + 1)) for _ in self._range()
            ]
            return {_hashable(key): value for key, value in keys}
        if found.kind == "opaque":
            return self.raw()
        return [self.value(found.parts[0], depth + 1) for _ in self._range()]

    def _range(self) -> range:
        return range(self.count())

    def _struct(self, found: _Type, depth: int) -> dict[str, Any]:
        """Fields that are zero are not sent: they are not in the dict."""
        values: dict[str, Any] = {}
        number = -1
        while step := self.unsigned():
            number += step
            if number >= len(found.parts):
                raise Malformed(f"{found.name} has no field {number}")
            name, kind = found.parts[number]
            values[name] = self.value(kind, depth + 1)
        return values

    def _interface(self, depth: int) -> Any:
        if not self.text():
            return None
        kind = self.signed()
        stop = self.unsigned() + self.place
        if stop > self.end or kind < 0:
            raise Malformed("an interface's value is cut off")
        value = self.top(kind, depth + 1)
        if self.place != stop:
            raise Malformed("an interface's value has another size")
        return value

    def top(self, kind: int, depth: int = 0) -> Any:
        """A value that stands alone: before one that is no struct there is a zero byte."""
        found = self._types.get(kind)
        if (found is None or found.kind != "struct") and self.unsigned():
            raise Malformed("a value that stands alone does not begin with 0")
        return self.value(kind, depth)


def _hashable(key: Any) -> Any:
    return key if isinstance(key, (str, bytes, int, float, bool, complex)) else repr(key)


_COMMON = _Type("struct", "CommonType", (("Name", _STRING), ("Id", _INT)))
_WIRE: dict[int, _Type] = {
    16: _Type(
        "struct", "wireType",
        (("ArrayT", 17), ("SliceT", 19), ("StructT", 20), ("MapT", 23), ("GobEncoderT", 24), ("BinaryMarshalerT", 24),
         ("TextMarshalerT", 24)),
    ),
    17: _Type("struct", "arrayType", (("CommonType", 18), ("Elem", _INT), ("Len", _INT))),
    18: _COMMON,
    19: _Type("struct", "sliceType", (("CommonType", 18), ("Elem", _INT))),
    20: _Type("struct", "structType", (("CommonType", 18), ("Field", 22))),
    21: _Type("struct", "fieldType", (("Name", _STRING), ("Id", _INT))),
    22: _Type("slice", "[]fieldType", (21,)),
    23: _Type("struct", "mapType", (("CommonType", 18), ("Key", _INT), ("Elem", _INT))),
    24: _Type("struct", "gobEncoderType", (("CommonType", 18),)),
}  # fmt: skip


class GobTypes:
    """The types that one stream has described; ``read`` takes its messages in their order."""

    def __init__(self) -> None:
        self._types = dict(_WIRE)

    def forget(self) -> None:
        """Another stream begins. (After a hole, what was described still holds.)"""
        self._types = dict(_WIRE)

    @property
    def known(self) -> bool:
        """Whether the stream has described any type."""
        return len(self._types) > len(_WIRE)

    def read(self, raw: bytes) -> tuple[str, Any] | None:
        """A whole message: the name of its type and its value; None of one that describes a type. Raises Malformed.

        Structs are dicts without the fields that are zero, slices and arrays lists, maps dicts.
        """
        _, place = gob_uint(raw, 0, len(raw))
        reader = _Reader(raw, place, self._types)
        kind = reader.signed()
        if kind < 0:
            self._describe(-kind, reader.value(16))
            if reader.place != reader.end:
                raise Malformed("a type's description has another size")
            return None
        value = reader.top(kind)
        if reader.place != reader.end:
            raise Malformed("a value has another size than its message")
        found = self._types.get(kind)
        return (found.name if found is not None else str(kind), value)

    def _describe(self, kind: int, wire: dict[str, Any]) -> None:
        if kind < _FIRST_OWN or len(self._types) >= _MAX_TYPES or len(wire) != 1:
            raise Malformed("no description of a type")
        ((what, body),) = wire.items()
        name = body.get("CommonType", {}).get("Name", "")
        if what == "StructT":
            parts = tuple((field.get("Name", ""), field.get("Id", 0)) for field in body.get("Field", []))
            made = _Type("struct", name, parts)
        elif what == "MapT":
            made = _Type("map", name, (body.get("Key", 0), body.get("Elem", 0)))
        elif what in ("SliceT", "ArrayT"):
            made = _Type("slice", name, (body.get("Elem", 0),))
        else:
            made = _Type("opaque", name, ())
        if self._types.setdefault(kind, made) != made:
            raise Malformed(f"type {kind} is described twice, differently")
