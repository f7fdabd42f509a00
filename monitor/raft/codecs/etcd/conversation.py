"""etcd's peer protocol 3.4 to 3.7, from the bytes of its connections (docs/raft.md has the layout).

Two streams (``message`` and ``msgapp`` v2) in the bodies of GET responses, ``POST /raft`` (the pipeline),
``POST /raft/snapshot``, and the small requests that tell which id is which node.
"""

from __future__ import annotations

import re
from collections import deque

import orjson

from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import Output
from raftmon.monitor.raft.codecs.etcd.bodies import (
    Frames,
    MessageStream,
    MsgAppStream,
    PipelineBody,
    SnapshotBody,
)
from raftmon.monitor.raft.codecs.etcd.join import looks_like, message_chunks
from raftmon.monitor.raft.codecs.http_parts import IGNORED, Body, IgnoredBody, Request, Response
from raftmon.monitor.raft.message import Channel

__all__ = ["EtcdConversation"]

_CODEC = "etcd"
_STREAM = re.compile(r"/raft/stream/(msgapp|message)/([0-9a-f]{1,16})$").match


def _hex_id(text: str | None) -> int:
    try:
        return int(text, 16) if text and len(text) <= 16 else 0
    except ValueError:
        return 0


class _Members(IgnoredBody):
    """The body of ``GET /members``: names of ids."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._held = bytearray()

    def feed(self, data: bytes, start: int, end: int, mark: int) -> None:
        """See ``Body.feed``."""
        if len(self._held) + end - start <= 1 << 20:
            self._held += data[start:end]

    def finish(self) -> None:
        """See ``Body.finish``; a body that is not the member list teaches nothing."""
        try:
            members = orjson.loads(self._held)
        except orjson.JSONDecodeError:
            return
        for member in members if isinstance(members, list) else []:
            if isinstance(member, dict) and isinstance(member.get("id"), int) and isinstance(member.get("name"), str):
                self._out.directory.name(member["id"], member["name"])


class _Refusal(_Members):
    """The short text of a refusal."""

    def __init__(self, out: Output, channel: Channel, status: int, mark: int) -> None:
        super().__init__(out)
        self._channel, self._status, self._mark = channel, status, mark

    def finish(self) -> None:
        """Tell it."""
        text = bytes(self._held[:200]).decode("utf-8", "replace").strip()
        self._out.event("refused", self._channel, f"{self._status} {text}", self._mark)


class EtcdConversation:
    """One HTTP connection between two members."""

    def __init__(self, out: Output) -> None:
        self.requests: deque[Request] = deque()
        self._out = out
        self._joined: Frames | None = None

    def on_request(self, request: Request, flow: Flow, mark: int) -> Body:
        """See ``Conversation.on_request``."""
        sender = _hex_id(request.headers.get("x-server-from"))
        if sender:
            self._out.directory.seen(sender, flow.source, None)
        receiver = _hex_id(request.headers.get("x-raft-to"))
        if receiver:
            self._out.directory.seen(receiver, flow.target, flow.target_port)
        if request.method != "POST" or request.path not in ("/raft", "/raft/snapshot"):
            return IGNORED
        labels = self._out.directory.labels
        channel = self._out.channel("pipeline" if request.path == "/raft" else "snapshot", flow, _CODEC)
        channel.source = labels[sender]
        return PipelineBody(self._out, channel) if request.path == "/raft" else SnapshotBody(self._out, channel)

    def on_response(self, response: Response, flow: Flow, mark: int) -> Body:
        """See ``Conversation.on_response``."""
        request = response.request
        if request is None:
            return self._unasked(response, flow)
        stream = _STREAM(request.path)
        if request.path == "/members" and response.status == 200:
            return _Members(self._out)
        labels = self._out.directory.labels
        if stream is None:
            if response.status >= 400 and request.path.startswith("/raft"):
                channel = self._out.channel("pipeline" if request.path == "/raft" else "snapshot", flow.reverse, _CODEC)
                channel.source = labels[_hex_id(request.headers.get("x-server-from"))]
                return _Refusal(self._out, channel, response.status, mark)
            return IGNORED
        channel = self._out.channel(stream[1], flow, _CODEC)
        channel.source = labels[_hex_id(request.headers.get("x-raft-to"))]
        channel.target = labels[_hex_id(stream[2])]
        if response.status != 200:
            return _Refusal(self._out, channel, response.status, mark)
        version = response.headers.get("x-server-version", "?")
        self._out.event("stream opened", channel, f"server version {version}", mark)
        return MsgAppStream(self._out, channel) if stream[1] == "msgapp" else MessageStream(self._out, channel)

    def _unasked(self, response: Response, flow: Flow) -> Body:
        """An answer to a request that was not seen: its first chunk must show what it is, as after a hole."""
        chunked = "chunked" in response.headers.get("transfer-encoding", "")
        if response.status == 200 and chunked and "x-etcd-cluster-id" in response.headers:
            return _Unknown(self, flow)
        if response.status == 200 and response.headers.get("content-type") == "application/json":
            return _Members(self._out)
        return IGNORED

    def join(self, data: bytes, body: Body | None, flow: Flow) -> tuple[int, Body] | None:
        """See ``Conversation.join``: a complete chunk that begins with a complete, valid frame of a stream."""
        known = body if isinstance(body, MsgAppStream | MessageStream) else self._joined
        for header, start, end in message_chunks(data):
            kind = looks_like(data, start, end)
            if kind is None or (isinstance(known, MsgAppStream | MessageStream) and known.kind != kind):
                continue
            return header, self.stream(kind, flow, known)
        return None

    def stream(self, kind: str, flow: Flow, known: Body | None = None) -> Frames:
        """A stream decoder that joins in the middle; who speaks on it is taken from ``known`` if it was followed."""
        if isinstance(known, Frames):
            known.finish()
            channel = known.channel
        else:
            channel = self._out.channel(kind, flow, _CODEC)
            self._out.directory.place(channel)
        self._joined = (
            MsgAppStream(self._out, channel, joined=True) if kind == "msgapp" else MessageStream(self._out, channel)
        )
        return self._joined


class _Unknown(IgnoredBody):
    """A chunked body whose request was not seen, from its first byte: msgapp or message by what it begins with."""

    def __init__(self, conversation: EtcdConversation, flow: Flow) -> None:
        self._conversation = conversation
        self._flow = flow
        self._held = bytearray()
        self._inner: Frames | None = None

    def feed(self, data: bytes, start: int, end: int, mark: int) -> None:
        """See ``Body.feed``."""
        if self._inner is not None:
            return self._inner.feed(data, start, end, mark)
        self._held += data[start:end]
        if self._held[0] in (1, 2) or len(self._held) >= 11:
            # A message frame is longer than a link heartbeat: 11 zero bytes can only be msgapp's.
            is_message = self._held[:4] == b"\0\0\0\0" and self._held[8:9] == b"\x08"
            self._inner = self._conversation.stream("message" if is_message else "msgapp", self._flow)
            if isinstance(self._inner, MsgAppStream):
                self._inner.term = 0  # from its first byte, so its state is known
            self._inner.feed(bytes(self._held), 0, len(self._held), mark)
        return None
