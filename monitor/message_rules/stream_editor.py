"""Takes single Raft messages out of one direction of a TCP connection while it passes, the stream itself intact.

Sans-I/O: segments in, edited segments out. Edits are kept by place in the stream and made again on retransmissions. A
segment that ends in the middle of a message's header is held until the next one decides it; TCP's own retransmission
is the timeout (``HOLD_NS``), so nothing is ever held for good.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from raftmon.monitor.message_rules.comments import HELD
from raftmon.monitor.message_rules.scanner import MessageHead, MessageScanner, Patch
from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import TapCounters
from raftmon.monitor.raft.codecs.etcd.join import looks_like, message_chunks
from raftmon.monitor.raft.codecs.http import HttpTap
from raftmon.monitor.raft.codecs.http_parts import IGNORED, Body, Request, Response

__all__ = ["HOLD_NS", "Edited", "StreamEditor"]

HOLD_NS = 50_000_000
_RESYNC_NS = 2_000_000_000
_MAX_HELD = 16
_MAX_PATCHES = 100_000
_MASK, _HALF = 0xFFFFFFFF, 0x80000000
_SYN, _RST = 2, 4
_NOWHERE = Flow("", 0, "", 0, True, True)


@dataclass(slots=True)
class Edited:
    """What becomes of a segment: ``payload`` is its new payload, None as it came; ``keep`` false takes it away for now.

    ``released`` are (token, payload) of segments held before that go on now, in order; ``token`` is what ``segment``
    was given with them.
    """

    keep: bool = True
    payload: bytes | None = None
    released: list[tuple[object, bytes | None]] = field(default_factory=list)
    comment: str = ""


class _Patches:
    """Edits by place in the stream, in order; the oldest go when there are many."""

    def __init__(self) -> None:
        self._places: list[int] = []
        self._bytes: list[bytes] = []

    def add(self, patches: list[Patch]) -> None:
        for place, new in patches:
            self._places.append(place)
            self._bytes.append(new)
        if len(self._places) > _MAX_PATCHES:
            del self._places[: _MAX_PATCHES // 2]
            del self._bytes[: _MAX_PATCHES // 2]

    def apply(self, place: int, payload: bytes) -> bytes | None:
        """The payload at ``place`` with its edits, None if it has none."""
        end = place + len(payload)
        number = bisect.bisect_left(self._places, place)
        while number > 0 and self._places[number - 1] + len(self._bytes[number - 1]) > place:
            number -= 1
        out: bytearray | None = None
        while number < len(self._places) and self._places[number] < end:
            start, new = self._places[number], self._bytes[number]
            first, last = max(start, place), min(start + len(new), end)
            if first < last:
                out = bytearray(payload) if out is None else out
                out[first - place : last - place] = new[first - start : last - start]
            number += 1
        return bytes(out) if out is not None else None


class _Editing:
    """The conversation as the editor needs it: bodies that hold messages go through a MessageScanner."""

    def __init__(self, editor: StreamEditor) -> None:
        self.requests: deque[Request] = deque()
        self._editor = editor

    def on_request(self, request: Request, flow: Flow, mark: int) -> Body:
        if request.method != "POST" or request.path not in ("/raft", "/raft/snapshot"):
            return IGNORED
        if request.path == "/raft/snapshot":
            return _Scanned(self._editor, "snapshot")
        length = request.headers.get("content-length", "")
        return _Scanned(self._editor, "pipeline", int(length)) if length.isdecimal() and int(length) > 1 else IGNORED

    def on_response(self, response: Response, flow: Flow, mark: int) -> Body:
        self.requests.clear()
        chunked = "chunked" in response.headers.get("transfer-encoding", "")
        if response.status == 200 and chunked and "x-etcd-cluster-id" in response.headers:
            return _Scanned(self._editor, "")
        return IGNORED

    def join(self, data: bytes, body: Body | None, flow: Flow) -> tuple[int, Body] | None:
        for header, start, end in message_chunks(data):
            kind = looks_like(data, start, end)
            if kind is None or (isinstance(body, _Scanned) and body.carrier not in ("", kind)):
                continue
            ends = body.scanner.ends if isinstance(body, _Scanned) and body.scanner is not None else (None, None)
            return header, _Scanned(self._editor, kind, joined=True, ends=ends)
        return None


class _Scanned:
    """A body that holds messages. ``carrier`` is empty until its first bytes tell which stream it is."""

    def __init__(
        self,
        editor: StreamEditor,
        carrier: str,
        size: int = 0,
        *,
        joined: bool = False,
        ends: tuple[int | None, int | None] = (None, None),
    ) -> None:
        self._editor = editor
        self.carrier = carrier
        self.scanner: MessageScanner | None = None
        self._pending: list[tuple[bytes, int]] = []
        if carrier:
            self._start(carrier, size, None if joined else (0, 0), ends)

    def _start(
        self, carrier: str, size: int, state: tuple[int, int] | None, ends: tuple[int | None, int | None]
    ) -> MessageScanner:
        self.carrier = carrier
        editor = self._editor
        scanner = MessageScanner(carrier, editor.decide, editor.done, size=size, state=state, ends=ends)
        self.scanner = editor.scanner = scanner
        return scanner

    def feed(self, data: bytes, start: int, end: int, mark: int) -> None:
        """See ``Body.feed``; ``mark`` is the place in the stream of the segment's first byte."""
        place = mark - self._editor.tap.held_before + start
        piece = data[start:end]
        if self.scanner is None:
            self._pending.append((piece, place))
            begin = b"".join(part for part, _ in self._pending)
            if begin[0] == 0 and len(begin) < 9:
                return  # link heartbeats of msgapp, or a message frame's first zeros: neither is ever edited
            kind = "message" if begin[0] == 0 and begin[8:9] == b"\x08" else "msgapp"
            scanner = self._start(kind, 0, (0, 0), (None, None))
            for part, at in self._pending:
                self._editor.patches.add(scanner.feed(part, at))
            self._pending.clear()
            return
        self._editor.patches.add(self.scanner.feed(piece, place))

    def finish(self) -> None:
        """See ``Body.finish``."""
        if self._editor.scanner is self.scanner:
            self._editor.scanner = None

    def abandon(self) -> None:
        """See ``Body.abandon``: nothing of it is counted elsewhere."""


