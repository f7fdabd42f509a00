"""Where a JSON value ends in a stream of them, found piece by piece (RFC 8259), and lines of JSON."""

from __future__ import annotations

import re

from raftmon.monitor.raft.codecs.protobuf import Malformed

__all__ = ["MAX_DEPTH", "JsonEnd"]

MAX_DEPTH = 200
_STRUCTURE = re.compile(rb'["{}\[\]]').search
_IN_STRING = re.compile(rb'["\\]').search


class JsonEnd:
    """Finds the end of one object or array; ``feed`` the same buffer again when it has grown. No byte is read twice."""

    __slots__ = ("_at", "_depth", "_string")

    def __init__(self) -> None:
        self._at = 0
        self._depth = 0
        self._string = False

    def feed(self, data: bytes | bytearray, place: int) -> int:
        """The place after the value that begins at ``place``, -1 while it is unfinished. Raises Malformed."""
        at = place + self._at
        while True:
            found = (_IN_STRING if self._string else _STRUCTURE)(data, at)
            if found is None:
                self._at = max(0, len(data) - place)
                return -1
            byte, at = data[found.start()], found.end()
            if byte == 0x5C:  # a backslash: the next byte is no end of the string
                if at >= len(data):
                    self._at = found.start() - place
                    return -1
                at += 1
            elif byte == 0x22:
                self._string = not self._string
            elif byte in b"{[":
                self._depth += 1
                if self._depth > MAX_DEPTH:
                    raise Malformed(f"JSON deeper than {MAX_DEPTH}")
            else:
                self._depth -= 1
                if self._depth <= 0:
                    return at
            self._at = at - place
