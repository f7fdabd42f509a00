"""Telling by its bytes which protocol a connection speaks. Ports are not looked at: clusters choose their own."""

from __future__ import annotations

import re

__all__ = ["guess"]

_HTTP = re.compile(rb"(?:(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH) (?:/|\S*$)|HTTP/1\.[01])").match
_CHUNK = re.compile(rb"(?:\A|\r\n)[0-9a-f]{1,8}\r\n(?:\x00|[\x01\x02]\x00\x00\x00\x00)").search
_NATS = re.compile(rb"(?:INFO \{|CONNECT \{|RMSG |HMSG |RS[+-] |LS[+-] |PING\r\n|PONG\r\n|A[+-] )").match
_HTTP2 = b"PRI * HTTP/2.0"


def guess(start: bytes, *, from_start: bool) -> str | None:
    """``etcd``, ``nats``, ``pysyncobj`` or ``foreign``; None where a mid-stream segment does not tell.

    ``start`` is at least 8 bytes long if ``from_start``.
    """
    if _HTTP(start):
        return "etcd"
    if _NATS(start):
        return "nats"
    if len(start) >= 6 and start[4] == 0x78 and start[5] in (0x01, 0x5E, 0x9C, 0xDA):
        size = int.from_bytes(start[:4], "little")
        if 8 <= size <= 1 << 27:
            return "pysyncobj"
    if start[:14] == _HTTP2[: len(start)] or (start[:1] in (b"\x16", b"\x17") and start[1:2] == b"\x03"):
        return "foreign"
    if from_start:
        return "foreign"
    return "etcd" if _CHUNK(start) else None
