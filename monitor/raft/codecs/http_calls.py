"""HTTP/1 bodies for codecs of one's own (RFC 9112): subclass ``HttpCalls``, write ``read``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from raftmon.monitor.packets.tcp_table import Consumer, Flow
from raftmon.monitor.raft.codecs.base import Output, PairTaps
from raftmon.monitor.raft.codecs.calls import Calls
from raftmon.monitor.raft.codecs.http import HttpTap
from raftmon.monitor.raft.codecs.http_parts import Body, Request, Response
from raftmon.monitor.raft.codecs.protobuf import Malformed
from raftmon.monitor.raft.message import Channel

__all__ = ["HttpCalls", "http_taps_of"]


class HttpCalls(Calls):
    """One connection's requests and responses, each with its whole body.

    Bodies may be chunked, have a length, or end with the connection. A capture that begins in the middle is joined, and
    a hole is left behind, at the next segment that begins with a head; a response whose request was not seen has no
    ``request``.
    """

    def __init__(self, out: Output, client: Flow, server: Flow, *, joined: bool) -> None:
        super().__init__(out, client, server, joined=joined)
        self.waiting: deque[Request] = deque()

    def read(self, head: Request | Response, body: bytes, channel: Channel, first: int, mark: int) -> None:
        """One request or response; call ``emit(channel, …)``. Raises Malformed for what is no message of the protocol
        (KeyError, TypeError, ValueError count as it).
        """
        raise NotImplementedError


class _Talk:
    """The ``Conversation`` behind ``HttpCalls``."""

    def __init__(self, calls: HttpCalls) -> None:
        self.calls = calls
        self.requests: deque[Request] = calls.waiting

    def on_request(self, request: Request, flow: Flow, mark: int) -> Body:
        return _Whole(self.calls, request, self.calls.requests, mark)

    def on_response(self, response: Response, flow: Flow, mark: int) -> Body:
        return _Whole(self.calls, response, self.calls.responses, mark)

    def join(self, data: bytes, body: Body | None, flow: Flow) -> None:
        """Chunks of a body whose beginning is not there are of no use."""
        return


class _Whole:
    """Keeps a body until it is complete."""

    def __init__(self, calls: HttpCalls, head: Request | Response, channel: Channel, mark: int) -> None:
        self._calls, self._head, self._channel = calls, head, channel
        self._held = bytearray()
        self._first = self._last = mark

    def feed(self, data: bytes, start: int, end: int, mark: int) -> None:
        budget = self._calls.out.buffers
        if len(self._held) + end - start > self._calls.max_message or budget.used + end - start > budget.limit:
            self.abandon()
            raise Malformed("a body beyond all bounds")
        self._held += data[start:end]
        budget.used += end - start
        self._last = mark

    def finish(self) -> None:
        body = bytes(self._held)
        self.abandon()
        calls = self._calls
        calls.understood(calls.read, body, self._head, body, self._channel, self._first, self._last)

    def abandon(self) -> None:
        self._calls.out.buffers.used -= len(self._held)
        self._held.clear()


def http_taps_of(calls: type[HttpCalls]) -> Callable[[Output], PairTaps]:
    """Makes a row's ``taps`` from a subclass of ``HttpCalls``."""

    def taps(output: Output) -> PairTaps:
        def pair(client: Flow, server: Flow, *, joined: bool) -> tuple[Consumer, Consumer]:
            talk = _Talk(calls(output, client, server, joined=joined))
            return (
                HttpTap(talk, output.taps, client, joined=joined),
                HttpTap(talk, output.taps, server, joined=joined),
            )

        return pair

    return taps
