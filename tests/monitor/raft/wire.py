"""Makes packets, raftpb messages and etcd conversations for tests, independently of the code that reads them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.message import Channel, Entry, RaftMessage
from tests.shared import SHARED

DATA = Path(__file__).parent / "data"
GOLDEN = SHARED / "captures" / "etcd-3.4.23.pcap.gz"
TRUTH = SHARED / "captures" / "etcd-3.4.23.truth.json"
A, B = 0xA1B2C3D4E5F60718, 0x1122334455667788


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def sized(number: int, body: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(body)) + body


def scalar(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def entry(term: int, index: int, data: bytes = b"", kind: int = 0) -> bytes:
    return scalar(1, kind) + scalar(2, term) + scalar(3, index) + (sized(4, data) if data else b"")


def put(key: bytes, value: bytes, ident: int = 7) -> bytes:
    return sized(4, sized(1, key) + sized(2, value)) + sized(100, scalar(1, ident))


def raftpb(
    kind: int, to: int = B, sender: int = A, term: int = 2, log_term: int = 0, index: int = 0,
    entries: Iterable[bytes] = (), commit: int = 0, reject: bool = False, hint: int = 0, context: bytes = b"",
    snapshot: bytes | None = None,
) -> bytes:  # fmt: skip
    """A raftpb.Message as etcd 3.4 writes it: every scalar, in order."""
    out = scalar(1, kind) + scalar(2, to) + scalar(3, sender) + scalar(4, term) + scalar(5, log_term) + scalar(6, index)
    out += b"".join(sized(7, item) for item in entries) + scalar(8, commit)
    empty = sized(2, sized(1, scalar(5, 0)) + scalar(2, 0) + scalar(3, 0))
    out += sized(9, snapshot if snapshot is not None else empty)
    return out + scalar(10, reject) + scalar(11, hint) + (sized(12, context) if context else b"")


def frame(message: bytes) -> bytes:
    """On the message stream."""
    return struct.pack(">Q", len(message)) + message


def full(message: bytes) -> bytes:
    """On the msgapp stream."""
    return b"\x02" + frame(message)


def append_entries(entries: list[bytes], commit: int) -> bytes:
    return (
        b"\x01" + struct.pack(">Q", len(entries)) + b"".join(map(frame, entries)) + struct.pack(">Q", commit)
    )  # fmt: skip


def chunk(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


def stream_request(kind: str = "message", dialer: int = B, server: int = A) -> bytes:
    return (
        f"GET /raft/stream/{kind}/{dialer:x} HTTP/1.1\r\nHost: 10.77.1.2:2380\r\nX-Etcd-Cluster-Id: 1\r\n"
        f"X-Raft-To: {server:x}\r\nX-Server-From: {dialer:x}\r\n\r\n"
    ).encode()


STREAM_ANSWER = (
    b"HTTP/1.1 200 OK\r\nX-Etcd-Cluster-Id: 1\r\nX-Server-Version: 3.4.23\r\nTransfer-Encoding: chunked\r\n\r\n"
)
SYN, ACK = 2, 16


class Wire:
    """One TCP connection from 10.77.2.2 (dialer) to 10.77.1.2:2380 (server), as packets with a decoder behind."""

    def __init__(self, decoder: Decoder | None = None, port: int = 40000, *, syn: bool = True) -> None:
        self.decoder = decoder or Decoder()
        self.port = port
        self.seq = {"client": 1000, "server": 0xFFFFFFF0}  # the server's numbers wrap around soon
        self.messages: list[RaftMessage] = []
        self.number = 0
        if syn:
            self._raw("client", b"", SYN, self.seq["client"] - 1)
            self._raw("server", b"", SYN | ACK, self.seq["server"] - 1)

    def packet(self, side: str, payload: bytes, flags: int = ACK, seq: int | None = None) -> bytes:
        ends = (b"\x0a\x4d\x02\x02", b"\x0a\x4d\x01\x02")
        ports = (self.port, 2380)
        if side == "server":
            ends, ports = ends[::-1], ports[::-1]
        other = "server" if side == "client" else "client"
        number = self.seq[side] if seq is None else seq
        tcp = struct.pack(
            ">HHIIBBHHH", *ports, number & 0xFFFFFFFF, self.seq[other] & 0xFFFFFFFF, 0x50, flags, 500, 0, 0
        )  # fmt: skip
        total = 20 + len(tcp) + len(payload)
        return struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0, 64, 6, 0, *ends) + tcp + payload

    def _raw(self, side: str, payload: bytes, flags: int = ACK, seq: int | None = None) -> None:
        self.number += 1
        data = self.packet(side, payload, flags, seq)
        self.messages += self.decoder.packet(self.number, self.number * 1_000_000, data)

    def client(self, payload: bytes) -> None:
        self._raw("client", payload)
        self.seq["client"] += len(payload)

    def server(self, payload: bytes, *, lost: bool = False) -> None:
        if not lost:
            self._raw("server", payload)
        self.seq["server"] += len(payload)

    def stream(self, kind: str = "message") -> Wire:
        """Open a stream whose body goes from the server (A) to the dialer (B)."""
        self.client(stream_request(kind))
        self.server(STREAM_ANSWER)
        return self


def decode(path: Path, drop: int = 0) -> tuple[Decoder, list[RaftMessage]]:
    """Everything in a capture after its first ``drop`` packets."""
    decoder = Decoder()
    messages: list[RaftMessage] = []
    for packet in read_capture(path):
        if packet.number > drop:
            messages += decoder.packet(packet.number, packet.time_ns, packet.data)
    messages += decoder.finish()
    return decoder, messages


_channels: dict[tuple[str, str, str], Channel] = {}


def message(
    kind: str, source: str = "n1", target: str = "n2", term: int = 2, *, log_term: int = 0, index: int = 0,
    commit: int = 0, entries: Iterable[tuple[int, int, bytes]] = (), reject: bool = False, context: bytes = b"",
    at_ms: float = 0, packet: int = 1, stream: str = "msgapp", group: str = "",
) -> RaftMessage:  # fmt: skip
    """A RaftMessage as a decoder would give it; ``entries`` are (term, index, data)."""
    key = (source, target, stream)
    channel = _channels.setdefault(key, Channel(len(_channels) + 1, stream, "etcd", source, target))
    found = tuple(Entry(t, i, data) for t, i, data in entries)
    return RaftMessage(
        int(at_ms * 1e6), kind, source, target, term, log_term, index, commit, found, reject, 0, context, channel,
        packet, packet, 0, b"", group,
    )  # fmt: skip
