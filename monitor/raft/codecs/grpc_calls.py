"""gRPC for codecs of one's own: messages by a compiled descriptor (``protoc --descriptor_set_out --include_imports``).

Subclass ``GrpcCalls``, name the descriptor, write ``read``. The framing is gRPC's over HTTP/2 (github.com/grpc/grpc,
PROTOCOL-HTTP2.md); HTTP/2 itself is read in ``http2``.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from raftmon.monitor.packets.tcp_table import Consumer, Flow
from raftmon.monitor.raft.codecs.base import Output, PairTaps
from raftmon.monitor.raft.codecs.calls import Calls
from raftmon.monitor.raft.codecs.http2 import Http2Streams, Http2Tap
from raftmon.monitor.raft.codecs.protobuf import Malformed
from raftmon.monitor.raft.message import Channel
from raftmon.setup.errors import InputError

__all__ = ["GrpcCalls", "GrpcMessage", "grpc_taps_of"]

_PREFIX = 5  # a flag, and the size
_MAX_STREAMS = 10_000


@dataclass(frozen=True, slots=True)
class GrpcMessage:
    """One message of a call: ``method`` is ``/package.Service/Method``, ``stream`` HTTP/2's number of the call.

    ``message`` is of the descriptor's type: fields as attributes, as everywhere in protobuf.
    """

    method: str
    request: bool
    message: Any
    stream: int


@functools.lru_cache(maxsize=32)
def _types(descriptor: bytes) -> dict[str, tuple[Any, Any]]:
    """Method -> the classes of its request and its response. Raises InputError if these are no descriptors."""
    files = descriptor_pb2.FileDescriptorSet()
    pool = descriptor_pool.DescriptorPool()
    found: dict[str, tuple[Any, Any]] = {}
    try:
        files.ParseFromString(descriptor)
        for file in files.file:
            pool.Add(file)
        for file in files.file:
            for service in file.service:
                owner = f"{file.package}.{service.name}" if file.package else service.name
                for method in service.method:
                    found[f"/{owner}/{method.name}"] = (
                        message_factory.GetMessageClass(pool.FindMessageTypeByName(method.input_type.lstrip("."))),
                        message_factory.GetMessageClass(pool.FindMessageTypeByName(method.output_type.lstrip("."))),
                    )
    except (DecodeError, TypeError, KeyError) as error:
        raise InputError(
            f"a codec's descriptor cannot be used ({error}): make it with protoc --descriptor_set_out --include_imports"
        ) from error
    return found


class GrpcCalls(Calls):
    """One connection's calls, each message read by the descriptor.

    ``descriptor`` is the compiled descriptor (a FileDescriptorSet), as bytes or the path of a file. Messages of methods
    that it does not describe are counted as foreign; compressed ones (gzip) are unpacked. A connection whose beginning
    was not seen names no methods and is skipped. After a hole a stream goes on at the next DATA frame that holds whole
    messages.
    """

    descriptor: bytes | Path = b""

    def __init__(self, out: Output, client: Flow, server: Flow, *, joined: bool) -> None:
        super().__init__(out, client, server, joined=joined)
        self.types = _types(_bytes_of(self.descriptor))
        self.methods: dict[int, str] = {}
        self.encodings: dict[tuple[int, bool], str] = {}

    def read(self, call: GrpcMessage, raw: bytes, channel: Channel, first: int, mark: int) -> None:
        """One message; call ``emit(channel, …)``. Raises Malformed for what is no message of the protocol."""
        raise NotImplementedError


@functools.cache
def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"a codec's descriptor {path} cannot be read: {error.strerror}") from error


def _bytes_of(descriptor: bytes | Path) -> bytes:
    return descriptor if isinstance(descriptor, bytes) else _file(descriptor)


class _Messages(Http2Streams):
    """One direction's streams: bytes of DATA frames in, messages out."""

    def __init__(self, calls: GrpcCalls, request: bool) -> None:
        self.calls, self.request = calls, request
        self.channel = calls.requests if request else calls.responses
        self._held: dict[int, bytearray] = {}
        self._first: dict[int, int] = {}
        self._lost: set[int] = set()

    def headers(self, stream: int, fields: dict[str, str]) -> None:
        calls = self.calls
        if ":path" in fields and self.request and fields.get(":method") == "POST":
            if len(calls.methods) >= _MAX_STREAMS:
                del calls.methods[next(iter(calls.methods))]
            calls.methods[stream] = fields[":path"]
            self.forget(stream)
        if "grpc-encoding" in fields:
            if len(calls.encodings) >= _MAX_STREAMS:
                del calls.encodings[next(iter(calls.encodings))]
            calls.encodings[stream, self.request] = fields["grpc-encoding"]

    def body(self, stream: int, data: bytes, mark: int) -> None:
        taps, budget = self.calls.out.taps, self.calls.out.buffers
        method = self.calls.methods.get(stream)
        if method is None:
            taps.skipped += len(data)
            return
        if stream in self._lost:
            if not _whole(data):
                taps.skipped += len(data)
                return
            self._lost.discard(stream)
        if stream not in self._held and len(self._held) >= _MAX_STREAMS:
            self.forget(next(iter(self._held)))
        held = self._held.setdefault(stream, bytearray())
        self._first.setdefault(stream, mark)
        held += data
        budget.used += len(data)
        if len(held) > self.calls.max_message + _PREFIX or budget.used > budget.limit:
            taps.unparsed += len(held)
            self._lose(stream)
            return
        place = 0
        while len(held) - place >= _PREFIX:
            size = int.from_bytes(held[place + 1 : place + _PREFIX], "big")
            if held[place] > 1 or size > self.calls.max_message:
                taps.unparsed += len(held) - place
                self._lose(stream)
                return
            if len(held) - place < _PREFIX + size:
                break
            raw = bytes(held[place : place + _PREFIX + size])
            self._message(stream, method, raw, self._first[stream], mark)
            place += len(raw)
            self._first[stream] = mark
        del held[:place]
        budget.used -= place
        if not held:
            self._first.pop(stream, None)

    def ended(self, stream: int) -> None:
        self.calls.out.taps.unparsed += len(self._held.get(stream, b""))
        self.forget(stream)
        if not self.request:
            self.calls.methods.pop(stream, None)
            for request in (True, False):
                self.calls.encodings.pop((stream, request), None)

    def forget(self, stream: int) -> None:
        self.calls.out.buffers.used -= len(self._held.pop(stream, b""))
        self._first.pop(stream, None)
        self._lost.discard(stream)

    def lose(self) -> None:
        for stream in list(self._held):
            self.calls.out.taps.skipped += len(self._held[stream])
            self.forget(stream)
        self._lost = set(self.calls.methods)

    def end(self) -> None:
        for stream in list(self._held):
            self.forget(stream)

    def _lose(self, stream: int) -> None:
        self.forget(stream)
        self._lost.add(stream)

    def _message(self, stream: int, method: str, raw: bytes, first: int, mark: int) -> None:
        calls = self.calls
        types = calls.types.get(method)
        if types is None:
            calls.out.taps.foreign += len(raw)
            return
        calls.understood(self._read, raw, types[0 if self.request else 1], stream, method, raw, first, mark)

    def _read(self, kind: Any, stream: int, method: str, raw: bytes, first: int, mark: int) -> None:
        body = raw[_PREFIX:]
        if raw[0]:
            if self.calls.encodings.get((stream, self.request)) != "gzip":
                raise Malformed("compressed in a way that is not read here")
            body = _unpacked(body, self.calls.max_message)
        message = kind()
        try:
            message.ParseFromString(body)
        except DecodeError as error:
            raise Malformed(str(error)) from error
        self.calls.read(GrpcMessage(method, self.request, message, stream), raw, self.channel, first, mark)


def _whole(data: bytes) -> bool:
    """Whether these bytes are whole messages, one after the other."""
    place = 0
    while len(data) - place >= _PREFIX and data[place] <= 1:
        place += _PREFIX + int.from_bytes(data[place + 1 : place + _PREFIX], "big")
    return place == len(data) and place > 0


def _unpacked(body: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj(31)
    try:
        found = unpacker.decompress(body, most)
    except zlib.error as error:
        raise Malformed(f"a packed message cannot be unpacked: {error}") from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise Malformed("a packed message beyond all bounds, or cut")
    return found


def grpc_taps_of(calls: type[GrpcCalls]) -> Callable[[Output], PairTaps]:
    """Makes a row's ``taps`` from a subclass of ``GrpcCalls``. Raises InputError if its descriptor cannot be used."""
    _types(_bytes_of(calls.descriptor))

    def taps(output: Output) -> PairTaps:
        def pair(client: Flow, server: Flow, *, joined: bool) -> tuple[Consumer, Consumer]:
            made = calls(output, client, server, joined=joined)
            return (
                Http2Tap(_Messages(made, True), output, client=True, joined=joined),
                Http2Tap(_Messages(made, False), output, client=False, joined=joined),
            )

        return pair

    return taps
