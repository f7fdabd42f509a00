"""The row of etcd's peer protocol: how a connection of it begins, and who reads it."""

from __future__ import annotations

import re

from raftmon.monitor.packets.tcp_table import Consumer, Flow
from raftmon.monitor.raft.codecs.base import Codec, Output, PairTaps
from raftmon.monitor.raft.codecs.etcd.conversation import EtcdConversation
from raftmon.monitor.raft.codecs.http import HttpTap

__all__ = ["CODEC"]

_HTTP = re.compile(rb"(?:(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH) (?:/|\S*$)|HTTP/1\.[01])").match
_CHUNK = re.compile(rb"(?:\A|\r\n)[0-9a-f]{1,8}\r\n(?:\x00|[\x01\x02]\x00\x00\x00\x00)").search


def _begins(start: bytes, from_start: bool) -> bool:
    return _HTTP(start) is not None


def _joins(segment: bytes) -> bool:
    return _CHUNK(segment) is not None


def _taps(out: Output) -> PairTaps:
    def pair(client: Flow, server: Flow, *, joined: bool) -> tuple[Consumer, Consumer]:
        conversation = EtcdConversation(out)
        return (
            HttpTap(conversation, out.taps, client, joined=joined),
            HttpTap(conversation, out.taps, server, joined=joined),
        )

    return pair


CODEC = Codec(
    "etcd",
    "etcd 3.4 to 3.7: HTTP/1.1, the message and msgapp streams, raftpb",
    _begins,
    _taps,
    joins=_joins,
    systems=("etcd*",),
    editable=True,
    ordered=frozenset({"message", "msgapp"}),
)
