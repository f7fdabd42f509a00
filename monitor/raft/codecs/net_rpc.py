"""Go's net/rpc over gob, for codecs of one's own: subclass ``NetRpcTap``, write ``read``.

The opener sends ``Request{ServiceMethod, Seq}`` and an argument, the other side ``Response{ServiceMethod, Seq, Error}``
and a reply (Go, net/rpc/client.go and server.go); each is one gob message, behind the descriptions of its types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import Output
from raftmon.monitor.raft.codecs.framing import MORE
from raftmon.monitor.raft.codecs.framings import CodecTap
from raftmon.monitor.raft.codecs.gob import GobTypes, gob_message
from raftmon.monitor.raft.codecs.protobuf import Malformed

__all__ = ["NetRpcCall", "NetRpcTap"]

_FIELDS = {"ServiceMethod", "Seq", "Error"}
_JOIN_BYTES = 4096


@dataclass(frozen=True, slots=True)
class NetRpcCall:
    """One argument (``request``) or reply: ``method`` is ``Service.Method``, ``seq`` pairs them, ``error`` of a reply
    is empty if there was none. ``body`` is a dict of the fields that are not zero.
    """

    method: str
    seq: int
    request: bool
    body: Any
    error: str = ""


class NetRpcTap(CodecTap):
    """One direction of a connection; ``read(call, raw, first, mark)`` gets a ``NetRpcCall``.

    After a hole it goes on at the next header that can be read whole. A connection whose beginning was not seen has
    described no types, and is skipped.
    """

    max_message = 16 << 20

    def __init__(self, out: Output, flow: Flow, *, joined: bool) -> None:
        super().__init__(out, flow, joined=joined)
        self._types = GobTypes()
        self._header: tuple[str, dict[str, Any], bytes, int] | None = None
        self._begins = not joined

    def lost(self) -> None:
        """See ``FramedTap``."""
        self._header = None

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``. A connection by ``rpc.DialHTTP`` begins with a request and a response of HTTP."""
        if self._begins:
            start = bytes(data[place : place + 8])
            if start in (b"CONNECT ", b"HTTP/1.0") or (len(start) < 8 and _opens(start)):
                stop = data.find(b"\n\n", place)
                if stop < 0 and len(data) - place > _JOIN_BYTES:
                    raise Malformed("no greeting of net/rpc")
                return stop + 2 if stop >= 0 else MORE
        return gob_message(data, place, self.max_message)

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """Where a header can be read: what stands before it is passed over."""
        if not self._types.known:
            return -1
        for at in range(place, min(len(data), place + _JOIN_BYTES)):
            try:
                stop = gob_message(data, at, self.max_message)
                found = self._types.read(bytes(data[at:stop])) if stop > 0 else None
            except (Malformed, AttributeError, TypeError):
                continue
            if found is not None and found[0] in ("Request", "Response") and _is_header(found[1]):
                return at
        return -1

    def take(self, raw: bytes, first: int, mark: int) -> int:
        """See ``FramedTap``: a type, a header, or what belongs to the header before."""
        if self._begins:
            self._begins = False
            if raw.endswith(b"\n\n") and _opens(raw[:8]):
                return 0
        try:
            found = self._types.read(raw)
        except (AttributeError, TypeError, KeyError) as error:
            raise Malformed(f"not understood: {error}") from error
        if found is None:
            return 0
        name, value = found
        if self._header is None:
            if name not in ("Request", "Response") or not _is_header(value):
                raise Malformed("no header of net/rpc")
            self._header = (name, value, raw, first)
            return 0
        (kind, header, before, began), self._header = self._header, None
        call = NetRpcCall(
            header.get("ServiceMethod", ""), header.get("Seq", 0), kind == "Request", value, header.get("Error", "")
        )
        try:
            self.read(call, before + raw, began, mark)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise Malformed(f"not understood: {error}") from error
        return 0


def _opens(start: bytes) -> bool:
    return bool(start) and (b"CONNECT ".startswith(start) or b"HTTP/1.0".startswith(start))


def _is_header(value: Any) -> bool:
    return isinstance(value, dict) and "ServiceMethod" in value and set(value) <= _FIELDS