class StreamEditor:
    """One direction of one connection. ``decide`` and ``done`` are as for MessageScanner."""

    def __init__(
        self, decide: Callable[[MessageHead], bool], done: Callable[[MessageHead], None], *, joined: bool
    ) -> None:
        self.decide, self.done = decide, done
        self.patches = _Patches()
        self.scanner: MessageScanner | None = None
        self.tap = HttpTap(_Editing(self), TapCounters(), _NOWHERE, joined=joined)
        self._next_seq: int | None = None
        self._next_place = 0
        self._held: list[tuple[int, bytes, object]] = []
        self._held_ns = 0
        self._ahead_ns = 0

    def start(self, seq: int) -> None:
        """The stream's first byte will have this sequence number."""
        self._next_seq = seq & _MASK

    def segment(self, seq: int, payload: bytes, now_ns: int, token: object) -> Edited:
        """Judge one segment with payload; ``token`` stands for its packet should it be held."""
        if self._next_seq is None:
            self._next_seq = seq
        ahead = ((seq - self._next_seq + _HALF) & _MASK) - _HALF
        if ahead > 0:
            return self._too_early(seq, payload, now_ns, token)
        self._ahead_ns = 0
        place = self._next_place + ahead
        if ahead + len(payload) <= 0:
            return self._again(place, payload, now_ns)
        fresh = payload[-ahead:] if ahead else payload
        self.tap.data(fresh, self._next_place)
        if self.tap.lost:
            self.scanner = None
        self._next_place += len(fresh)
        self._next_seq = (self._next_seq + len(fresh)) & _MASK
        return self._undecided(place, payload, now_ns, token) or self._go_on(place, payload)

    def _undecided(self, place: int, payload: bytes, now_ns: int, token: object) -> Edited | None:
        """Hold the segment if it, or one held before it, ends in a header."""
        scanner = self.scanner
        undecided = scanner.undecided if scanner is not None else None
        if undecided is None:
            return None
        if len(self._held) >= _MAX_HELD:
            self._give_up()
            return None
        if not self._held:
            self._held_ns = now_ns
        self._held.append((place, payload, token))
        return Edited(keep=False, comment=HELD)

    def _go_on(self, place: int, payload: bytes) -> Edited:
        edited = Edited(payload=self.patches.apply(place, payload))
        for held_place, held, token in self._held:
            edited.released.append((token, self.patches.apply(held_place, held)))
        self._held.clear()
        return edited

    def _again(self, place: int, payload: bytes, now_ns: int) -> Edited:
        """A retransmission: of a held segment it is the timeout, of others it gets the same edits."""
        held = any(start < place + len(payload) and place < start + len(data) for start, data, _ in self._held)
        if held:
            if now_ns - self._held_ns < HOLD_NS:
                return Edited(keep=False, comment=HELD)
            self._give_up()
            return self._go_on(place, payload)
        return Edited(payload=self.patches.apply(place, payload))

    def _give_up(self) -> None:
        """Let go what is held: the message whose header it is passes, and the stream is joined anew behind it."""
        self.tap.lose()
        self.scanner = None

    def _too_early(self, seq: int, payload: bytes, now_ns: int, token: object) -> Edited:
        """A segment before it is missing: it comes again when that one has come. Only after long is it a new start."""
        if not self._ahead_ns:
            self._ahead_ns = now_ns
        cutting = self.scanner is not None and self.scanner.cutting
        if now_ns - self._ahead_ns < _RESYNC_NS or cutting:
            return Edited(keep=False, comment="out of order: comes again in order")
        assert self._next_seq is not None
        self._next_place += (seq - self._next_seq) & _MASK
        self._next_seq = seq
        self._ahead_ns = 0
        self._give_up()
        return self.segment(seq, payload, now_ns, token)
