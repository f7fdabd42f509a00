"""The rules on messages of one link: a packet's segment through its stream's editor, each message past the rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from raftmon.monitor.message_rules.bound_rule import BoundRule, KeptMessage
from raftmon.monitor.message_rules.comments import SAME, describe
from raftmon.monitor.message_rules.deliveries import Deliveries, deliverable
from raftmon.monitor.message_rules.replays import Replays
from raftmon.monitor.message_rules.scanner import MessageHead
from raftmon.monitor.message_rules.stream_editor import StreamEditor
from raftmon.monitor.message_rules.triggers import TriggerWatch
from raftmon.monitor.packets.checksums import with_payload
from raftmon.monitor.packets.view import RST, SYN, TCP
from raftmon.monitor.rules.actions.decision import Decision
from raftmon.monitor.rules.actions.effects import draw_delay_ns
from raftmon.monitor.rules.actions.kinds import Accept, Action, Delay, Duplicate, Forge, Hold, Kill, Pause, Replay
from raftmon.monitor.rules.gate import RuleGate
from raftmon.monitor.rules.rule import Rule
from raftmon.setup.topology import Link

__all__ = ["LinkRules", "PacketAtHand"]

_MAX_STREAMS = 1024
_MAX_HELD = 10_000


class Owner(Protocol):
    """What a link's rules need of the stage."""

    watch: TriggerWatch
    deliveries: Deliveries
    replays: Replays

    def present(self, packet: bytes) -> bytes:
        """The packet in delivery addresses."""

    def signal(self, link: Link, rule: str, action: Kill | Pause, now_ns: int) -> str:
        """Kill or pause a node; what is in the packet's comment."""

    def opinion(self, link: Link, gate: RuleGate, head: MessageHead, now_ns: int) -> Action | None:
        """What a rule wants done with a message."""


@dataclass(slots=True)
class PacketAtHand:
    """What is decided with one packet: ``acted`` names the rules, ``comments`` says what each did."""

    now_ns: int
    acted: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    seen: dict[tuple[str, int | None, int | None], int] = field(default_factory=dict)

    def count(self, head: MessageHead) -> int:
        """The how-manieth message this is, in the packet, of those that look alike."""
        alike = (head.kind, head.term, head.index)
        number = self.seen[alike] = self.seen.get(alike, 0) + 1
        return number


class LinkRules:
    """The rules on messages of one link, and the streams that they edit."""

    def __init__(self, link: Link, owner: Owner) -> None:
        self.link = link
        self.bounds: tuple[BoundRule, ...] = ()
        self.streams: dict[bytes, StreamEditor] = {}
        self._owner = owner
        self._packet = PacketAtHand(0)
        self._waiting: dict[int, tuple[BoundRule, Action, int]] = {}
        self._remembering: dict[int, list[tuple[Rule, Replay]]] = {}

    def apply(self, decision: Decision) -> bool:
        """The effect: whether a rule acted on a message that this packet decides."""
        view = decision.view
        if view.protocol != TCP or view.malformed or view.is_fragment:
            return False
        flow, flags = view.flow, view.flags or 0
        if flags & SYN:
            stream = self._open(flow, joined=False)
            stream.start((view.seq or 0) + 1)
            return False
        if flags & RST:
            self.streams.pop(flow, None)
            return False
        payload = decision.payload()
        if not payload or (decision.data is not None and len(decision.data) != view.end):
            return False
        stream = self.streams.get(flow) or self._open(flow, joined=True)
        packet = self._packet = PacketAtHand(decision.now_ns)
        edited = stream.segment(view.seq or 0, payload, decision.now_ns, view.data)
        decision.rules += packet.acted
        if edited.released:
            decision.inject = (*decision.inject, *(self._released(token, new) for token, new in edited.released))
        if not edited.keep:
            decision.lose(", ".join([*packet.comments, edited.comment]))
            return True
        if edited.payload is not None:
            decision.data = with_payload(view.data if decision.data is None else decision.data, edited.payload)
            decision.comments.append(", ".join(packet.comments) or SAME)
            return True
        decision.comments += packet.comments
        return bool(packet.acted)

    def _released(self, token: object, payload: bytes | None) -> bytes:
        assert isinstance(token, bytes)
        return self._owner.present(token if payload is None else with_payload(token, payload))

    def _open(self, flow: bytes, *, joined: bool) -> StreamEditor:
        if len(self.streams) >= _MAX_STREAMS:
            del self.streams[next(iter(self.streams))]
        self.streams.pop(flow, None)
        stream = self.streams[flow] = StreamEditor(self._decide, self._done, joined=joined)
        return stream

    def _decide(self, head: MessageHead) -> bool:
        """Ask the rules in order; whether the message shall be lost."""
        packet = self._packet
        ordinal = packet.count(head)
        if self._owner.watch.waiting:
            self._owner.watch.feed(self.link, head, packet.now_ns)
        for bound in self.bounds:
            gate = bound.gate
            if isinstance(gate.rule.action, Forge) or not gate.in_window(packet.now_ns) or not bound.test(head):
                continue
            if not gate.fires() or (action := self._owner.opinion(self.link, gate, head, packet.now_ns)) is None:
                continue
            if isinstance(action, Accept):
                gate.acted(0)
                return False
            delivers = isinstance(action, Delay | Duplicate | Hold | Replay)
            if delivers and not deliverable(head):
                self._owner.deliveries.undeliverable += 1
                continue
            gate.acted(0)
            packet.acted.append(gate.name)
            if isinstance(action, Replay):  # it passes, and the next rules decide on it
                self._remember(head, gate.rule, action)
                continue
            if isinstance(action, Kill | Pause):
                packet.comments.append(self._owner.signal(self.link, gate.name, action, packet.now_ns))
                continue
            packet.comments.append(describe(type(action).__name__.lower(), head, ordinal))
            if isinstance(action, Forge):  # a user's answer: beside this message, on which the next rules decide
                self._owner.deliveries.forge(self.link, action)
                continue
            if delivers:
                head.wanted = True
                delay_ns = draw_delay_ns(action, gate.rng) if isinstance(action, Delay) else 0
                if len(self._waiting) > _MAX_HELD:
                    self._waiting.clear()
                self._waiting[id(head)] = (bound, action, packet.now_ns + delay_ns)
            return not isinstance(action, Duplicate)
        return False

    def _remember(self, head: MessageHead, rule: Rule, action: Replay) -> None:
        head.wanted = True
        if len(self._remembering) > _MAX_HELD:
            self._remembering.clear()
        self._remembering.setdefault(id(head), []).append((rule, action))

    def _done(self, head: MessageHead) -> None:
        """A message that is to be delivered otherwise, or again, has come whole."""
        for rule, replay in self._remembering.pop(id(head), ()):
            self._owner.replays.keep(rule, replay, KeptMessage(self._packet.now_ns, self.link, head))
        found = self._waiting.pop(id(head), None)
        if found is None:
            return
        bound, action, due_ns = found
        if isinstance(action, Hold) and bound in self.bounds and len(bound.held) < _MAX_HELD:
            bound.held.append(KeptMessage(self._packet.now_ns, self.link, head))
            return
        copies = action.copies if isinstance(action, Duplicate) else 1
        gap_ns = int(action.gap_ms * 1e6) if isinstance(action, Duplicate) else 0
        for number in range(1, copies + 1):
            self._owner.deliveries.deliver(self.link, head, due_ns + number * gap_ns)
