"""Telling by its bytes which protocol a connection speaks. Ports are not looked at: clusters choose their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from raftmon.monitor.raft.codecs.base import MAX_SNIFFED, Codec

__all__ = ["guess"]

_HTTP2 = b"PRI * HTTP/2.0"


def guess(codecs: Sequence[Codec], start: bytes, *, from_start: bool) -> Codec | Literal["foreign"] | None:
    """The codec of the connection, ``foreign`` where it is none's, or None if more bytes are needed to tell.

    ``start`` is at least 8 bytes long if ``from_start``. Of a segment from the middle of a stream None means that this
    segment does not tell; another may.
    """
    undecided = False
    for codec in codecs:
        answer = codec.begins(start, from_start)
        if answer:
            return codec
        undecided |= answer is None
    if undecided and len(start) < MAX_SNIFFED:
        return None
    if start[:14] == _HTTP2[: len(start)] or (start[:1] in (b"\x16", b"\x17") and start[1:2] == b"\x03"):
        return "foreign"
    if from_start:
        return "foreign"
    return next((codec for codec in codecs if codec.joins(start)), None)
