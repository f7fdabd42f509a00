"""An HTTP/1.1 tap (RFC 9112): one direction of a connection, bytes in, bodies out; never answers, never waits.

Own code, because a tap joins in mid-stream, survives holes and hands bodies on without a copy, which h11 cannot.
What the bodies mean is the ``Conversation``'s business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import TapCounters
from raftmon.monitor.raft.codecs.http_parts import IGNORED, Body, Conversation, Request, Response
from raftmon.monitor.raft.codecs.protobuf import Malformed

__all__ = ["HttpTap"]

_MAX_HEAD = 64 << 10
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})(?:;[^\r\n]{0,256})?\r\n").match
_REQUEST = re.compile(rb"(GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH) (\S+) HTTP/1\.[01]\r\n").match
_RESPONSE = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]").match
_HEAD, _LENGTH, _SIZE, _DATA, _AFTER, _TRAILER, _CLOSE, _JOIN = range(8)


@dataclass(slots=True)
class HttpTap:
    """One direction. ``joined`` is true where its first bytes are not the start of the stream."""

    conversation: Conversation
    counters: TapCounters
    flow: Flow
    joined: bool = False
    held_before: int = 0  # so many bytes of the data a body is fed came with earlier segments
    _state: int = _HEAD
    _held: bytes = b""
    _left: int = 0
    _body: Body = field(default=IGNORED)
    _requests_here: bool = False
    _last_stream: Body | None = None

    def __post_init__(self) -> None:
        if self.joined:
            self._state = _JOIN

    def data(self, payload: bytes, mark: int) -> None:
        """The next bytes of this direction."""
        self.held_before = len(self._held)
        if self._held:
            payload = self._held + payload
            self._held = b""
        place, size = 0, len(payload)
        try:
            while place < size:
                if self._state == _SIZE:
                    match = _CHUNK(payload, place)
                    if match is None:
                        if size - place > 300 or b"\n" in payload[place:] or not _may_be_chunk(payload[place:]):
                            raise Malformed("no chunk header where one must be")
                        self._held = payload[place:]
                        return
                    place = match.end()
                    self._left = int(match.group(1), 16)
                    end = place + self._left
                    if self._left == 0:
                        self._state = _TRAILER
                    elif payload[end : end + 2] == b"\r\n":
                        self._left = 0
                        self._state = _AFTER
                        self._body.feed(payload, place, end, mark)
                        self._state = _SIZE
                        place = end + 2
                    else:
                        self._state = _DATA
                else:
                    place = self._step(payload, place, mark)
                    if place < 0:
                        return
        except Malformed:
            self._lose(payload, place, mark)

    def _step(self, payload: bytes, place: int, mark: int) -> int:
        """One step in any state but the chunk header's; -1 where more bytes are needed."""
        state = self._state
        if state in (_DATA, _LENGTH):
            end = min(place + self._left, len(payload))
            self._left -= end - place
            if not self._left:
                self._state = _AFTER if state == _DATA else _HEAD
            self._body.feed(payload, place, end, mark)
            if state == _LENGTH and not self._left:
                self._body.finish()
            return end
        if state == _HEAD:
            return self._head(payload, place, mark)
        if state == _AFTER:
            if len(payload) - place < 2:
                self._held = payload[place:]
                return -1
            if payload[place : place + 2] != b"\r\n":
                raise Malformed("no line end after a chunk")
            self._state = _SIZE
            return place + 2
        if state == _TRAILER:
            return self._trailer(payload, place)
        if state == _CLOSE:
            self._body.feed(payload, place, len(payload), mark)
            return len(payload)
        return self._join(payload, place, mark)

    def _head(self, payload: bytes, place: int, mark: int) -> int:
        end = payload.find(b"\r\n\r\n", place)
        if end < 0:
            if len(payload) - place > _MAX_HEAD or not _may_be_head(payload[place : place + 16]):
                raise Malformed("no HTTP head where one must be")
            self._held = payload[place:]
            return -1
        first, _, rest = payload[place : end + 2].partition(b"\r\n")
        headers: dict[str, str] = {}
        for line in rest.split(b"\r\n"):
            name, colon, value = line.partition(b":")
            if colon:
                headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
        if (match := _RESPONSE(first + b"\r\n")) is not None:
            self._respond(int(match.group(1)), headers, mark)
        elif (match := _REQUEST(first + b"\r\n")) is not None:
            self._requests_here = True
            request = Request(match.group(1).decode(), match.group(2).decode("latin-1"), headers)
            if len(self.conversation.requests) > 64:
                self.conversation.requests.clear()
            self.conversation.requests.append(request)
            self._body = self.conversation.on_request(request, self.flow, mark)
            self._frame(headers, until_close=False)
        else:
            raise Malformed("neither a request nor a response")
        return end + 4

    def _respond(self, status: int, headers: dict[str, str], mark: int) -> None:
        requests = self.conversation.requests
        if 100 <= status < 200:
            self._state = _HEAD
            return
        request = requests.popleft() if requests else None
        self._body = self.conversation.on_response(Response(status, headers, request), self.flow, mark)
        if status in (204, 304) or (request is not None and request.method == "HEAD"):
            self._state = _HEAD
            self._body.finish()
        else:
            self._frame(headers, until_close=True)

    def _frame(self, headers: dict[str, str], *, until_close: bool) -> None:
        length = headers.get("content-length")
        if "chunked" in headers.get("transfer-encoding", ""):
            self._state = _SIZE
        elif length is not None:
            if not length.isdecimal() or len(length) > 15:
                raise Malformed("the content length is no number")
            self._left = int(length)
            self._state = _LENGTH if self._left else _HEAD
            if not self._left:
                self._body.finish()
        elif until_close:
            self._state = _CLOSE
        else:
            self._state = _HEAD
            self._body.finish()

    def _trailer(self, payload: bytes, place: int) -> int:
        """The end of a chunked body: header lines, then an empty one."""
        end = payload.find(b"\r\n", place)
        if end < 0:
            if len(payload) - place > _MAX_HEAD:
                raise Malformed("a trailer does not end")
            self._held = payload[place:]
            return -1
        if end == place:
            self._state = _HEAD
            self._body.finish()
            self._body = IGNORED
        return end + 2

    def _join(self, payload: bytes, place: int, mark: int) -> int:
        """Find a place to follow the stream from: a head at a segment's start, or a chunk of a known stream."""
        if place == 0 and (_REQUEST(payload) or _RESPONSE(payload)):
            self._state = _HEAD
            if _REQUEST(payload):
                self.conversation.requests.clear()
            return 0
        found = None
        if not self._requests_here:
            found = self.conversation.join(payload[place:] if place else payload, self._last_stream, self.flow)
        if found is None:
            self.counters.skipped += len(payload) - place
            return -1
        start, self._body = found
        self.counters.skipped += start
        self._state = _SIZE
        return place + start

    def _lose(self, payload: bytes, place: int, mark: int) -> None:
        """Bytes that cannot be: count them, and look for a new start in the segments to come."""
        self.counters.unparsed += len(payload) - place
        self._leave()

    def _leave(self) -> None:
        self._body.abandon()
        if self._body is not IGNORED:
            self._last_stream = self._body
        self._body = IGNORED
        self._held = b""
        self._left = 0
        self._state = _JOIN
        self.conversation.requests.clear()

    @property
    def lost(self) -> bool:
        """Whether it is looking for a place to join."""
        return self._state == _JOIN

    def lose(self) -> None:
        """Forget where in the stream this is, and look for a place to join."""
        self._leave()

    def hole(self, size: int) -> None:
        """Bytes are missing: inside an ignored body of known length they do no harm, else a new start is needed."""
        if self._state in (_DATA, _LENGTH) and self._left > size and self._body is IGNORED:
            self._left -= size
            return
        self._leave()

    def end(self) -> None:
        """The direction was closed."""
        if self._state == _CLOSE:
            self._body.finish()
        else:
            self._body.abandon()
        self._held = b""


def _may_be_chunk(rest: bytes) -> bool:
    return re.fullmatch(rb"[0-9a-fA-F]{1,8}(?:;[^\r\n]*)?\r?", rest) is not None


def _may_be_head(start: bytes) -> bool:
    word = start.split(b" ")[0].split(b"/")[0]
    words = (b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"HTTP")
    return any(full.startswith(word) for full in words)
