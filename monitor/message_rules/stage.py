"""Rules on single Raft messages, inside the engine: one stage behind the packet rules of each link.

A rule is a line, or a user's ``message(view)``. Only etcd's peer protocol can be edited in place. A message is lost by
``raftmon.monitor.message_rules.scanner``' edits; delayed, doubled, held and forged ones are delivered by a
``PostAgent``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from raftmon.monitor.message_rules.agent import encode_message
from raftmon.monitor.message_rules.comments import SAME, describe
from raftmon.monitor.message_rules.scanner import MessageHead
from raftmon.monitor.message_rules.stream_editor import StreamEditor
from raftmon.monitor.message_rules.trigger_words import Trigger
from raftmon.monitor.message_rules.triggers import Armed, TriggerWatch
from raftmon.monitor.packets.checksums import with_payload
from raftmon.monitor.packets.view import RST, SYN, TCP
from raftmon.monitor.raft.codecs.base import Codec
from raftmon.monitor.raft.message import KINDS
from raftmon.monitor.rules.actions.decision import Decision
from raftmon.monitor.rules.actions.effects import ActionEffect, draw_delay_ns
from raftmon.monitor.rules.actions.kinds import Accept, Action, Delay, Drop, Duplicate, Forge, Hold, MessageCall
from raftmon.monitor.rules.conditions import AllOf, AnyOf, Links, Match, Not
from raftmon.monitor.rules.conditions.messages import KindIs, head_test
from raftmon.monitor.rules.gate import RuleGate
from raftmon.monitor.rules.message_view import MessageView
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["MessageRules"]

_MAX_STREAMS = 1024
_MAX_HELD = 10_000


class _Agent(Protocol):
    def post(self, target: str, make: bytes | Callable[[Mapping[str, int]], bytes | None], due_ns: int = 0) -> None: ...


@dataclass(slots=True)
class _Bound:
    """One rule on one link; ``held`` are the messages it keeps back."""

    gate: RuleGate
    test: Callable[[MessageHead], bool]
    held: list[MessageHead] = field(default_factory=list)


class MessageRules:
    """The engine's MessageStage. ``codec`` is of what the run's nodes speak, ``present`` the address book's.

    ``agent`` delivers messages (None: rules that need it are refused).
    """

    def __init__(
        self,
        codec: Codec | None,
        agent: _Agent | None,
        *,
        present: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._codec = codec
        self._agent = agent
        self._present = present or (lambda packet: packet)
        self.undeliverable = 0
        self.watch = TriggerWatch()
        self._lines: dict[Link, _Line] = {}

    def arm(self, trigger: Trigger, now_ns: int, on_fire: Callable[[Armed], None] | None = None) -> Armed:
        """Wait for something on the wire; load the rules again afterwards, so that every link is looked at.

        Raises InputError where the run's messages cannot be read as they pass.
        """
        if self._codec is None or not self._codec.editable:
            raise InputError("triggers wait for etcd's messages, which are not spoken here")
        return self.watch.arm(trigger, now_ns, on_fire)

    def check(self, rules: RuleSet) -> None:
        """Raise InputError, in words, for a message rule that could not be carried out here."""
        for rule in rules:
            if rule.stage != "message":
                continue
            if self._codec is None or not self._codec.editable:
                why = self._codec.why_not if self._codec else "no system whose messages are read runs here"
                users = isinstance(rule.action, MessageCall)
                what = "has message(view), which acts" if users else "acts"
                instead = "packet(view)" if users else "a rule on the link's packets"
                raise InputError(
                    f"the rule {rule.name!r} {what} on single messages, which is impossible: {why}; "
                    f"use {instead} instead"
                )
            self._check(rule)

    def _check(self, rule: Rule) -> None:
        if not isinstance(rule.action, Accept | Drop | Delay | Duplicate | Hold | Forge | MessageCall):
            raise InputError(
                f"the rule {rule.name!r}: a message can be accepted, dropped, delayed, duplicated, held or forged, "
                f"not {type(rule.action).__name__.lower()}"
            )
        self._check_test(rule)
        if isinstance(rule.action, Delay | Duplicate | Hold | Forge) and self._agent is None:
            raise InputError(f"the rule {rule.name!r} must deliver messages itself, which is impossible here")
        if isinstance(rule.action, Delay | Duplicate | Hold) and "MsgSnap" in _kinds(rule):
            raise InputError(
                f"the rule {rule.name!r}: a MsgSnap is followed by its database and can only be dropped or accepted"
            )

    def _check_test(self, rule: Rule) -> None:
        for leaf in _leaves(rule.match):
            if not isinstance(leaf, Links):
                head_test(leaf)

    def bind(self, link: Link, gates: Sequence[RuleGate]) -> ActionEffect | None:
        """See ``MessageStage.bind``."""
        line = self._lines.get(link)
        if line is None:
            if not gates and not self.watch.waiting:
                return None
            line = self._lines[link] = _Line(link, self)
        known = {id(bound.gate): bound for bound in line.bounds}
        bounds = []
        for gate in gates:
            bound = known.pop(id(gate), None)
            if bound is None:
                bound = _Bound(gate, head_test(gate.rule.match))
                if isinstance(gate.rule.action, Forge) and self._agent is not None and gate.fires():
                    self.forge(link, gate.rule.action)
                    gate.acted(0)
            bounds.append(bound)
        line.bounds = tuple(bounds)
        for gone in known.values():  # a rule that is removed gives back what it held
            held, gone.held = gone.held, []
            for head in held:
                self.deliver(link, head, 0)
        # Retransmissions must get the same edits, so a link that was ever edited stays watched.
        return line.apply if bounds or line.streams or self.watch.waiting else None

    def stats(self) -> dict[str, int]:
        """``undeliverable``: messages a rule wanted to deliver itself, and could not; ``held``: kept back now."""
        held = sum(len(bound.held) for line in self._lines.values() for bound in line.bounds)
        return {"undeliverable": self.undeliverable, "held": held}

    @property
    def due_ns(self) -> int | None:
        """When ``tick`` wants to be called: never, the agent has its own clock."""
        return None

    def tick(self, now_ns: int) -> None:
        """Do what is due; on the loop's thread."""

    def deliver(self, link: Link, head: MessageHead, due_ns: int) -> None:
        """Have a message delivered by the agent."""
        if head.raw is None or self._agent is None:
            self.undeliverable += 1
        else:
            self._agent.post(link.target, head.raw, due_ns)

    def present(self, packet: bytes) -> bytes:
        """The packet in delivery addresses."""
        return self._present(packet)

    def forge(self, link: Link, action: Forge) -> None:
        """Have a message delivered that no node wrote; needs the agent."""
        assert self._agent is not None
        number = KINDS.index(action.kind)

        def make(ids: Mapping[str, int]) -> bytes | None:
            if link.source not in ids or link.target not in ids:
                return None
            return encode_message(
                number, ids[link.source], ids[link.target], term=action.term, log_term=action.log_term,
                index=action.index, commit=action.commit, reject=action.reject,
            )  # fmt: skip

        self._agent.post(link.target, make)

    def opinion(self, link: Link, gate: RuleGate, head: MessageHead, now_ns: int) -> Action | None:
        """What a rule wants done with a message: its action, or what the user's function returns.

        What that raises, or returns and cannot be done, is the gate's to count and show: then None.
        """
        action = gate.rule.action
        if not isinstance(action, MessageCall):
            return action
        try:
            answer = action.function(MessageView.of(head, link, now_ns))
            if answer is not None:
                self._check_answer(answer, head)
        except (Exception, SystemExit) as error:  # user code: its mistakes never stop traffic
            gate.failed(error)
            return None
        return cast("Action | None", answer)

    def _check_answer(self, answer: object, head: MessageHead) -> None:
        if not isinstance(answer, Accept | Drop | Delay | Duplicate | Hold | Forge):
            raise InputError(
                f"message(view) returned {answer!r}; return accept(), drop(), delay(ms), duplicate(), hold(), "
                "forge(kind) or None"
            )
        if isinstance(answer, Accept | Drop):
            return
        if self._agent is None:
            raise InputError(f"{answer!r} needs messages delivered, which is impossible here")
        if head.carrier == "snapshot" and not isinstance(answer, Forge):
            raise InputError("a MsgSnap is followed by its database and can only be dropped or accepted")


