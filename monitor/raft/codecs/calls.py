"""What codecs over HTTP/1 and gRPC have in common: one object a connection, whose two directions are channels."""

from __future__ import annotations

from typing import Any

from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import Output
from raftmon.monitor.raft.codecs.framing import Malformed
from raftmon.monitor.raft.codecs.framings import made_message
from raftmon.monitor.raft.message import Channel

__all__ = ["Calls"]


class Calls:
    """The calls of one connection; subclass one of its kinds and write ``read``.

    ``codec`` is the name of the row, ``channel_name`` that of its channels, ``max_message`` bounds one message in
    bytes. ``requests`` is the channel from the opener of the connection, ``responses`` the other direction's.
    """

    codec = ""
    channel_name = "peer"
    max_message = 64 << 20

    def __init__(self, out: Output, client: Flow, server: Flow, *, joined: bool) -> None:
        self.out = out
        self.client, self.server = client, server
        self.requests: Channel = out.channel(self.channel_name, client, self.codec)
        self.responses: Channel = out.channel(self.channel_name, server, self.codec)
        if not joined:
            listens = out.directory.party(f"{server.source}:{server.source_port}")
            self.responses.source = self.requests.target = listens

    def speaks(self, address: str) -> None:
        """The opener of the connection says that it is ``address`` (``IP:port``)."""
        name = self.out.directory.claimed(address, self.client.source)
        self.requests.source = self.responses.target = name

    def emit(self, channel: Channel, kind: str, raw: bytes, first: int, mark: int, **fields: Any) -> None:
        """Hand on one message; ``fields`` are those of RaftMessage, what is not given is zero or empty."""
        self.out.message(made_message(self.out, channel, kind, raw, first, mark, **fields))

    def understood(self, read: Any, raw: bytes, *arguments: Any) -> None:
        """Call ``read(*arguments)``; what it cannot understand is counted."""
        try:
            read(*arguments)
        except (Malformed, KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError):
            self.out.taps.unparsed += len(raw)
