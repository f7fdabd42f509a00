"""A small model of two TCP ends and a network that loses, reorders and doubles packets, with a splicer between them."""

from __future__ import annotations

import random
import socket
import struct

from raftmon.monitor.packets.checksums import transport_sum_is_valid
from raftmon.monitor.packets.view import ACK, FIN, PSH, SYN
from raftmon.monitor.splice.policy import Edit, Insert, Keep, Remove
from raftmon.monitor.splice.segment import MASK, Segment, build, parse
from raftmon.monitor.splice.splicer import Splicer

MSS = 40
_HALF = 1 << 31


def template(source: str, target: str, source_port: int, target_port: int) -> bytes:
    """An empty IPv4 TCP packet between two ends."""
    ip = (
        struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0x4000, 64, 6, 0) + socket.inet_aton(source) + socket.inet_aton(target)
    )
    return ip + struct.pack("!HHIIBBHHH", source_port, target_port, 0, 0, 0x50, ACK, 0, 0, 0)


class Pass:
    """An edit policy that keeps everything; ``seen`` and ``edited`` are both streams."""

    def __init__(self) -> None:
        self.seen = self.edited = b""

    def feed(self, data: bytes) -> list[Edit]:
        self.seen += data
        self.edited += data
        return [Keep(len(data))]

    def finish(self) -> list[Edit]:
        return []