def _leaves(match: Match) -> list[Match]:
    if isinstance(match, AllOf | AnyOf):
        return [leaf for part in match.parts for leaf in _leaves(part)]
    return _leaves(match.part) if isinstance(match, Not) else [match]


def _kinds(rule: Rule) -> set[str]:
    return {leaf.kind for leaf in _leaves(rule.match) if isinstance(leaf, KindIs)}


class _Line:
    """One link: its streams and its rules."""

    def __init__(self, link: Link, owner: MessageRules) -> None:
        self.link = link
        self.bounds: tuple[_Bound, ...] = ()
        self.streams: dict[bytes, StreamEditor] = {}
        self._owner = owner
        self._now_ns = 0
        self._acted: list[str] = []
        self._comments: list[str] = []
        self._decided: Counter[tuple[str, int | None, int | None]] = Counter()  # with the packet at hand
        self._waiting: dict[int, tuple[_Bound, Action, int]] = {}

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
        self._now_ns = decision.now_ns
        self._decided.clear()
        edited = stream.segment(view.seq or 0, payload, decision.now_ns, view.data)
        acted, self._acted = self._acted, []
        comments, self._comments = self._comments, []
        decision.rules += acted
        if edited.released:
            decision.inject = (*decision.inject, *(self._released(token, new) for token, new in edited.released))
        if not edited.keep:
            decision.lose(", ".join([*comments, edited.comment]))
            return True
        if edited.payload is not None:
            decision.data = with_payload(view.data if decision.data is None else decision.data, edited.payload)
            decision.comments.append(", ".join(comments) or SAME)
            return True
        decision.comments += comments
        return bool(acted)

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
        alike = (head.kind, head.term, head.index)
        self._decided[alike] += 1
        if self._owner.watch.waiting:
            self._owner.watch.feed(self.link, head, self._now_ns)
        for bound in self.bounds:
            gate = bound.gate
            if isinstance(gate.rule.action, Forge) or not gate.in_window(self._now_ns) or not bound.test(head):
                continue
            if not gate.fires() or (action := self._owner.opinion(self.link, gate, head, self._now_ns)) is None:
                continue
            if isinstance(action, Accept):
                gate.acted(0)
                return False
            delivers = isinstance(action, Delay | Duplicate | Hold)
            if delivers and not _deliverable(head):
                self._owner.undeliverable += 1
                continue
            gate.acted(0)
            self._acted.append(gate.name)
            self._comments.append(describe(type(action).__name__.lower(), head, self._decided[alike]))
            if isinstance(action, Forge):  # a user's answer: beside this message, which the next rules judge
                self._owner.forge(self.link, action)
                continue
            if delivers:
                head.wanted = True
                delay_ns = draw_delay_ns(action, gate.rng) if isinstance(action, Delay) else 0
                if len(self._waiting) > _MAX_HELD:
                    self._waiting.clear()
                self._waiting[id(head)] = (bound, action, self._now_ns + delay_ns)
            return not isinstance(action, Duplicate)
        return False

    def _done(self, head: MessageHead) -> None:
        """A message that is to be delivered otherwise has come whole."""
        found = self._waiting.pop(id(head), None)
        if found is None:
            return
        bound, action, due_ns = found
        if isinstance(action, Hold) and bound in self.bounds and len(bound.held) < _MAX_HELD:
            bound.held.append(head)
            return
        copies = action.copies if isinstance(action, Duplicate) else 1
        gap_ns = int(action.gap_ms * 1e6) if isinstance(action, Duplicate) else 0
        for number in range(copies):
            self._owner.deliver(self.link, head, due_ns + number * gap_ns)


def _deliverable(head: MessageHead) -> bool:
    """Whether it can be delivered by a POST: not a snapshot, and of an append it must be known who it is between."""
    if head.carrier == "snapshot":
        return False
    if head.carrier == "msgapp" and head.log_term == head.term:
        return bool(head.sender and head.receiver and head.term is not None and head.index is not None)
    return True
