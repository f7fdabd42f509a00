"""Rules on single Raft messages, inside the engine: one stage behind the packet rules of each link.

A rule is a line, or a user's ``message(view)``. Only etcd's peer protocol can be edited in place. A message is lost by
``raftmon.monitor.message_rules.scanner``' edits; delayed, doubled, held and forged ones are delivered by a
``PostAgent``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from raftmon.monitor.message_rules.bound_rule import BoundRule, KeptMessage
from raftmon.monitor.message_rules.deliveries import Agent, Deliveries
from raftmon.monitor.message_rules.link_rules import LinkRules
from raftmon.monitor.message_rules.replays import Replays, trigger_of
from raftmon.monitor.message_rules.scanner import MessageHead
from raftmon.monitor.message_rules.trigger_words import Trigger
from raftmon.monitor.message_rules.triggers import Armed, TriggerWatch
from raftmon.monitor.raft.codecs.base import Codec
from raftmon.monitor.raft.message import RaftMessage
from raftmon.monitor.rules.actions.binding import ActionEffect, NodeSignals, node_of
from raftmon.monitor.rules.actions.kinds import (
    Accept,
    Action,
    Delay,
    Drop,
    Duplicate,
    Forge,
    Hold,
    Kill,
    MessageCall,
    Pause,
    Replay,
)
from raftmon.monitor.rules.conditions import AllOf, AnyOf, Links, Match, Not
from raftmon.monitor.rules.conditions.messages import KindIs, head_test
from raftmon.monitor.rules.gate import RuleGate
from raftmon.monitor.rules.message_view import MessageView
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["ANSWERS", "MessageRules", "not_for_messages", "wrong_answer"]

ANSWERS = Accept | Drop | Delay | Duplicate | Hold | Forge | Replay | Kill | Pause
"""What can be done with a message."""


class MessageRules:
    """The engine's MessageStage. ``codec`` is of what the run's nodes speak, ``present`` the address book's.

    ``agent`` delivers messages (None: rules that need it are refused).
    """

    def __init__(
        self,
        codec: Codec | None,
        agent: Agent | None,
        *,
        present: Callable[[bytes], bytes] | None = None,
        nodes: NodeSignals | None = None,
    ) -> None:
        self.nodes = nodes
        self._codec = codec
        self._present = present or (lambda packet: packet)
        self.deliveries = Deliveries(agent)
        self.watch = TriggerWatch()
        self.replays = Replays(self.watch, self.deliver_kept)
        self._lines: dict[Link, LinkRules] = {}

    def arm(self, trigger: Trigger, now_ns: int, on_fire: Callable[[Armed], None] | None = None) -> Armed:
        """Wait for something on the wire; load the rules again afterwards, so that every link is looked at.

        Raises InputError if the run's messages cannot be read as they pass.
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
            if isinstance(rule.action, Replay):
                trigger_of(rule.action, rules.names)

    def load(self, rules: RuleSet, now_ns: int) -> None:
        """See ``MessageStage.load``."""
        self.replays.load(rules, now_ns)

    def _check(self, rule: Rule) -> None:
        if not isinstance(
            rule.action, Accept | Drop | Delay | Duplicate | Hold | Forge | Replay | Kill | Pause | MessageCall
        ):
            raise InputError(
                f"the rule {rule.name!r}: a message can be accepted, dropped, delayed, duplicated, held, replayed, "
                f""
                f"forged, not {type(rule.action).__name__.lower()}"
            )
        self._check_test(rule)
        if isinstance(rule.action, Delay | Duplicate | Hold | Replay | Forge) and not self.deliveries.possible:
            raise InputError(f"the rule {rule.name!r} must deliver messages itself, which is impossible here")
        if isinstance(rule.action, Delay | Duplicate | Hold | Replay) and "MsgSnap" in _kinds(rule):
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
            line = self._lines[link] = LinkRules(link, self)
        known = {id(bound.gate): bound for bound in line.bounds}
        bounds = []
        for gate in gates:
            bound = known.pop(id(gate), None)
            if bound is None:
                bound = BoundRule(gate, head_test(gate.rule.match))
                if isinstance(gate.rule.action, Forge) and self.deliveries.possible and gate.fires():
                    self.deliveries.forge(link, gate.rule.action)
                    gate.acted(0)
            bounds.append(bound)
        line.bounds = tuple(bounds)
        for gone in known.values():  # a rule that is removed gives back what it held
            while gone.held:
                self.deliver_kept(gone.held.popleft())
        # Retransmissions must get the same edits, so a link that was ever edited stays watched.
        return line.apply if bounds or line.streams or self.watch.waiting else None

    def stats(self) -> dict[str, int]:
        """``undeliverable``: messages a rule wanted to deliver itself, and could not; ``held``: kept back now."""
        held = sum(len(bound.held) for line in self._lines.values() for bound in line.bounds)
        return {"undeliverable": self.deliveries.undeliverable, "held": held}

    def bounds(self) -> list[BoundRule]:
        """Every rule on every link."""
        return [bound for line in self._lines.values() for bound in line.bounds]

    def held(self) -> list[dict[str, object]]:
        """The messages that rules keep back now, the oldest first."""
        kept = [(one, bound.gate.name) for bound in self.bounds() for one in bound.held]
        return [one.to_json(name) for one, name in sorted(kept, key=lambda pair: pair[0].since_ns)]

    def release(self, name: str, count: int) -> list[dict[str, object]]:
        """Deliver the oldest ``count`` messages that a rule keeps back; the rule stays. Gives these messages.

        Raises InputError if no rule of that name holds messages.
        """
        bounds = [bound for bound in self.bounds() if bound.gate.name == name]
        if not any(bound.held for bound in bounds):
            holding = sorted({bound.gate.name for bound in self.bounds() if bound.held})
            there = f"rules that hold some: {', '.join(holding)}" if holding else "no rule holds any"
            raise InputError(f"the rule {name!r} holds no message; {there}")
        released: list[dict[str, object]] = []
        while len(released) < count and (full := [bound for bound in bounds if bound.held]):
            one = min(full, key=lambda bound: bound.held[0].since_ns).held.popleft()
            self.deliver_kept(one)
            released.append(one.to_json(name))
        return released

    def deliver_again(self, message: RaftMessage, target: str, now_ns: int) -> None:
        """Deliver a recorded message to a node once more; on the loop's thread.

        Raises InputError if that is impossible here.
        """
        if not self.deliveries.possible:
            why = self._codec.why_not if self._codec else "no system whose messages are read runs here"
            raise InputError(f"messages cannot be delivered here: {why}")
        self.deliveries.deliver_again(message, target)

    def deliver_kept(self, message: KeptMessage) -> None:
        """Deliver a message that a rule kept."""
        self.deliveries.deliver(message.link, message.head, 0)

    @property
    def due_ns(self) -> int | None:
        """When ``tick`` wants to be called: never, the agent has its own clock."""
        return None

    def tick(self, now_ns: int) -> None:
        """Do what is due; on the loop's thread."""

    def present(self, packet: bytes) -> bytes:
        """The packet in delivery addresses."""
        return self._present(packet)

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

    def signal(self, link: Link, rule: str, action: Kill | Pause, now_ns: int) -> str:
        """Kill or pause a node; what is in the packet's comment."""
        node = node_of(action, link)
        done = self.nodes is not None and self.nodes.act(action, node, rule, now_ns)
        return f"{type(action).__name__.lower()} {node}" + ("" if done else ": was not there")

    def _check_answer(self, answer: object, head: MessageHead) -> None:
        if not isinstance(answer, ANSWERS):
            raise InputError(wrong_answer(answer))
        if isinstance(answer, Accept | Drop | Kill | Pause):
            return
        if isinstance(answer, Replay):
            trigger_of(answer, ())
        if not self.deliveries.possible:
            raise InputError(f"{answer!r} needs messages delivered, which is impossible here")
        if head.carrier == "snapshot" and not isinstance(answer, Forge):
            raise InputError("a MsgSnap is followed by its database and can only be dropped or accepted")


def not_for_messages(rule: Rule) -> str:
    """Why a rule on messages is refused whose action is for packets."""
    return (
        f"the rule {rule.name!r}: a message can be accepted, dropped, delayed, duplicated, held, replayed or forged, "
        f"not {type(rule.action).__name__.lower()}"
    )


def wrong_answer(answer: object) -> str:
    """Why what ``message(view)`` returned is refused."""
    return (
        f"message(view) returned {answer!r}; return accept(), drop(), delay(ms), duplicate(), hold(), replay(when), "
        "kill(node), pause(node), forge(kind) or None"
    )


def _leaves(match: Match) -> list[Match]:
    if isinstance(match, AllOf | AnyOf):
        return [leaf for part in match.parts for leaf in _leaves(part)]
    return _leaves(match.part) if isinstance(match, Not) else [match]


def _kinds(rule: Rule) -> set[str]:
    return {leaf.kind for leaf in _leaves(rule.match) if isinstance(leaf, KindIs)}
