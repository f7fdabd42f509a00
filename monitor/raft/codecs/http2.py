"""One direction of an HTTP/2 connection, read and never answered (RFC 9113; header fields by ``hpack``, RFC 7541)."""

from __future__ import annotations

from typing import Protocol

import hpack

from raftmon.monitor.raft.codecs.base import Output
from raftmon.monitor.raft.codecs.protobuf import Malformed

__all__ = ["PREFACE", "Http2Streams", "Http2Tap"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What the opener of a connection sends first."""

_DATA, _HEADERS, _RESET, _PUSH, _CONTINUATION = 0, 1, 3, 5, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 1, 4, 8, 0x20
_HEAD = 9
_MAX_FRAME = 1 << 20  # implementations use 16 KiB; the protocol allows 16 MiB
_MAX_BLOCK = 1 << 20
_LARGEST_TYPE = 9


class Http2Streams(Protocol):
    """What takes the contents of one direction's streams."""

    def headers(self, stream: int, fields: dict[str, str]) -> None:
        """Header fields of a stream (the last of each name)."""

    def body(self, stream: int, data: bytes, mark: int) -> None:
        """The next bytes of a stream's DATA frames, from packet ``mark``."""

    def ended(self, stream: int) -> None:
        """The stream has ended, or was reset."""

    def lose(self) -> None:
        """Bytes were lost: of every stream some may be missing."""

    def end(self) -> None:
        """The connection has ended."""


class Http2Tap:
    """A ``Consumer``. After a hole it goes on at a segment that holds whole frames.

    HPACK's table is then empty: a field that refers to what was lost is an error and leaves its block unread, and every
    later reference to what came since is right, as the newest entries are counted first.
    """

    def __init__(self, streams: Http2Streams, out: Output, *, client: bool, joined: bool) -> None:
        self._streams, self._out = streams, out
        self._preface = client and not joined
        self._joining = joined
        self._held = bytearray()
        self._block: tuple[int, bytearray] | None = None
        self._ends = False
        self._fields = _decoder()

    def data(self, payload: bytes, mark: int) -> None:
        """See ``Consumer.data``."""
        if self._joining:
            if not _frames(payload):
                self._out.taps.skipped += len(payload)
                return
            self._joining = False
        self._held += payload
        self._out.buffers.used += len(payload)
        place = 0
        try:
            if self._preface:
                if len(self._held) < len(PREFACE):
                    return
                if not self._held.startswith(PREFACE):
                    raise Malformed("no preface of HTTP/2")
                place, self._preface = len(PREFACE), False
            while len(self._held) - place >= _HEAD:
                size = int.from_bytes(self._held[place : place + 3], "big")
                if size > _MAX_FRAME or self._out.buffers.used > self._out.buffers.limit:
                    raise Malformed("a frame beyond all bounds")
                stop = place + _HEAD + size
                if stop > len(self._held):
                    break
                head = self._held[place : place + _HEAD]
                self._frame(
                    head[3], head[4], int.from_bytes(head[5:9], "big"), bytes(self._held[place + _HEAD : stop]), mark
                )
                place = stop
        except Malformed:
            self._out.taps.unparsed += len(self._held) - place
            self._lose()
            return
        del self._held[:place]
        self._out.buffers.used -= place

    def hole(self, size: int) -> None:
        """See ``Consumer.hole``."""
        self._out.taps.skipped += len(self._held)
        self._lose()

    def end(self) -> None:
        """See ``Consumer.end``."""
        self._forget()
        self._streams.end()

    def _forget(self) -> None:
        self._out.buffers.used -= len(self._held)
        self._held.clear()

    def _lose(self) -> None:
        self._forget()
        self._block = None
        self._preface = False
        self._joining = True
        self._fields = _decoder()
        self._streams.lose()

    def _frame(self, kind: int, flags: int, stream: int, body: bytes, mark: int) -> None:
        if kind > _LARGEST_TYPE and flags & _PADDED and stream >> 31:
            raise Malformed("no frame of HTTP/2")
        if self._block is not None and (kind != _CONTINUATION or stream != self._block[0]):
            raise Malformed("a header block is not continued")
        if kind in (_DATA, _HEADERS, _PUSH) and flags & _PADDED:
            if not body or body[0] >= len(body):
                raise Malformed("more padding than frame")
            body = body[1 : len(body) - body[0]]
        if kind == _DATA:
            self._streams.body(stream, body, mark)
            if flags & _END_STREAM:
                self._streams.ended(stream)
        elif kind == _RESET:
            self._streams.ended(stream)
        elif kind in (_HEADERS, _PUSH):
            skip = 5 if kind == _HEADERS and flags & _PRIORITY else 4 if kind == _PUSH else 0
            self._block = (stream, bytearray(body[skip:]))
            self._ends = kind == _HEADERS and bool(flags & _END_STREAM)
            self._headers(flags, kind == _PUSH)
        elif kind == _CONTINUATION and self._block is not None:
            self._block[1].extend(body)
            self._headers(flags, False)

    def _headers(self, flags: int, promised: bool) -> None:
        assert self._block is not None
        stream, block = self._block
        if len(block) > _MAX_BLOCK:
            raise Malformed("header fields beyond all bounds")
        if not flags & _END_HEADERS:
            return
        self._block = None
        try:
            fields = self._fields.decode(bytes(block), raw=True)
        except (hpack.HPACKError, ValueError, IndexError):
            self._fields = _decoder()
            self._out.taps.skipped += len(block)
        else:
            if not promised:
                text = {bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value, *_ in fields}
                self._streams.headers(stream, text)
        if self._ends:
            self._ends = False
            self._streams.ended(stream)


def _decoder() -> hpack.Decoder:
    made = hpack.Decoder(max_header_list_size=_MAX_BLOCK)
    made.max_allowed_table_size = 1 << 20  # what the other side granted is not known here
    return made


def _frames(segment: bytes) -> bool:
    """Whether a segment is whole frames, one after the other."""
    place = 0
    while len(segment) - place >= _HEAD:
        size, kind = int.from_bytes(segment[place : place + 3], "big"), segment[place + 3]
        if size > 1 << 14 or kind > _LARGEST_TYPE or segment[place + 5] & 0x80:
            return False
        place += _HEAD + size
    return place == len(segment) and place > 0
