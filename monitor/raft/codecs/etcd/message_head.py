"""What the head of an etcd message tells before the rest of it has come, and what may be in an entry's place."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from raftmon.monitor.raft.codecs.etcd.requests import read_entry_data
from raftmon.monitor.raft.codecs.protobuf import VARINT, Malformed, read_varint, write_varint
from raftmon.monitor.raft.message import KINDS

__all__ = [
    "ENTRY_HEAD",
    "MessageHead",
    "add_key",
    "disguised_entry",
    "message_of_entries",
    "peek",
    "state_after",
    "value_of",
]

_U64 = struct.Struct(">Q")
ENTRY_HEAD = re.compile(rb"\x08[\x00-\x7f]\x10" + VARINT + rb"\x18" + VARINT, re.DOTALL).match
"""A raftpb.Entry up to its index: groups term and index."""

_ENTRY_DATA = re.compile(rb"\x08([\x00-\x02])\x10" + VARINT + rb"\x18" + VARINT + rb"\x22" + VARINT, re.DOTALL).match

_MAX_OPERATIONS = 256


@dataclass(slots=True)
class MessageHead:
    """A message as far as its header shows it. None stands for what the bytes so far do not tell.

    ``entries`` counts them. ``keys`` are of the entries that begin within the bytes so far. ``size`` is in bytes, with
    the framing of its stream, without a snapshot's database. ``operations`` are the names of what these entries do
    (``LoggedOperation.name``). ``context`` is the message's own, and of a MsgReadIndex and its response, which carry it
    as their entry, that entry's data. ``group`` is empty in systems with one Raft group. With ``wanted`` set by the
    decision, ``raw`` becomes the whole raftpb.Message.
    """

    kind: str
    carrier: str
    sender: int | None = None
    receiver: int | None = None
    term: int | None = None
    log_term: int | None = None
    index: int | None = None
    entries: int | None = None
    keys: list[bytes] = field(default_factory=list)
    commit: int | None = None
    wanted: bool = False
    raw: bytes | None = None
    size: int | None = None
    context: bytes | None = None
    operations: list[str] = field(default_factory=list)
    group: str = ""


def peek(data: bytes, carrier: str, *, whole: bool) -> MessageHead:
    """The scalars at the head of a raftpb.Message; ``data`` may end in the middle of it."""
    head = MessageHead("", carrier)
    place, end = 0, len(data)
    entries = 0
    try:
        while place < end:
            tag = data[place]
            number, wire = tag >> 3, tag & 7
            if wire == 0:
                value, place = read_varint(data, place + 1, end)
                _scalar(head, number, value)
            elif wire == 2:
                size, place = read_varint(data, place + 1, end)
                if number == 7:
                    entries += 1
                    _add_entry(head, data[place : place + size])
                elif number == 12:
                    head.context = data[place : place + size]
                place += size
            else:
                break
    except Malformed:
        pass  # it goes on in the next segment
    head.kind = head.kind or KINDS[0]
    if whole and place <= end:
        head.entries = entries
    return head


def _add_entry(head: MessageHead, entry: bytes) -> None:
    if head.kind not in ("MsgReadIndex", "MsgReadIndexResp"):
        add_key(head, entry)
    elif (match := _ENTRY_DATA(entry)) is not None:
        head.context = entry[match.end() :]


def _scalar(head: MessageHead, number: int, value: int) -> None:
    if number == 1:
        head.kind = KINDS[value] if value < len(KINDS) else f"Msg{value}"
    elif number == 2:
        head.receiver = value
    elif number == 3:
        head.sender = value
    elif number == 4:
        head.term = value
    elif number == 5:
        head.log_term = value
    elif number == 6:
        head.index = value
    elif number == 8:
        head.commit = value


def add_key(head: MessageHead, entry: bytes) -> None:
    """Note what an entry, perhaps cut off, does, and the keys that it writes to."""
    match = _ENTRY_DATA(entry)
    if match is None or len(head.operations) >= _MAX_OPERATIONS:
        return
    data = entry[match.end() :]
    operations = read_entry_data(match.group(1)[0], data)
    if operations[0].name == "opaque":  # cut off: a put's key stands near its beginning
        found = re.match(rb"(?:\x08" + VARINT + rb")?\x22" + VARINT + rb"\x0a([\x00-\x7f])", data, re.DOTALL)
        if found is not None:
            head.keys.append(data[found.end() : found.end() + found.group(3)[0]])
            head.operations.append("put")
        return
    head.operations += [operation.name for operation in operations]
    head.keys += [operation.key for operation in operations if operation.key]


def disguised_entry(size: int, entry: bytes) -> bytes:
    """What replaces ``u64 size`` and the head of ``entry``: a full message of a local type with the same place.

    The receiver's decoder goes to the same (term, index) as it would have; what is left of the entry becomes the
    message's context. Raises Malformed if the entry's head is not whole.
    """
    match = ENTRY_HEAD(entry)
    if match is None:
        raise Malformed("an entry does not begin with its type, term and index")
    term, index = match.groups()
    body = size - 1
    place = b"\x30" + index
    for width in (5, 4, 3, 2, 1):
        prefix = b"\x08\x01\x20" + term + place + b"\x62"
        rest = body - len(prefix) - width
        if rest >= 0 and rest < 1 << 7 * width:
            return b"\x02" + _U64.pack(body) + prefix + write_varint(rest, width)
    number, _ = read_varint(term, 0, len(term))
    for prefix in (b"", b"\x08\x01"):  # type 0 is local too, and needs no field
        spare = body - len(prefix) - 1 - len(place)
        if len(term) <= spare <= 10:
            return b"\x02" + _U64.pack(body) + prefix + b"\x20" + write_varint(number, spare) + place
    raise Malformed(f"an entry of {size} bytes has no room for a disguise")


def value_of(raw: bytes) -> int:
    """A whole varint as a number."""
    return read_varint(raw, 0, len(raw))[0]


def state_after(data: bytes, size: int, head: MessageHead) -> tuple[int, int] | None:
    """msgappv2's state after a full message; None if its last entry has not come yet."""
    if head.term is None or head.index is None:
        return None
    if len(data) < size:
        return None
    index, place = head.index, 0
    while place < len(data):
        number, wire = data[place] >> 3, data[place] & 7
        value, place = read_varint(data, place + 1, len(data))
        if wire == 2:
            if number == 7 and (match := ENTRY_HEAD(data, place)) is not None:
                index = value_of(match.group(2))
            place += value
    return head.term, index


def message_of_entries(head: MessageHead, data: bytes) -> bytes | None:
    """The raftpb.Message that an AppEntries frame stands for; None if it is not known who sent it to whom."""
    if not head.sender or not head.receiver or head.term is None or head.index is None:
        return None
    (count,) = _U64.unpack_from(data, 1)
    place, entries = 9, []
    for _ in range(count):
        (size,) = _U64.unpack_from(data, place)
        entries.append(data[place + 8 : place + 8 + size])
        place += 8 + size
    (commit,) = _U64.unpack_from(data, place)
    numbers = (3, head.receiver, head.sender, head.term, head.term, head.index)
    out = b"".join(bytes([number << 3]) + write_varint(value) for number, value in enumerate(numbers, 1))
    out += b"".join(b"\x3a" + write_varint(len(entry)) + entry for entry in entries)
    empty = b"\x4a\x0a\x12\x08\x0a\x02\x28\x00\x10\x00\x18\x00"
    return out + b"\x40" + write_varint(commit) + empty + b"\x50\x00\x58\x00"
