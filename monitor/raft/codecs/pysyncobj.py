"""pysyncobj 0.3's peers: ``int32 length, zlib(pickle(dict))``, little-endian; the first message names its sender.

Pickles are read with no access to any class and with a bound on what they may build.
"""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import Codec, Output, PairTaps
from raftmon.monitor.raft.codecs.framing import MORE, FramedTap, pairs
from raftmon.monitor.raft.codecs.pickle_bounds import check_pickle
from raftmon.monitor.raft.codecs.protobuf import Malformed
from raftmon.monitor.raft.message import Entry, LoggedOperation, RaftMessage

__all__ = ["CODEC", "PySyncObjTap", "read_frame"]

_CODEC = "pysyncobj"
_MAX_FRAME = 64 << 20
_MAX_PLAIN = 64 << 20
_COMMANDS = {0: "command", 1: "noop", 2: "membership", 3: "version"}


def _encode(text: str, encoding: str) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise Malformed("a pickle encodes what is no byte string")
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    return b""


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., bytes]:
        if (module, name) == ("_codecs", "encode"):
            return _encode
        if (module, name) in (("__builtin__", "bytes"), ("builtins", "bytes")):
            return _no_bytes
        raise Malformed(f"a peer's message names the class {module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise Malformed("a peer's message refers to a persistent object")


def _load(data: bytes) -> Any:
    """Unpickle plain values; raises Malformed for anything else."""
    try:
        check_pickle(data)
        return _Plain(io.BytesIO(data), encoding="latin-1").load()
    except Malformed:
        raise
    except (ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise Malformed(f"no pickle: {error}") from error
    except (pickle.UnpicklingError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"no pickle: {error}") from error


def read_frame(body: bytes) -> Any:
    """The object in one frame's bytes (length removed); raises Malformed."""
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(body, _MAX_PLAIN)
    except zlib.error as error:
        raise Malformed(f"no zlib stream: {error}") from error
    if not inflate.eof or inflate.unused_data:
        raise Malformed("a zlib stream that does not end with its frame")
    return _load(plain)


def _read_operations(_kind: int, data: bytes) -> tuple[LoggedOperation, ...]:
    return (LoggedOperation(_COMMANDS.get(data[0], "command") if data else "noop", value=data[1:]),)


def _frame_size(data: bytes | bytearray, place: int) -> int | None:
    return int.from_bytes(data[place : place + 4], "little", signed=True) if len(data) - place >= 4 else None


class PySyncObjTap(FramedTap):
    """One direction of a connection between two peers."""

    def __init__(self, out: Output, flow: Flow, *, joined: bool) -> None:
        super().__init__(out, out.channel("peer", flow, _CODEC), joined=joined)
        self._flow = flow

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``: nothing marks a beginning, so a segment is believed that begins with a whole message."""
        size = _frame_size(data, place)
        return place if size is not None and 2 <= size <= _MAX_FRAME and place + 4 + size <= len(data) else -1

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        size = _frame_size(data, place)
        if size is None:
            return MORE
        if not 2 <= size <= _MAX_FRAME:
            raise Malformed(f"a message of {size} bytes")
        stop = place + 4 + size
        return stop if stop <= len(data) else MORE

    def take(self, raw: bytes, first: int, mark: int) -> int:
        """See ``FramedTap``."""
        if not self._message(read_frame(raw[4:]), raw, first, mark):
            raise Malformed("none of pysyncobj's messages")
        return 0

    def _message(self, content: Any, raw: bytes, first: int, mark: int) -> bool:
        """Hand on what was read; False if it is none of the protocol's messages."""
        if isinstance(content, str):
            if content != "readonly":
                self.channel.source = self.peer.channel.target = self.out.directory.claimed(
                    content[:200], self._flow.source
                )
            return True
        if isinstance(content, (list, tuple)):  # administration (add, remove, status) of the syncobj_admin tool
            return True
        kind = content.get("type") if isinstance(content, dict) else None
        if not isinstance(kind, str) or (make := _READERS.get(kind)) is None:
            return False
        message = self.message("", 0, first, mark, raw)
        try:
            make(message, content)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise Malformed(f"a {kind} message lacks {error}") from error
        self.out.message(message)
        return True


def _request_vote(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind, message.term = "MsgVote", int(content["term"])
    message.index, message.log_term = int(content["last_log_index"]), int(content["last_log_term"])


def _response_vote(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind, message.term = "MsgVoteResp", int(content["term"])


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | None)


def _bytes(value: Any) -> bytes:
    """A command as it was sent; no other value is walked through, as it could be without end."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    raise TypeError("a command of bytes")


def _append(message: RaftMessage, content: dict[str, Any]) -> None:
    message.term, message.commit = int(content["term"]), int(content.get("commit_index", 0))
    message.index = int(content.get("prevLogIdx") or 0)
    message.log_term = int(content.get("prevLogTerm") or 0)
    if "serialized" in content:
        message.kind = "MsgSnap"
        return
    if "transmission" in content:  # one entry too large for a message, in parts
        message.kind = "MsgApp"
        message.extra = {"transmission": str(content["transmission"])[:100] if _plain(content["transmission"]) else "?"}
        return
    entries = []
    for data, index, term in content.get("entries") or ():
        raw = _bytes(data)
        entries.append(Entry(int(term), int(index), raw, 0, _read_operations))
    message.entries = tuple(entries)
    message.kind = "MsgApp" if entries else "MsgHeartbeat"


def _next_index(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind = "MsgAppResp"
    message.index = int(content["next_node_idx"]) - 1
    message.reject = not content.get("success", True)


def _apply(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind = "MsgProp"
    message.entries = (Entry(0, 0, _bytes(content["command"]), 0, _read_operations),)


def _applied(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind = "MsgPropResp"
    message.index = int(content.get("log_idx") or 0)
    message.log_term = int(content.get("log_term") or 0)
    message.reject = "error" in content


def _timeout_now(message: RaftMessage, content: dict[str, Any]) -> None:
    message.kind, message.term = "MsgTimeoutNow", int(content.get("term") or 0)


_READERS: dict[str, Callable[[RaftMessage, dict[str, Any]], None]] = {
    "request_vote": _request_vote,
    "response_vote": _response_vote,
    "append_entries": _append,
    "next_node_idx": _next_index,
    "apply_command": _apply,
    "apply_command_response": _applied,
    "timeout_now": _timeout_now,
}


def _begins(start: bytes, from_start: bool) -> bool:
    """A little-endian length and the head of a zlib stream (RFC 1950)."""
    if len(start) < 6 or start[4] != 0x78 or start[5] not in (0x01, 0x5E, 0x9C, 0xDA):
        return False
    return 8 <= int.from_bytes(start[:4], "little") <= 1 << 27


def _unit(data: bytes | bytearray) -> int | None:
    """See ``Codec.unit``: a length and what it counts."""
    size = _frame_size(data, 0)
    if size is None:
        return None
    if not 2 <= size <= _MAX_FRAME:
        raise Malformed(f"a frame of {size} bytes")
    return 4 + size


_FORGED: dict[str, Callable[[Mapping[str, int]], dict[str, Any]]] = {
    "MsgVote": lambda of: {"type": "request_vote", "last_log_index": of["index"], "last_log_term": of["log_term"]},
    "MsgVoteResp": lambda of: {"type": "response_vote"},
    "MsgHeartbeat": lambda of: {
        "type": "append_entries", "commit_index": of["commit"], "entries": [], "prevLogIdx": of["index"],
        "prevLogTerm": of["log_term"],
    },
    "MsgAppResp": lambda of: {
        "type": "next_node_idx", "next_node_idx": of["index"] + 1, "reset": False, "success": not of["reject"],
    },
}  # fmt: skip


def _forge(kind: str, fields: Mapping[str, int], _like: bytes) -> bytes:
    """See ``Codec.forge``; a vote of PySyncObj is always granted."""
    if kind not in _FORGED or (kind == "MsgVoteResp" and fields["reject"]):
        raise Malformed(f"of PySyncObj {', '.join(_FORGED)} can be forged")
    body = zlib.compress(pickle.dumps({**_FORGED[kind](fields), "term": fields["term"]}, 2))
    return len(body).to_bytes(4, "little") + body


def _taps(output: Output) -> PairTaps:
    return pairs(output, lambda flow, _dials, joined: PySyncObjTap(output, flow, joined=joined))


CODEC = Codec(
    _CODEC,
    "pysyncobj 0.3: pickled messages, compressed",
    _begins,
    _taps,
    systems=("pysyncobj",),
    why_not="pysyncobj's messages are compressed (zlib), so none can be changed in place",
    ordered=frozenset({"peer"}),
    unit=_unit,
    forge=_forge,
    forges=frozenset(_FORGED),
)
