"""A Raft over gRPC, its messages by a compiled descriptor: unary calls, streams, compression, holes, damage."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import hpack
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from raftmon.codecs import Channel, Codec, GrpcCalls, GrpcMessage, grpc_taps_of
from raftmon.monitor.raft.codecs.http2 import PREFACE
from raftmon.monitor.raft.decoder import Decoder
from raftmon.setup.errors import InputError
from tests.monitor.raft.codecs.talks import LOOK, Talk, broken_promises, decoded, looks
from tests.monitor.raft.wire import Wire


def descriptor() -> bytes:
    """As protoc would compile: service toy.Raft { Vote(Ask) returns (Answer); Append(stream Ask) … }."""
    files = descriptor_pb2.FileDescriptorSet()
    file = files.file.add(name="toy.proto", package="toy", syntax="proto3")
    for name, fields in (("Ask", ("term", "address", "pad")), ("Answer", ("term", "ok"))):
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields, 1):
            kind = {"address": 9, "pad": 12, "ok": 8}.get(field, 4)
            message.field.add(name=field, number=number, type=kind, label=1)  # type: ignore[arg-type]
    service = file.service.add(name="Raft")
    service.method.add(name="Vote", input_type=".toy.Ask", output_type=".toy.Answer")
    service.method.add(
        name="Append", input_type=".toy.Ask", output_type=".toy.Answer", client_streaming=True, server_streaming=True
    )
    return files.SerializeToString()


DESCRIPTOR = descriptor()
_POOL = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR).file:
    _POOL.Add(_file)
Ask: Any = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("toy.Ask"))
Answer: Any = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("toy.Answer"))


class ToyCalls(GrpcCalls):
    codec = "grpc-raft"
    descriptor = DESCRIPTOR
    max_message = 1 << 16

    def read(self, call: GrpcMessage, raw: bytes, channel: Channel, first: int, mark: int) -> None:
        kind = {"/toy.Raft/Vote": "MsgVote", "/toy.Raft/Append": "MsgApp"}[call.method]
        if call.request:
            if call.message.address:
                self.speaks(call.message.address)
            self.emit(channel, kind, raw, first, mark, term=call.message.term)
        else:
            self.emit(channel, f"{kind}Resp", raw, first, mark, term=call.message.term, reject=not call.message.ok)


CODEC = Codec(
    "grpc-raft", "gRPC", lambda start, from_start: start.startswith(b"PRI * ") if from_start else False,
    grpc_taps_of(ToyCalls), systems=("grpc-raft",), why_not="nobody can",
)  # fmt: skip


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def grpc(message: Any, packed: bool = False) -> bytes:
    body = message.SerializeToString()
    body = gzip.compress(body) if packed else body
    return bytes([packed]) + len(body).to_bytes(4, "big") + body


def talk() -> Talk:
    ask, answer = hpack.Encoder(), hpack.Encoder()

    def begin(stream: int, method: str, *more: tuple[str, str]) -> bytes:
        fields = [(":method", "POST"), (":scheme", "http"), (":path", method), ("te", "trailers"), *more]
        block = ask.encode(fields)
        if stream % 4 == 3:  # a block in two frames, with padding and a priority
            padded = bytes([4]) + bytes(5) + block[:7] + bytes(4)
            return frame(1, 0x28, stream, padded) + frame(9, 4, stream, block[7:])
        return frame(1, 4, stream, block)

    def reply(stream: int, message: Any, packed: bool = False, end: bool = True) -> bytes:
        more = [("grpc-encoding", "gzip")] if packed else []
        data = frame(1, 4, stream, answer.encode([(":status", "200"), *more])) + frame(
            0, 0, stream, grpc(message, packed)
        )
        return data + (frame(1, 5, stream, answer.encode([("grpc-status", "0")])) if end else b"")

    made: Talk = [
        ("client", PREFACE + frame(4, 0, 0, b"") + frame(8, 0, 0, b"\0\1\0\0")),
        ("server", frame(4, 0, 0, b"") + frame(4, 1, 0, b"")),
        ("client", begin(1, "/toy.Raft/Vote") + frame(0, 1, 1, grpc(Ask(term=2, address="10.77.2.2:7000")))),
        ("server", reply(1, Answer(term=2, ok=True))),
        ("client", begin(3, "/toy.Raft/Append", ("grpc-encoding", "gzip"))),
    ]
    for number in range(10):
        body = grpc(Ask(term=2, pad=b"p" * 40 * number), packed=number % 2 == 1)
        if number == 5:  # a message in two frames, the second together with another
            made.append(("client", frame(0, 8, 3, b"\3" + body[:9] + bytes(3))))
            body = body[9:] + grpc(Ask(term=2))
        made.append(("client", frame(0, 0, 3, body)))
        sent = frame(0, 0, 3, grpc(Answer(term=2, ok=number % 2 == 0)))
        made.append(("server", sent if number else reply(3, Answer(term=2, ok=True), end=False)))
    for stream in (5, 7, 9):
        made.append(("client", begin(stream, "/toy.Raft/Vote") + frame(0, 1, stream, grpc(Ask(term=stream)))))
        made.append(("server", reply(stream, Answer(term=stream, ok=False), packed=stream == 7)))
    made.append(("client", begin(11, "/other.Service/Call") + frame(0, 1, 11, grpc(Ask(term=7)))))
    made.append(("client", frame(6, 0, 0, bytes(8)) + frame(3, 0, 3, bytes(4))))
    return made


TALK = talk()


def test_calls_and_streams_are_read_by_the_descriptor() -> None:
    decoder, messages = decoded(CODEC, TALK)
    assert looks(messages)[:3] == LOOK
    kinds = [message.kind for message in messages]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "MsgVote": 4, "MsgVoteResp": 4, "MsgApp": 11, "MsgAppResp": 10,
    }  # fmt: skip
    assert [m.term for m in messages if m.kind == "MsgVoteResp"] == [2, 5, 7, 9]
    assert decoder.taps.unparsed == decoder.taps.skipped == decoder.buffers.used == 0
    assert decoder.taps.foreign == len(grpc(Ask(term=7)))


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    assert broken_promises(CODEC, TALK, tmp_path) == []


@pytest.mark.parametrize("gone", range(3, 26))
def test_after_a_hole_streams_go_on_and_nothing_wrong_is_read(gone: int) -> None:
    """One packet is lost in the capture, seen by its receiver: all that is read was sent, most of it is read."""
    everything = looks(decoded(CODEC, TALK)[1])
    wire = Wire(Decoder({"10.77.1.2": "n1", "10.77.2.2": "n2"}, codecs=(CODEC,)))
    for number, (side, payload) in enumerate(TALK):
        if number == gone:
            wire.seq[side] += len(payload)
        else:
            getattr(wire, side)(payload)
    wire.messages += wire.decoder.finish()
    found = looks(wire.messages)
    rest = [(kind, term, reject) for kind, _, _, term, reject in everything]
    for kind, _, _, term, reject in found:
        rest.remove((kind, term, reject))
    assert len(found) >= (2 if gone == 4 else 4)  # the fifth packet names the method of the long stream


def test_a_descriptor_that_is_none_is_refused(tmp_path: Path) -> None:
    class Bad(GrpcCalls):
        descriptor = b"\xff\xff"

    class Missing(GrpcCalls):
        descriptor = tmp_path / "none.binpb"

    with pytest.raises(InputError, match="protoc --descriptor_set_out"):
        grpc_taps_of(Bad)
    with pytest.raises(InputError, match="cannot be read"):
        grpc_taps_of(Missing)
