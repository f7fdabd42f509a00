"""Conversations of toy Rafts over several framings, and what a codec makes of them: for tests of framing helpers."""

from __future__ import annotations

import struct
from pathlib import Path

from raftmon.monitor.raft.codec_contract import test_codec as contract
from raftmon.monitor.raft.codecs.base import Codec
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.message import RaftMessage
from tests.monitor.raft.wire import ACK, SYN, Wire

Talk = list[tuple[str, bytes]]
LOOK = [("MsgVote", "n2", "n1", 2, False), ("MsgVoteResp", "n1", "n2", 2, False), ("MsgApp", "n2", "n1", 2, False)]
"""The first messages of every talk: kind, source, target, term, reject."""


def decoded(codec: Codec, talk: Talk) -> tuple[Decoder, list[RaftMessage]]:
    wire = Wire(Decoder({"10.77.1.2": "n1", "10.77.2.2": "n2"}, codecs=(codec,)))
    for side, payload in talk:
        getattr(wire, side)(payload)
    return wire.decoder, wire.messages


def looks(messages: list[RaftMessage]) -> list[tuple[str, str | None, str | None, int, bool]]:
    return [(one.kind, one.source, one.target, one.term, one.reject) for one in messages]


def broken_promises(codec: Codec, talk: Talk, folder: Path) -> list[str]:
    """What of the codec contract is not kept on a capture of this talk, for three seeds."""
    wire = Wire()
    packets = [wire.packet("client", b"", SYN, 999), wire.packet("server", b"", SYN | ACK, wire.seq["server"] - 1)]
    for side, payload in talk:
        packets.append(wire.packet(side, payload))
        wire.seq[side] += len(payload)
    file = folder / "talk.pcap"
    records = b"".join(struct.pack("<IIII", n, 0, len(data), len(data)) + data for n, data in enumerate(packets))
    file.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101) + records)
    promises = [one for seed in "123" for one in contract(codec, file, seed)]
    assert promises
    return [f"{one.text}: {one.seen}" for one in promises if not one.kept]
