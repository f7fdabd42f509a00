"""What the rules have decided about one packet so far, and the fixed order in which it is carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from raftmon.monitor.packets.checksums import with_payload
from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.rules.verdict import Copy, Verdict

__all__ = ["Decision", "Order"]

_FLOW_LIMIT = 4096


class Order:
    """Keeps the packets of each connection in order on one link.

    ``horizon_ns`` is the latest time at which a packet of this link is still held. Before it, a packet may not leave
    earlier than the last one of its own connection; after it nothing is held and nothing is remembered.
    """

    __slots__ = ("_last_ns", "horizon_ns")

    def __init__(self) -> None:
        self.horizon_ns = 0
        self._last_ns: dict[bytes, int] = {}

    def clamp(self, view: PacketView, due_ns: int) -> int:
        """The time at or after ``due_ns`` at which the packet may leave (0: immediately)."""
        last = self._last_ns
        now_ns = view.now_ns
        if now_ns >= self.horizon_ns:
            if last:
                last.clear()
            if due_ns <= now_ns:
                return 0
        flow = view.flow
        # Where there are too many connections to remember, all the others share one place in the queue.
        if flow not in last and len(last) >= _FLOW_LIMIT:
            flow = b""
        due_ns = max(due_ns, last.get(flow, 0))
        if due_ns <= now_ns:
            return 0
        last[flow] = due_ns
        self.horizon_ns = max(self.horizon_ns, due_ns)
        return due_ns


class Decision:
    """Filled by the actions of the rules that fire, in rule order; ``finish`` makes the verdict.

    The stages are fixed, so that shaping rules mean the same in any order: rewrite (at once, in rule order), and then,
    in ``finish``, corrupt, rate, delay, order, duplicate. A packet that is lost changes nothing: it takes no tokens.
    """

    __slots__ = (
        "comments",
        "corrupts",
        "data",
        "delay_ns",
        "duplicates",
        "ended",
        "inject",
        "keep_order",
        "lost",
        "now_ns",
        "rates",
        "record",
        "rules",
        "verdict",
        "view",
    )

    def __init__(self, view: PacketView) -> None:
        self.view = view
        self.now_ns = view.now_ns
        self.data: bytes | None = None  # None: as it came
        self.ended = False
        self.lost = False
        self.keep_order = True
        self.delay_ns = 0
        self.rules: list[str] = []
        self.comments: list[str] = []
        self.duplicates: list[tuple[int, int]] = []  # copies, gap_ns
        self.corrupts: list[Callable[[Decision], None]] = []
        self.rates: list[Callable[[int, int], int | None]] = []
        self.inject: tuple[bytes, ...] = ()
        self.record: bool | None = None
        self.verdict: Verdict | None = None  # a user's own, taken as it is

    def lose(self, comment: str) -> None:
        """The packet goes no further."""
        self.lost = self.ended = True
        self.comments = [comment]

    def payload(self) -> bytes:
        """The payload as rewritten so far."""
        return self.view.payload if self.data is None else PacketView(self.data).payload

    def set_payload(self, payload: bytes) -> bool:
        """Put another payload in; whether that changed anything. Raises ValueError if it is too long."""
        if payload == self.payload():
            return False
        before = self.view.data if self.data is None else self.data
        after = with_payload(before, payload)
        if after is before:  # a fragment or a malformed packet
            return False
        self.data = after
        self.comments.append(f"rewrite {len(before)} B to {len(after)} B")
        return True

    def finish(self, order: Order) -> Verdict:
        """The verdict, with the packet's place in its connection taken in ``order``."""
        rule = "+".join(self.rules)
        if self.verdict is not None:
            given = self.verdict
            return replace(given, rule=given.rule or rule, comment=given.comment or "user verdict")
        if not self.lost:
            for corrupt in self.corrupts:
                corrupt(self)
            due_ns = self._depart()
        if self.lost:
            return Verdict((), rule, ", ".join(self.comments), self.inject, self.record)
        if self.keep_order:
            due_ns = order.clamp(self.view, due_ns)
        elif due_ns <= self.now_ns:
            due_ns = 0
        copies = [Copy(due_ns, self.data)]
        for count, gap_ns in self.duplicates:
            for _ in range(count):
                later = (copies[-1].due_ns or self.now_ns) + gap_ns if gap_ns else copies[-1].due_ns
                copies.append(Copy(later, self.data))
        return Verdict(tuple(copies), rule, ", ".join(self.comments), self.inject, self.record)

    def _depart(self) -> int:
        """When the packet has passed all token buckets and all delays; sets ``lost`` where a bucket's queue is full."""
        due_ns = self.now_ns
        size = self.view.size if self.data is None else len(self.data)
        for rate in self.rates:
            departure_ns = rate(due_ns, size)
            if departure_ns is None:
                self.lose("rate: queue full")
                return 0
            due_ns = departure_ns
        if due_ns > self.now_ns:
            self.comments.append(f"rate: held {(due_ns - self.now_ns) / 1e6:.3f} ms")
        return due_ns + self.delay_ns
