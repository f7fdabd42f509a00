"""The example of the guide: a codec of one's own over length-prefixed JSON, on packets made here."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from raftmon.monitor.raft.codec_contract import test_codec as contract
from raftmon.monitor.raft.codecs.table import codec_from
from raftmon.monitor.raft.decoder import Decoder
from tests.monitor.raft.wire import ACK, SYN, Wire

EXAMPLE = Path(__file__).parents[4] / "examples" / "codecs" / "my_codec.py"


def framed(**content: object) -> bytes:
    body = json.dumps(content).encode()
    return len(body).to_bytes(4, "big") + body


TALK = [
    ("client", framed(type="hello", address="10.77.2.2:7000")),
    ("client", framed(type="vote", term=2, last=0, last_term=0)),
    ("server", framed(type="voted", term=2, granted=True)),
    *(
        pair
        for n in range(20)
        for pair in (
            ("client", framed(type="append", term=2, previous=n, previous_term=2 if n else 0, commit=n,
                              entries=[{"term": 2, "command": {"key": "k", "value": n}}])),
            ("server", framed(type="appended", term=2, match=n + 1, ok=True)),
        )
    ),
]  # fmt: skip


def test_its_messages_entries_and_nodes_are_read() -> None:
    wire = Wire(Decoder({"10.77.1.2": "n1", "10.77.2.2": "n2"}, codecs=(codec_from(str(EXAMPLE)),)))
    for side, payload in TALK:
        getattr(wire, side)(payload)
    assert [(m.kind, m.source, m.target) for m in wire.messages[:3]] == [
        ("MsgVote", "n2", "n1"), ("MsgVoteResp", "n1", "n2"), ("MsgApp", "n2", "n1"),
    ]  # fmt: skip
    entry = wire.messages[2].entries[0]
    assert (entry.index, entry.operations[0].key, entry.operations[0].value) == (1, b"k", b"0")
    assert wire.decoder.taps.unparsed == 0


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    wire = Wire()
    packets = [wire.packet("client", b"", SYN, 999), wire.packet("server", b"", SYN | ACK, wire.seq["server"] - 1)]
    for side, payload in TALK:
        packets.append(wire.packet(side, payload))
        wire.seq[side] += len(payload)
    file = tmp_path / "own.pcap"
    records = b"".join(struct.pack("<IIII", n, 0, len(data), len(data)) + data for n, data in enumerate(packets))
    file.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101) + records)
    assert [one for one in contract(codec_from(str(EXAMPLE)), file, "1") if not one.kept] == []


def test_it_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 80