class RandomEdits(Pass):
    """An edit policy that keeps, removes, puts in, and puts back later what it removed."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        self._kept_back: list[bytes] = []

    def _insert(self, data: bytes) -> Insert:
        self.edited += data
        return Insert(data)

    def feed(self, data: bytes) -> list[Edit]:
        self.seen += data
        out: list[Edit] = []
        while data:
            size = self._rng.randint(1, len(data))
            part, data = data[:size], data[size:]
            what = self._rng.randrange(6)
            if what < 3:
                self.edited += part
                out.append(Keep(size))
            else:
                out.append(Remove(size))
                if what == 3:
                    self._kept_back.append(part)
                elif what == 4:
                    out.append(self._insert(self._rng.randbytes(self._rng.randint(1, 3 * MSS))))
            if self._kept_back and not self._rng.randrange(3):
                out.append(self._insert(self._kept_back.pop(0)))
        return out

    def finish(self) -> list[Edit]:
        return [self._insert(part) for part in self._kept_back]


class End:
    """One TCP end: sends ``data`` and FIN, takes what comes; never sends again what a SACK block covered."""

    def __init__(self, rng: random.Random, data: bytes, head: bytes, scale: int) -> None:
        self.rng, self.data, self.head, self.scale = rng, data, head, scale
        self.isn = rng.choice([rng.getrandbits(32), MASK - rng.randrange(200)])
        self.una = self.next = 0  # offsets; 0 is the first byte of data
        self.sacked: set[int] = set()
        self.peer_window = 0
        self.peer_scale = 0
        self.peer_isn: int | None = None
        self.got: dict[int, int] = {}
        self.received = bytearray()
        self.fin_at: int | None = None
        self.unread = 0
        self.fin_seen = False
        self.owes = False
        self.announced = 400  # the right edge of the window, in what it receives

    @property
    def done(self) -> bool:
        return self.una == len(self.data) + 1 and self.fin_seen

    def syn(self, answer: bool) -> bytes:
        options = struct.pack("!BBHBBBB", 2, 4, MSS, 1, 3, 3, self.scale) + b"\1\1\4\2"
        flags = SYN | ACK if answer else SYN
        ack = 0 if self.peer_isn is None else self.peer_isn + 1
        return build(self.head, Segment(self.isn, ack, flags, self.room(), b"", options))

    def room(self) -> int:
        return max(0, 400 - self.unread - len(self.got))

    def _segment(self, start: int, end: int) -> bytes:
        """Bytes from start to end, where the one behind the last byte of data is the FIN."""
        assert self.peer_isn is not None
        flags = ACK | (FIN if end > len(self.data) else PSH)
        blocks = self._blocks()
        options = b"" if not blocks else b"\1\1" + bytes((5, 2 + len(blocks))) + blocks
        ack = self.peer_isn + 1 + len(self.received) + self.fin_seen
        data = self.data[start : min(end, len(self.data))]
        edge = len(self.received) + (self.room() >> self.scale << self.scale)
        self.announced = max(self.announced, edge)
        return build(
            self.head, Segment(self.isn + 1 + start, ack, flags, self.room() >> self.scale, data, options)
        )  # fmt: skip

    def _blocks(self) -> bytes:
        runs: list[list[int]] = []
        for place in sorted(self.got):
            if runs and runs[-1][1] == place:
                runs[-1][1] += 1
            else:
                runs.append([place, place + 1])
        base = (self.peer_isn or 0) + 1
        return b"".join(struct.pack("!II", (base + a) & MASK, (base + b) & MASK) for a, b in runs[:3])

    def acknowledge(self) -> bytes:
        self.owes = False
        return self._segment(self.next, self.next)

    def send(self, again: bool) -> bytes | None:
        """The next new segment, or one that is sent again; a closed window is probed with one byte."""
        all_bytes = len(self.data) + 1
        if again:
            missing = [place for place in range(self.una, self.next) if place not in self.sacked]
            if missing:
                edge = max(self.una + self.peer_window, missing[0] + 1)
                return self._segment(missing[0], min(missing[0] + self.rng.randint(1, MSS), self.next, edge))
            if self.una == self.next < all_bytes and self.una + self.peer_window <= self.next:
                self.next += 1
                return self._segment(self.next - 1, self.next)
            return self._segment(self.una - 1, self.una - 1)  # keep-alive
        end = min(self.next + self.rng.randint(1, MSS), all_bytes, self.una + self.peer_window)
        if end <= self.next:
            return None
        start, self.next = self.next, end
        return self._segment(start, end)

    def receive(self, packet: bytes) -> None:
        assert transport_sum_is_valid(packet)
        segment = parse(packet)
        assert segment is not None
        if segment.flags & SYN:
            self.peer_isn, self.peer_scale, self.peer_window = segment.seq, segment.scale or 0, segment.window
            return
        assert self.peer_isn is not None
        acked = ((segment.ack - self.isn - 1 - self.una + _HALF) & MASK) - _HALF + self.una
        assert acked <= self.next, "acknowledged what was never sent"
        if acked >= self.una:
            self.una = acked
            self.peer_window = segment.window << self.peer_scale
        for left, right in segment.sack:
            first, last = ((edge - self.isn - 1 - self.una + _HALF) & MASK for edge in (left, right))
            self.sacked |= set(range(first - _HALF + self.una, last - _HALF + self.una))
        self._take(segment)

    def _take(self, segment: Segment) -> None:
        have = len(self.received)
        place = ((segment.seq - (self.peer_isn or 0) - 1 - have + _HALF) & MASK) - _HALF + have
        if segment.payload or segment.flags & FIN or place < have:
            self.owes = True
        limit = have + self.room()
        if len(segment.payload) > 1:  # one byte may be a probe
            assert place + len(segment.payload) <= self.announced, "sent beyond the window"
        for at, byte in enumerate(segment.payload, place):
            if have <= at < limit:
                assert self.got.setdefault(at, byte) == byte, "two versions of one byte"
            elif 0 <= at < have:
                assert self.received[at] == byte, "two versions of one byte"
        if segment.flags & FIN:
            self.fin_at = place + len(segment.payload)
        while len(self.received) in self.got:
            self.received.append(self.got.pop(len(self.received)))
            self.unread += 1
        if self.fin_at == len(self.received):
            self.fin_seen = True


def _turn(rng: random.Random, end: End) -> list[bytes]:
    """What an end sends when it is its turn."""
    packet = end.send(again=not rng.randrange(3))
    out = [] if packet is None else [packet]
    if end.owes and rng.randrange(2):
        out.append(end.acknowledge())
    if rng.randrange(2):
        end.unread = 0
    return out


def run(seed: int, sizes: tuple[int, int], policies: tuple[Pass, Pass], *, loss: float, steps: int = 20_000) -> Splicer:
    """Two ends talk until both have everything; AssertionError where they do not. The network ends its mischief."""
    rng = random.Random(seed)
    heads = template("10.0.0.1", "10.0.0.2", 1000, 2000), template("10.0.0.2", "10.0.0.1", 2000, 1000)
    ends = [End(rng, rng.randbytes(size), head, rng.randrange(3)) for size, head in zip(sizes, heads, strict=True)]
    splicer = Splicer(*policies)
    for number in (0, 1):
        outcome = splicer.packet(number == 0, ends[number].syn(bool(number)), 0)
        assert outcome.packet is not None
        ends[1 - number].receive(outcome.packet)
    wires: dict[tuple[int, bool], list[bytes]] = {(n, inner): [] for n in (0, 1) for inner in (False, True)}
    now_ns = 0
    for step in range(steps):
        now_ns += 5_000_000
        calm = step > steps // 2
        number = rng.randrange(2)
        end = ends[number]
        wires[number, False] += _turn(rng, end)
        for extra in splicer.tick(now_ns):
            wires[int(parse_port(extra) == 2000), True].append(extra)
        for (source, inner), wire in wires.items():
            for _ in range(min(len(wire), 3)):
                packet = wire.pop(0 if calm or rng.random() > loss else rng.randrange(len(wire)))
                if not calm and rng.random() < loss:
                    continue
                if not calm and rng.random() < loss / 3:
                    wire.append(packet)
                if inner:
                    ends[1 - source].receive(packet)
                    continue
                outcome = splicer.packet(source == 0, packet, now_ns)
                for out in [*([outcome.packet] if outcome.packet else []), *outcome.extra]:
                    wires[int(parse_port(out) == 2000), True].append(out)
        if ends[0].done and ends[1].done:
            break
    for number in (0, 1):
        policy = policies[number]
        assert policy.seen == ends[number].data, "not everything was decided"
        assert bytes(ends[1 - number].received) == policy.edited, "the receiver got something else"
        assert ends[number].done, "an end is not finished"
    return splicer


def parse_port(packet: bytes) -> int:
    """The source port."""
    return int.from_bytes(packet[20:22], "big")
