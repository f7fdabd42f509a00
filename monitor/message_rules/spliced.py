"""Rules on single messages of protocols that cannot be edited in place: a message is cut out of its TCP stream.

The engine's MessageStage for codecs with a ``unit``. While any rule names messages, connections of its links go through
a ``Splicer``. The beginning of a message is withheld until the whole has come; then the rules are asked. A delayed,
held or doubled message goes back into its own stream later, between two others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from raftmon.monitor.message_rules.allowed import refuse
from raftmon.monitor.message_rules.bound_rule import BoundRule, KeptMessage
from raftmon.monitor.message_rules.comments import describe
from raftmon.monitor.message_rules.link_rules import PacketAtHand
from raftmon.monitor.message_rules.put_back import MAX_WAITING, PutBack
from raftmon.monitor.message_rules.replays import trigger_of
from raftmon.monitor.message_rules.scanner import MessageHead
from raftmon.monitor.message_rules.spliced_connection import (
    EditedDirection,
    QueuedUnit,
    SplicedConnection,
    UnitFate,
    UnitReader,
    head_of,
)
from raftmon.monitor.message_rules.stage import ANSWERS, MessageRules, not_for_messages, wrong_answer
from raftmon.monitor.message_rules.trigger_words import Trigger
from raftmon.monitor.message_rules.triggers import Armed
from raftmon.monitor.packets.view import ACK, SYN, TCP, Connection, PacketView
from raftmon.monitor.raft.codecs.base import Codec
from raftmon.monitor.raft.codecs.protobuf import Malformed
from raftmon.monitor.raft.message import RaftMessage
from raftmon.monitor.rules.actions.binding import ActionEffect, NodeSignals
from raftmon.monitor.rules.actions.decision import Decision
from raftmon.monitor.rules.actions.effects import draw_delay_ns
from raftmon.monitor.rules.actions.kinds import (
    Accept,
    Action,
    Delay,
    Duplicate,
    Forge,
    Hold,
    Kill,
    MessageCall,
    Pause,
    Replay,
)
from raftmon.monitor.rules.conditions.messages import head_test
from raftmon.monitor.rules.gate import RuleGate
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["SplicedRules"]

_MAX_CONNECTIONS = 1024


class SplicedRules(MessageRules):
    """``codec`` must have a ``unit``; ``send`` sends a packet that carries delivery addresses."""

    def __init__(
        self,
        codec: Codec,
        *,
        present: Callable[[bytes], bytes],
        send: Callable[[bytes], object],
        nodes: NodeSignals | None = None,
    ) -> None:
        super().__init__(codec, None, present=present, nodes=nodes)
        assert codec.unit is not None
        self.codec, self.unit, self.reader = codec, codec.unit, UnitReader(codec)
        self._bounds: dict[Link, tuple[BoundRule, ...]] = {}
        self._connections: OrderedDict[Connection, SplicedConnection] = OrderedDict()
        self._back = PutBack(self._connections, lambda packet: send(present(packet)), self.deliveries)
        self._to_forge: list[tuple[Link, BoundRule]] = []  # as soon as the link's stream is followed
        self._active, self._packet = False, PacketAtHand(0)

    def arm(self, trigger: Trigger, now_ns: int, on_fire: Callable[[Armed], None] | None = None) -> Armed:
        """See ``MessageRules.arm``."""
        return self.watch.arm(trigger, now_ns, on_fire)

    def check(self, rules: RuleSet) -> None:
        """See ``MessageRules.check``."""
        self._active = False
        for rule in rules:
            if rule.stage == "message":
                self._check(rule)
                if isinstance(rule.action, Replay):
                    trigger_of(rule.action, rules.names)
                self._active = True

    def _check(self, rule: Rule) -> None:
        if not isinstance(rule.action, ANSWERS | MessageCall):
            raise InputError(not_for_messages(rule))
        refuse(self.codec, rule.action, f"the rule {rule.name!r}")
        self._check_test(rule)

    def _check_answer(self, answer: object, head: MessageHead) -> None:
        if not isinstance(answer, ANSWERS):
            raise InputError(wrong_answer(answer))
        refuse(self.codec, answer, "message(view)")
        if isinstance(answer, Replay):
            trigger_of(answer, ())

    def bind(self, link: Link, gates: Sequence[RuleGate]) -> ActionEffect | None:
        """See ``MessageStage.bind``. Both directions of a spliced connection must be seen, so all links are."""
        known = {id(bound.gate): bound for bound in self._bounds.get(link, ())}
        bounds = [known.get(id(gate)) or BoundRule(gate, head_test(gate.rule.match)) for gate in gates]
        self._bounds[link] = tuple(bounds)
        self._to_forge += [
            (link, bound)
            for bound in bounds
            if isinstance(bound.gate.rule.action, Forge) and id(bound.gate) not in known
        ]
        for gone in (bound for bound in known.values() if bound not in bounds):
            while gone.held:
                self.deliver_kept(gone.held.popleft())
        return self._apply if self._active or self.watch.waiting or self._connections else None

    def bounds(self) -> list[BoundRule]:
        """See ``MessageRules.bounds``."""
        return [bound for bounds in self._bounds.values() for bound in bounds]

    def deliver_again(self, message: RaftMessage, target: str, now_ns: int) -> None:
        """See ``MessageRules.deliver_again``: put it into an open stream of the link."""
        link = Link(message.source or "", target)
        direction = self._back.open_stream(link)
        if direction is not None:
            self._back.give(KeptMessage(now_ns, link, head_of(message), (direction, message.raw)))
            return
        raise InputError(
            f"no connection {link} is followed now, into which the message could be put: add a rule on messages of "
            f"this link first, such as '{link} MsgVote accept', and wait until the nodes speak"
        )

    def deliver_kept(self, message: KeptMessage) -> None:
        """See ``MessageRules.deliver_kept``: put it back into its stream, on the loop's thread."""
        self._back.give(message)

    def stats(self) -> dict[str, int]:
        """See ``MessageRules.stats``; and what the splicers own, dropped and refused."""
        held = sum(len(bound.held) for bounds in self._bounds.values() for bound in bounds) + len(self._back)
        return {"undeliverable": self.deliveries.undeliverable, "held": held}

    @property
    def due_ns(self) -> int | None:
        """When ``tick`` wants to be called."""
        return self._back.due_ns

    def tick(self, now_ns: int) -> None:
        """See ``PutBack.tick``."""
        self._back.tick(now_ns)

    def _forge_waiting(self, direction: EditedDirection, now_ns: int) -> None:
        """Forge what rules on this link want, now that its stream is followed and between two messages."""
        for link, bound in list(self._to_forge):
            gate, action = bound.gate, bound.gate.rule.action
            assert isinstance(action, Forge)
            like = direction.last_unit if link == direction.link else b""
            if self.codec.can_forge(action.kind, like) and gate.in_window(now_ns):
                self._to_forge.remove((link, bound))
                if bound in self._bounds.get(link, ()) and gate.fires():
                    self._forge(action, direction, now_ns)
                    gate.acted(0)

    def _apply(self, decision: Decision) -> bool:
        """The effect: whether a rule acted on a message that this packet completes."""
        view = decision.view
        if view.protocol != TCP or view.malformed or view.is_fragment or view.link is None:
            return False
        one = self._connection(view)
        if one is None:
            return False
        packet = self._packet = PacketAtHand(decision.now_ns)
        data = view.data if decision.data is None else decision.data
        outcome = one.splicer.packet(view.link == one.directions[0].link, data, decision.now_ns)
        comments = packet.comments
        decision.rules += packet.acted
        decision.inject = (*decision.inject, *(self.present(packet) for packet in outcome.extra))
        if outcome.packet is None:
            decision.lose(", ".join(comments) or "spliced: comes again in order, or says nothing new")
            return True
        if outcome.packet is not data:
            decision.data = outcome.packet
            decision.comments.append(", ".join(comments) or "spliced")
            return True
        decision.comments += comments
        return bool(packet.acted)

    def _connection(self, view: PacketView) -> SplicedConnection | None:
        link, key = view.link, view.connection
        assert link is not None
        assert key is not None
        one = self._connections.get(key)
        opens = (view.flags or 0) & (SYN | ACK) == SYN
        if one is not None and not (opens and one.splicer.closed):
            self._connections.move_to_end(key)
            return one
        back = Link(link.target, link.source)
        if not (self._bounds.get(link) or self._bounds.get(back) or self.watch.waiting):
            return None
        if len(self._connections) >= _MAX_CONNECTIONS:
            self._connections.popitem(last=False)
        ports = view.source_port or 0, view.target_port or 0
        one = self._connections[key] = SplicedConnection(self, link, ports, joined=not opens)
        return one

    def decide(self, direction: EditedDirection, unit: bytes) -> UnitFate:
        """See ``Owner.decide``: ask the rules about the messages of a unit."""
        fate = self._asked(direction, unit)
        if self._to_forge:
            self._forge_waiting(direction, self._packet.now_ns)
        if not self.codec.in_order or not direction.queue or fate is _QUEUED:
            return fate
        if not fate.lost or fate.instead:  # it passes behind what waits
            self._back.enqueue(direction, QueuedUnit(fate.instead if fate.lost else unit))
        return UnitFate(lost=True)

    def _asked(self, direction: EditedDirection, unit: bytes) -> UnitFate:
        now_ns = self._packet.now_ns
        for message in direction.read(unit):
            head = head_of(message)
            if self.watch.waiting:
                self.watch.feed(direction.link, head, now_ns)
            for bound in self._bounds.get(direction.link, ()):
                gate = bound.gate
                if isinstance(gate.rule.action, Forge) or not gate.in_window(now_ns):
                    continue
                if not bound.test(head) or not gate.fires():
                    continue
                action = self.opinion(direction.link, gate, head, now_ns)
                if action is None:
                    continue
                gate.acted(0)
                if isinstance(action, Accept):
                    return UnitFate()
                self._packet.acted.append(gate.name)
                kept = KeptMessage(now_ns, direction.link, head, (direction, unit))
                if isinstance(action, Replay):  # it passes, and the next rules decide on it
                    self.replays.keep(gate.rule, action, kept)
                    continue
                if isinstance(action, Kill | Pause):
                    self._packet.comments.append(self.signal(direction.link, gate.name, action, now_ns))
                    continue
                self._packet.comments.append(describe(type(action).__name__.lower(), head))
                if isinstance(action, Forge):  # a user's answer: beside this message
                    self._forge(action, direction, now_ns)
                    continue
                return self._carry_out(bound, action, kept)
        return UnitFate()

    def _carry_out(self, bound: BoundRule, action: Action, message: KeptMessage) -> UnitFate:
        direction, unit = message.item
        now_ns = self._packet.now_ns
        if isinstance(action, Delay):
            due_ns = now_ns + draw_delay_ns(action, bound.gate.rng)
            if self.codec.in_order:
                self._back.enqueue(direction, QueuedUnit(unit, due_ns))
                return _QUEUED
            self._back.postpone(due_ns, direction, unit)
        elif isinstance(action, Hold):
            if len(bound.held) >= MAX_WAITING:
                return UnitFate()
            if self.codec.in_order:
                queued = QueuedUnit(unit, held=True)
                message.item = direction, queued
                bound.held.append(message)
                self._back.enqueue(direction, queued)
                return _QUEUED
            bound.held.append(message)
        elif isinstance(action, Duplicate):
            if not action.gap_ms:
                return UnitFate(copies=action.copies)
            for number in range(1, action.copies + 1):
                self._back.postpone(now_ns + int(number * action.gap_ms * 1e6), direction, unit)
            return UnitFate()
        elif self.codec.instead_of is not None:
            try:
                instead = self.codec.instead_of(unit)
            except Malformed:  # nobody knows what would be harmless: it passes
                instead = None
            return UnitFate(lost=instead is not None, instead=instead or b"")
        return UnitFate(lost=True)

    def _forge(self, action: Forge, direction: EditedDirection, now_ns: int) -> None:
        assert self.codec.forge is not None
        fields = {name: getattr(action, name) for name in ("term", "index", "log_term", "commit", "reject")}
        try:
            unit = self.codec.forge(action.kind, fields, direction.last_unit)
        except Malformed:
            self.deliveries.undeliverable += 1
            return
        head = MessageHead(action.kind, "spliced", None, None, action.term, action.log_term, action.index, 0)
        self._back.give(KeptMessage(now_ns, direction.link, head, (direction, unit)))


_QUEUED = UnitFate(lost=True)
