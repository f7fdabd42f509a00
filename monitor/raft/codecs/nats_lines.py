"""The lines of nats-server's routes, and the names in its Raft messages (../shared/wire-facts.md)."""

from __future__ import annotations

import hashlib
import re

from raftmon.monitor.raft.codecs.framing import Malformed
from raftmon.monitor.raft.message import LoggedOperation

__all__ = ["JOIN", "SIZED", "begins", "line_size", "peer_hash", "read_operations", "unit"]

BEGINS = re.compile(rb"(?:INFO \{|CONNECT (?:\{|$)|RMSG |HMSG |RS[+-] |LS[+-] |PING\r\n|PONG\r\n|A[+-] )").match
_MAX_LINE = 1 << 20
_MAX_PAYLOAD = 64 << 20
SIZED = {b"RMSG", b"HMSG", b"LMSG", b"MSG", b"PUB", b"HPUB"}
_PLAIN = {
    b"INFO", b"CONNECT", b"RS+", b"RS-", b"LS+", b"LS-", b"A+", b"A-",
    b"PING", b"PONG", b"+OK", b"-ERR", b"SUB", b"UNSUB",
}  # fmt: skip
JOIN = re.compile(
    rb"(?:\A|(?<=\r\n))(?:[RH]MSG (?:[^\s|+]+ )?\$[A-Z]+\.\S+ [^\r\n]*\d\r\n|RS[+-] \S+[^\r\n]*\r\n|P[IO]NG\r\n)"
)
_ENTRY_NAMES = {
    0: "proposal",
    1: "old_snapshot",
    2: "peer_state",
    3: "add_peer",
    4: "remove_peer",
    5: "leader_transfer",
    6: "snapshot",
    7: "catchup",
}
_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def peer_hash(name: str) -> str:
    """The 8 characters under which a server of this name appears in Raft messages."""
    return bytes(_DIGITS[byte % 62] for byte in hashlib.sha256(name.encode()).digest()[:8]).decode()


def read_operations(kind: int, data: bytes) -> tuple[LoggedOperation, ...]:
    """What an entry of this kind does."""
    return (LoggedOperation(_ENTRY_NAMES.get(kind, f"entry_{kind}"), value=data),)


def begins(start: bytes, from_start: bool) -> bool:
    """Whether a stream that starts so is a route's."""
    return BEGINS(start) is not None


def line_size(data: bytes | bytearray, place: int) -> int | None:
    """Bytes of the line at ``place`` with its payload; None while its end has not come. Raises Malformed."""
    end = data.find(b"\r\n", place)
    if end < 0:
        start = bytes(data[place : place + 8])
        known = any(verb.startswith(start.split(b" ")[0].rstrip(b"\r")) for verb in SIZED | _PLAIN)
        if known and len(data) - place < _MAX_LINE:
            return None
        raise Malformed("no line of a route")
    verb, _, rest = bytes(data[place:end]).partition(b" ")
    if verb in _PLAIN:
        return end + 2 - place
    size = rest.split()[-1:]
    if verb not in SIZED or not size or not size[0].isdigit() or len(size[0]) > 9 or int(size[0]) > _MAX_PAYLOAD:
        raise Malformed("a line of a route without the size of its payload")
    return end + 2 - place + int(size[0]) + 2


def unit(data: bytes | bytearray) -> int | None:
    """See ``Codec.unit``: one line, with its payload."""
    return line_size(data, 0)
