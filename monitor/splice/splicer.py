"""One TCP connection whose streams are edited: bytes are taken out, put back later, or put in. Sans-I/O.

Each direction has a *policy* that is given the bytes in order and answers what becomes of them. From the first edit on,
sequence and acknowledgement numbers, SACK blocks and windows of both directions are translated:

- A retransmission meets the same edits, since the place of a decided byte never changes (``EditMap``).
- Bytes taken out are acknowledged to their sender as soon as everything before them is acknowledged by the receiver.
- Bytes put in are ours to deliver: sent within the receiver's window, again until they are acknowledged.
- A segment that leaves a gap is dropped: it comes again when the gap has been filled.
- After a FIN nothing can be put in; after a RST nothing is sent any more, and numbers are still translated.
"""

from __future__ import annotations

from collections.abc import Sequence

from raftmon.monitor.packets.view import ACK, FIN, PSH, RST, SYN
from raftmon.monitor.splice.direction import DEFAULT_MSS, FIRST_RTO_NS, HALF, Direction
from raftmon.monitor.splice.policy import Edit, EditPolicy, Insert, Remove
from raftmon.monitor.splice.segment import MASK, Segment, SplicedPackets, build, options_with, parse, stamp_option

__all__ = ["Splicer"]

MAX_OWNED = 8 << 20
"""Bytes put in and not yet acknowledged, at most, in one direction."""
MAX_EDITS = 10_000
_LAST_RTO_NS = 2_000_000_000
_BURST = 32


