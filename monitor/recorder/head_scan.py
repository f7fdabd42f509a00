"""Who leads, from the heads of etcd's messages alone, packet by packet as they reach the recorder.

Decoding may wait until there is time (``raftmon.monitor.recorder.recorder``); this cannot. The scan follows each
direction of a connection through HTTP's chunks (RFC 9112, section 7.1) and the frames of the message and msgapp streams
(docs/raft.md), reads the type and the term of each frame and skips the rest. Where it loses its place it begins again
at the next segment that starts with a chunk. It keeps some 200 bytes a connection.

``_head_scan.pyx`` is the same compiled, and is taken where it was built; both find the same in any bytes
(tests/monitor/recorder/test_head_scan.py).
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.raft.message import KINDS, LEADER_KINDS
from raftmon.monitor.recorder.head_bytes import LostError, chunk_size, entry_term, read_head
from raftmon.monitor.recorder.pipe import FRAME_HEAD, NO_LINK

__all__ = ["HeadScan", "HeadScanInPython", "LinkHeads"]

_MASK, _HALF = 0xFFFFFFFF, 0x80000000
_FLOWS = 4096
_HEAD_BYTES = 64  # a message's head up to its term has at most 8 + 2 + 3 * 11
_MAX_FRAME = 64 << 20
_JOIN, _SIZE, _BODY, _AFTER = range(4)
_LEADING = frozenset(number for number, kind in enumerate(KINDS) if kind in LEADER_KINDS)
_NOT_OWN = frozenset(KINDS.index(kind) for kind in ("MsgPreVote", "MsgPreVoteResp", "MsgProp", "MsgReadIndex"))
_MSG_APP = KINDS.index("MsgApp")
_FLAGS_SYN_FIN_RST = 7


class LinkHeads(NamedTuple):
    """What one node sent to one other: the largest term as a leader, when (CLOCK_MONOTONIC, ns) last in that term, the
    largest term of its own, and how many heads there were.
    """

    led_term: int
    led_ns: int
    term: int
    heads: int


@dataclass(slots=True)
class _Flow:
    """One direction of a connection. ``skip`` bytes of the frame at hand are left, then ``entries`` more entries."""

    next_seq: int = 0
    mode: int = _JOIN
    chunk: int = 0
    left: int = 0
    skip: int = 0
    entries: int = 0
    term: int = 0
    appends: bool = False
    at_entry: bool = False
    carry: bytes = b""
    head: bytes = b""


@dataclass(slots=True)
class _Link:
    led_term: int = 0
    led_ns: int = 0
    term: int = 0
    heads: int = 0


@dataclass
class HeadScanInPython:
    """Feed it the pipe's stream in any pieces; ``links()`` tells what was seen on each of ``count`` links."""

    count: int
    _links: list[_Link] = field(init=False)
    _flows: dict[tuple[int, bytes], _Flow] = field(default_factory=dict)
    _rest: bytes = b""

    def __post_init__(self) -> None:
        self._links = [_Link() for _ in range(self.count)]

    def links(self) -> list[LinkHeads]:
        """By link id."""
        return [LinkHeads(link.led_term, link.led_ns, link.term, link.heads) for link in self._links]

    def feed(self, data: bytes) -> None:
        """Take a piece of the pipe's stream."""
        buffer = self._rest + data
        place, head = 0, FRAME_HEAD.size
        while place + head <= len(buffer):
            time_ns, link, size, sent, comment, _ = FRAME_HEAD.unpack_from(buffer, place)
            stop = place + head + size + sent + comment
            if stop > len(buffer):
                break
            if link != NO_LINK and link < self.count:
                self._packet(time_ns, link, buffer[place + head : place + head + size])
            place = stop
        self._rest = buffer[place:]

    def _packet(self, time_ns: int, link: int, packet: bytes) -> None:
        if len(packet) < 40 or packet[0] != 0x45 or packet[9] != 6 or packet[6] & 0x3F or packet[7]:
            return
        data = 20 + (packet[32] >> 2 & 0x3C)
        total = packet[2] << 8 | packet[3]
        if data < 40 or not data < total <= len(packet):
            return
        (seq,) = struct.unpack_from(">I", packet, 24)
        key = (link, packet[20:24])
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= _FLOWS:
                self._flows.clear()
            flow = self._flows[key] = _Flow()
        if packet[33] & _FLAGS_SYN_FIN_RST:
            flow.mode = _JOIN
            return
        self._segment(flow, self._links[link], time_ns, seq, packet[data:total])

    def _segment(self, flow: _Flow, link: _Link, time_ns: int, seq: int, payload: bytes) -> None:
        if flow.mode != _JOIN:
            ahead = ((seq - flow.next_seq + _HALF) & _MASK) - _HALF
            if ahead < 0:
                payload = payload[-ahead:]
                if not payload:
                    return
                seq = flow.next_seq
            elif ahead > 0:
                flow.mode = _JOIN
        flow.next_seq = seq + len(payload) & _MASK
        if flow.mode == _JOIN:
            payload = self._join(flow, payload)
        try:
            self._follow(flow, link, time_ns, payload)
        except LostError:
            flow.mode = _JOIN

    @staticmethod
    def _join(flow: _Flow, payload: bytes) -> bytes:
        flow.mode, flow.left, flow.skip, flow.entries, flow.term = _SIZE, 0, 0, 0, 0
        flow.appends = flow.at_entry = False
        flow.carry = flow.head = b""
        return payload[2:] if payload.startswith(b"\r\n") else payload

    def _follow(self, flow: _Flow, link: _Link, time_ns: int, payload: bytes) -> None:
        place = 0
        while place < len(payload):
            if flow.mode == _SIZE:
                flow.carry += payload[place : place + 1]
                place += 1
                if flow.carry.endswith(b"\r\n"):
                    flow.chunk = flow.left = chunk_size(flow.carry[:-2])
                    flow.carry, flow.mode = b"", _BODY
                elif len(flow.carry) >= 10:
                    raise LostError
            elif flow.mode == _AFTER:
                if payload[place] != (0x0A if flow.carry else 0x0D):
                    raise LostError
                flow.carry = b"" if flow.carry else b"\r"
                flow.mode = _AFTER if flow.carry else _SIZE
                place += 1
            else:
                place += self._body(flow, link, time_ns, payload[place : place + flow.left])

    def _body(self, flow: _Flow, link: _Link, time_ns: int, chunk: bytes) -> int:
        """Bytes inside a chunk: skip them, or read a head; how many were used."""
        if flow.skip:
            used = min(flow.skip, len(chunk))
            flow.skip -= used
        else:
            used = self._head(flow, link, time_ns, chunk)
        flow.left -= used
        if not flow.left:
            flow.mode = _AFTER
        return used

    def _head(self, flow: _Flow, link: _Link, time_ns: int, chunk: bytes) -> int:
        before = len(flow.head)
        head = flow.head + chunk[: _HEAD_BYTES - before]
        alone = flow.chunk == 1
        size = (
            self._entry(flow, head) if flow.entries or flow.at_entry else self._frame(flow, link, time_ns, head, alone)
        )
        if size < 0:
            if len(head) >= _HEAD_BYTES:
                raise LostError
            flow.head = head
            return len(head) - before
        flow.head = b""
        used = min(size - before, len(chunk))
        flow.skip = size - before - used
        return used

    def _frame(self, flow: _Flow, link: _Link, time_ns: int, head: bytes, alone: bool) -> int:
        """A frame begins with ``head``: its size, -1 if more bytes are needed. Of entries, only what is before them."""
        first = head[0]
        if first == 1:
            return self._append(flow, link, time_ns, head)
        if first == 0 and (flow.appends or alone):
            flow.appends = True
            return 1
        if first > 2:
            raise LostError
        framing = 9 if first == 2 else 8
        if len(head) < framing:
            return -1
        size = int.from_bytes(head[framing - 8 : framing], "big")
        if not 2 <= size <= _MAX_FRAME:
            raise LostError
        found = read_head(head, framing, framing + size)
        if found is None:
            return -1
        kind, target, term = found
        flow.appends = first == 2
        if first == 2:
            flow.term = term
        if target:
            _note(link, time_ns, kind, term)
        return framing + size

    def _append(self, flow: _Flow, link: _Link, time_ns: int, head: bytes) -> int:
        """``1, u64 entries``, the entries, ``u64 commit``; the first entry's term is read where it is met."""
        if len(head) < 9:
            return -1
        count = int.from_bytes(head[1:9], "big")
        if count > _MAX_FRAME // 14:
            raise LostError
        flow.appends = True
        if not count:
            _note(link, time_ns, _MSG_APP, flow.term)
            return 17
        if len(head) < 17:
            return -1
        size = int.from_bytes(head[9:17], "big")
        if not 6 <= size <= _MAX_FRAME or (len(head) > 17 and head[17] != 8):
            raise LostError
        term, stop = entry_term(head, 17)
        if stop < 0:
            return -1
        flow.term = term  # such frames hold entries of the sender's own term alone
        _note(link, time_ns, _MSG_APP, flow.term)
        flow.entries, flow.at_entry = count - 1, count == 1
        return 17 + size

    @staticmethod
    def _entry(flow: _Flow, head: bytes) -> int:
        """``u64 size, entry``, or behind the last one ``u64 commit``."""
        if flow.at_entry:
            flow.at_entry = False
            return 8
        if len(head) < 8:
            return -1
        size = int.from_bytes(head[:8], "big")
        if not 6 <= size <= _MAX_FRAME:
            raise LostError
        flow.entries -= 1
        flow.at_entry = not flow.entries
        return 8 + size


def _note(link: _Link, time_ns: int, kind: int, term: int) -> None:
    link.heads += 1
    if kind not in _NOT_OWN and term > link.term:
        link.term = term
    if kind in _LEADING and term and term >= link.led_term:
        link.led_term, link.led_ns = term, time_ns


HeadScan: type[HeadScanInPython] = HeadScanInPython
"""The compiled one where it was built, else the interpreted one."""
if COMPILED:
    with contextlib.suppress(ImportError):
        from raftmon.monitor.recorder._head_scan import HeadScan as HeadScan
