"""What a codec imports: ``from raftmon.codecs import Codec, RaftMessage`` (docs/raft.md).

A codec reads the Raft messages of one protocol from the bytes of its connections. Its row, a ``Codec``, is found by the
entry point group ``raftmon.codecs`` or as ``CODEC`` of a ``.py`` file given with ``--codec``.
"""

from __future__ import annotations

from raftmon.monitor.packets.tcp_table import Consumer, Flow
from raftmon.monitor.raft.codecs.base import MAX_SNIFFED, Codec, Output, PairTaps, TapCounters
from raftmon.monitor.raft.codecs.framing import MORE, FramedTap, Malformed
from raftmon.monitor.raft.codecs.framings import (
    CodecTap,
    JsonStreamTap,
    LengthPrefixedTap,
    MsgpackStreamTap,
    taps_of,
    unit_of,
)
from raftmon.monitor.raft.codecs.grpc_calls import GrpcCalls, GrpcMessage, grpc_taps_of
from raftmon.monitor.raft.codecs.http_calls import HttpCalls, http_taps_of
from raftmon.monitor.raft.codecs.http_parts import Request, Response
from raftmon.monitor.raft.codecs.net_rpc import NetRpcCall, NetRpcTap
from raftmon.monitor.raft.message import KINDS, Channel, Entry, LoggedOperation, RaftMessage
from raftmon.setup.old_imports import renamed

__all__ = [
    "KINDS",
    "MAX_SNIFFED",
    "MORE",
    "Channel",
    "Codec",
    "CodecTap",
    "Consumer",
    "Entry",
    "Flow",
    "FramedTap",
    "GrpcCalls",
    "GrpcMessage",
    "HttpCalls",
    "JsonStreamTap",
    "LengthPrefixedTap",
    "LoggedOperation",
    "Malformed",
    "MsgpackStreamTap",
    "NetRpcCall",
    "NetRpcTap",
    "Output",
    "PairTaps",
    "RaftMessage",
    "Request",
    "Response",
    "TapCounters",
    "grpc_taps_of",
    "http_taps_of",
    "taps_of",
    "unit_of",
]

__getattr__ = renamed(__name__, {"Operation": "LoggedOperation"})