class Splicer:
    """One connection. ``forth`` edits what the first end sends (the one of ``packet(True, …)``), ``back`` the other.

    ``dropped`` counts segments that left a gap, ``refused`` operations that bounds or a FIN did not allow.
    """

    def __init__(self, forth: EditPolicy, back: EditPolicy) -> None:
        self._ways = (Direction(back), Direction(forth))
        self.closed = False
        self.edited = False
        self.dropped = self.refused = 0

    @property
    def due_ns(self) -> int | None:
        """When ``tick`` wants to be called."""
        due = [direction.due_ns for direction in self._ways if direction.due_ns is not None]
        return min(due, default=None)

    @property
    def owned(self) -> int:
        """Bytes that were put in and are not acknowledged yet."""
        return sum(direction.map.owned for direction in self._ways)

    def insert(self, forth: bool, data: bytes, now_ns: int) -> list[bytes] | None:
        """Put bytes in at the frontier, between two calls of the policy; None if that is impossible now."""
        direction = self._ways[forth]
        if self.closed or direction.finished or direction.template is None or not self._insert(direction, data):
            return None
        return self._pump(forth, now_ns)

    def tick(self, now_ns: int) -> list[bytes]:
        """Send again what was put in and has not been acknowledged for too long."""
        out: list[bytes] = []
        for forth in (False, True):
            direction = self._ways[forth]
            if direction.due_ns is not None and now_ns >= direction.due_ns:
                direction.due_ns, direction.sent = None, direction.acked
                direction.rto_ns = min(direction.rto_ns * 2, _LAST_RTO_NS)
                out += self._pump(forth, now_ns, probe=True)
        return out

    def packet(self, forth: bool, packet: bytes, now_ns: int) -> SplicedPackets:
        """Judge and translate one packet of the connection; what is no whole TCP segment passes as it is."""
        segment = parse(packet)
        if segment is None:
            return SplicedPackets(packet)
        direction, other = self._ways[forth], self._ways[not forth]
        self._learn(direction, other, packet, segment)
        if segment.flags & SYN:
            return SplicedPackets(packet)
        new = Segment(segment.seq, segment.ack, segment.flags, segment.window, b"", segment.options)
        needless = self._acknowledgement(direction, other, segment, new, now_ns) if segment.flags & ACK else False
        if segment.flags & RST:
            self.closed = True
            self._ways[0].due_ns = self._ways[1].due_ns = None
            # A reset is heeded only at the number that the receiver expects: what was put in may never reach it.
            place = direction.offset(segment.seq, direction.map.next)
            new.seq = direction.number(direction.acked if direction.map.owned else direction.translate(place))
            return SplicedPackets(packet if not self.edited else build(packet, new))
        outcome = self._content(forth, packet, segment, new, needless, now_ns)
        if self.edited:
            outcome.extra += self._pump(forth, now_ns) + self._pump(not forth, now_ns)
        return outcome

    def _learn(self, direction: Direction, other: Direction, packet: bytes, segment: Segment) -> None:
        """Take over what the segment says of its sender."""
        direction.template = packet
        if segment.stamps is not None and (
            direction.stamp is None or (segment.stamps[0] - direction.stamp) & MASK < HALF
        ):
            direction.stamp = segment.stamps[0]
        if segment.flags & SYN:
            if direction.first is None:
                direction.first = (segment.seq + 1) & MASK
                direction.scale = segment.scale or 0
                other.mss = max(64, min(segment.mss or DEFAULT_MSS, 1460) - 12)
                if segment.scale is None:
                    other.scale = 0
                other.right = max(other.right, segment.window)
            return
        if direction.first is None:  # joined in the middle: nobody knows the scale
            direction.first = segment.seq
            direction.scale = None
        if other.first is None and segment.flags & ACK:
            other.first = segment.ack
            other.scale = None

    def _acknowledgement(
        self, direction: Direction, other: Direction, segment: Segment, new: Segment, now_ns: int
    ) -> bool:
        """Translate what the segment acknowledges; whether it then says nothing that the other end does not know."""
        if other.first is None:
            return False
        edited = other.offset(segment.ack, other.acked)
        if edited > other.map.edited_next:  # of bytes that never passed here: only where nothing was edited
            new.ack = other.number(other.back(edited))
            return False
        advanced = edited > other.acked
        if edited < other.acked and not other.confirmed:  # of bytes from before we joined
            return False
        if edited >= other.acked:
            other.confirmed = True
            other.right = max(other.right, edited + (segment.window << (direction.scale or 0)))
            if advanced:
                other.acked = edited
                other.rto_ns, other.due_ns = FIRST_RTO_NS, None
                other.sent = max(other.sent, edited)
        had = other.told, other.told_window
        other.told = max(other.told, other.back(other.acked))
        window = segment.window
        if direction.scale is not None and (other.map.edits or other.map.base != other.map.edited_base):
            span = max(0, other.back(other.right, least=True) - other.told)
            window = min(0xFFFF, span >> direction.scale)
        other.told_window = window
        sack = self._blocks(other, segment)
        other.map.acknowledge(other.acked)
        new.ack, new.window = other.number(other.told), window
        if sack != segment.sack:
            new.options = options_with(segment.options, sack)
        bare = not segment.payload and not segment.flags & (FIN | RST)
        return bare and advanced and not sack and had == (other.told, other.told_window)

    def _blocks(self, other: Direction, segment: Segment) -> tuple[tuple[int, int], ...]:
        """SACK blocks in the sender's numbers: never more than was received, none of what is acknowledged."""
        if not segment.sack or not self.edited:
            return segment.sack
        out = []
        for left, right in segment.sack:
            first, last = other.offset(left, other.acked), other.offset(right, other.acked)
            if other.acked < first < last <= other.map.edited_next:
                start, stop = other.back(first), other.back(last, least=True)
                if start < stop:
                    out.append((other.number(start), other.number(stop)))
        return tuple(out)

    def _content(
        self, forth: bool, packet: bytes, segment: Segment, new: Segment, needless: bool, now_ns: int
    ) -> SplicedPackets:
        """What the segment carries: judged where it is new, edited as before where it is not."""
        direction = self._ways[forth]
        start = direction.offset(segment.seq, direction.map.next)
        end = start + len(segment.payload)
        fin = bool(segment.flags & FIN)
        if not segment.payload and not fin:
            new.seq = direction.number(direction.translate(start))
            if needless:
                return SplicedPackets(None)
            same = (new.seq, new.ack, new.window, new.options) == (
                segment.seq, segment.ack, segment.window, segment.options,
            )  # fmt: skip
            return SplicedPackets(packet if same else build(packet, new))
        if start > direction.map.next:
            self.dropped += 1
            return SplicedPackets(None)
        old = end < direction.map.next + fin
        if end > direction.map.next and not direction.finished:
            direction.mss = max(direction.mss, len(segment.payload))
            self._apply(direction, direction.policy.feed(segment.payload[direction.map.next - start :]), end)
        if fin and end == direction.map.next and not direction.finished:
            self._apply(direction, direction.policy.finish(), end)
            direction.finished = True
            direction.map.keep(1)
        if not self.edited:
            return SplicedPackets(packet)
        edge = None if self._ways[not forth].scale is None else direction.right
        packets = self._edited_segment(direction, packet, segment, new, start, end, fin, edge)
        answer = self._own_acknowledgement(forth, emptied=old and not packets)
        if not packets and segment.flags & ACK and not needless:  # what it acknowledges must not be lost with it
            new.seq, new.flags = direction.number(direction.map.edited_next), new.flags & ~(PSH | FIN)
            packets = [build(packet, new)]
        return SplicedPackets(packets[0] if packets else None, packets[1:] + answer)

    def _edited_segment(
        self, direction: Direction, packet: bytes, segment: Segment, new: Segment, start: int, end: int, fin: bool,
        edge: int | None,
    ) -> list[bytes]:  # fmt: skip
        """The packets that carry what of the segment passes; what was put in may have used up the window for it."""
        out = []
        pieces = direction.map.pieces(start, end)
        fin_place = direction.translate(end)
        fin = fin and end >= direction.map.base
        for first, last, place in pieces:
            if edge is not None and place + last - first > edge and last - first > 1:  # one byte may be a probe
                last, fin = first + max(0, edge - place), False
                if last == first:
                    break
            flags = new.flags & ~FIN
            if fin and place + last - first == fin_place and last == pieces[-1][1]:
                flags, fin = flags | FIN, False
            data = segment.payload[first - start : last - start]
            out.append(
                build(packet, Segment(direction.number(place), new.ack, flags, new.window, data, new.options))
            )  # fmt: skip
        if fin:
            out.append(
                build(packet, Segment(direction.number(fin_place), new.ack, new.flags, new.window, b"", new.options))
            )
        return out

    def _apply(self, direction: Direction, operations: Sequence[Edit], end: int) -> None:
        for operation in operations:
            if isinstance(operation, Insert):
                self._insert(direction, operation.data)
                continue
            size = min(operation.size, end - direction.map.next)
            if isinstance(operation, Remove) and size and len(direction.map.edits) < MAX_EDITS:
                self.edited = True
                direction.map.remove(size)
            else:
                self.refused += isinstance(operation, Remove) and size > 0
                direction.map.keep(size)
        direction.map.keep(end - direction.map.next)

    def _insert(self, direction: Direction, data: bytes) -> bool:
        if direction.map.owned + len(data) > MAX_OWNED or len(direction.map.edits) >= MAX_EDITS:
            self.refused += 1
            return False
        if data:
            self.edited = True
            direction.map.insert(data)
        return True

    def _own_acknowledgement(self, forth: bool, *, emptied: bool) -> list[bytes]:
        """Acknowledge to the sender what was taken out, when nothing before it is missing at the receiver."""
        direction, other = self._ways[forth], self._ways[not forth]
        through = direction.back(direction.acked)
        if other.template is None or not direction.confirmed or not (through > direction.told or emptied):
            return []
        direction.told = max(direction.told, through)
        direction.map.acknowledge(direction.acked)
        return [self._make(not forth, other.map.edited_next, b"", ACK)]

    def _make(self, forth: bool, place: int, data: bytes, flags: int) -> bytes:
        """A segment of our own: what its sender would have sent, with what it acknowledges."""
        direction, other = self._ways[forth], self._ways[not forth]
        assert direction.template is not None
        stamps = None if direction.stamp is None else (direction.stamp, other.stamp or 0)
        segment = Segment(
            direction.number(place), other.number(other.told), flags, other.told_window, data, stamp_option(stamps)
        )
        return build(direction.template, segment)

    def _pump(self, forth: bool, now_ns: int, *, probe: bool = False) -> list[bytes]:
        """Send what was put in, as far as the receiver's window and a burst allow."""
        direction = self._ways[forth]
        if not direction.map.owned or self.closed or direction.template is None:
            return []
        out: list[bytes] = []
        for edit in direction.map.edits:
            if not edit.inserted:
                continue
            place = max(edit.edited, direction.sent, direction.acked)
            while place < edit.edited_end and place < direction.right and len(out) < _BURST:
                size = min(direction.mss, edit.edited_end - place, direction.right - place)
                at = place - edit.edited
                out.append(self._make(forth, place, edit.inserted[at : at + size], ACK | PSH))
                place += size
                direction.sent = place
        if probe and not out:  # a closed window: one byte makes the receiver say whether it is open again
            edit = next(edit for edit in direction.map.edits if edit.inserted)
            at = max(0, direction.acked - edit.edited)
            if edit.edited <= direction.acked:
                out.append(self._make(forth, edit.edited + at, edit.inserted[at : at + 1], ACK | PSH))
        if direction.due_ns is None:
            direction.due_ns = now_ns + direction.rto_ns
        return out
