"""Judges packets: rules compiled, link by link, into one function from bytes to a verdict.

Pure: no clock, no I/O. Everything comes in as arguments and the randomness from the run's seed, one stream a link, so
that a change of the rules on one link does not disturb the random stream of any other link.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from raftmon.monitor.packets.connections import ConnectionTable
from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.rules.actions.decision import Decision, Order
from raftmon.monitor.rules.actions.effects import ActionEffect, Scene, bind
from raftmon.monitor.rules.actions.kinds import Call, Rewrite
from raftmon.monitor.rules.conditions import Age, AllOf, Always, AnyOf, Dialled, Match, Not, Test
from raftmon.monitor.rules.gate import RuleCounters, RuleGate
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.monitor.rules.tallies import Tallies
from raftmon.monitor.rules.user_code import UserCodeError, trimmed_traceback
from raftmon.monitor.rules.verdict import ACCEPT, Copy, Verdict
from raftmon.monitor.rules.watchdog import UserCodeHung, Watchdog
from raftmon.setup.topology import Link

__all__ = ["Chain", "Engine", "MessageStage", "UserCodeError"]

Chain = Callable[[bytes, int], Verdict]


class MessageStage(Protocol):
    """Judges messages inside packets: asked after the packet rules, about every packet these have not lost."""

    def check(self, rules: RuleSet) -> None:
        """Raise InputError for message rules that cannot be carried out; asked before they come into force."""

    def bind(self, link: Link, gates: Sequence[RuleGate]) -> ActionEffect | None:
        """The link's message rules as one more effect on the decision about a packet, None where nothing is to be done.

        Called at each ``load``; a rule that stays comes with the same RuleGate object. Ask ``gate.in_window(now_ns)``,
        match ``gate.rule``, ask ``gate.fires()``; where the rule acted, tell ``gate.acted(size)`` and append
        ``gate.name`` to ``decision.rules``. The effect says whether any did. Where ``decision.ended``, an earlier
        packet rule accepted the packet: the effect may look, to keep up with the stream, but not act.
        """


class _Bound(RuleGate):
    """A packet rule on one link: the match compiled, the action with its state."""

    __slots__ = ("effect", "hung", "test", "user_code")

    def __init__(
        self, rule: Rule, counters: RuleCounters, rng: random.Random, test: Test | None, effect: ActionEffect
    ) -> None:
        super().__init__(rule, counters, rng)
        self.test = test
        self.effect = effect
        self.user_code = isinstance(rule.action, Call | Rewrite)
        self.hung = False  # its code did not return: it is asked no more


class _Line:
    """What belongs to one link for the whole run."""

    __slots__ = (
        "bound",
        "chain",
        "connections",
        "gates",
        "link",
        "message_rng",
        "only_orders",
        "order",
        "rng",
        "rules",
        "scene",
    )

    def __init__(self, link: Link, seed: str, engine: Engine) -> None:
        self.link = link
        self.rng = random.Random(f"{seed}/{link}")
        self.scene = Scene(link, self.rng, engine.present)
        self.order = Order()
        self.connections = ConnectionTable(engine.listening)
        self.rules: tuple[Rule, ...] = ()
        self.bound: dict[str, _Bound] = {}
        self.gates: dict[str, RuleGate] = {}  # of message rules; their random streams are not those of packet rules
        self.message_rng = random.Random(f"{seed}/{link}/messages")
        self.chain: Chain | None = None
        self.only_orders = False  # the chain has no rule: it keeps packets from overtaking what is still held


class Engine:
    """All links' chains. ``links`` gives the link ids: the index in this sequence.

    ``present`` turns a packet from arrival to delivery addresses (for what ``reject`` injects); without it addresses
    stay. ``listening`` are ports known to be listened on. ``on_error(rule, text)`` is called once for each rule whose
    user code raises, with a trimmed traceback; ``strict`` makes the chain raise UserCodeError instead.
    """

    def __init__(
        self,
        links: Sequence[Link],
        seed: str,
        started_ns: int,
        *,
        present: Callable[[bytes], bytes] | None = None,
        listening: Collection[int] = (),
        on_error: Callable[[str, str], None] | None = None,
        strict: bool = False,
        message_stage: MessageStage | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.present = present
        self.listening = frozenset(listening)
        self.started_ns = started_ns
        self._on_error = on_error
        self._strict = strict
        self._message_stage = message_stage
        self._watchdog = watchdog or Watchdog()
        self.hung: list[str] = []
        self._stage_hung = False
        self._counters = Tallies()
        self._message_errors = RuleCounters(started_ns)
        self._ruleset = RuleSet()
        self._lines = [_Line(link, seed, self) for link in links]

    @property
    def ruleset(self) -> RuleSet:
        """The rules in force."""
        return self._ruleset

    def load(self, ruleset: RuleSet, now_ns: int) -> None:
        """Put other rules in force. A rule that is there before and after, equal in everything, goes on as it was:
        its buckets and bursts stay, and so does its window, which began when it first came into force. What ``stats``
        says goes on for every name, whatever the rule.

        Raises InputError, and changes nothing, where a rule on messages cannot be carried out here.
        """
        if self._message_stage is not None:
            self._message_stage.check(ruleset)
        self._counters.load(ruleset, now_ns)
        self._ruleset = ruleset
        for line in self._lines:
            self._rebuild(line, ruleset, now_ns)

    def chain(self, link_id: int) -> Chain | None:
        """The function that judges packets of a link, None where no rule concerns it. Ask again after each load.

        The function never raises, except UserCodeError where the engine is strict.
        """
        return self._lines[link_id].chain

    def settle(self, now_ns: int) -> bool:
        """Let go the chains that only kept the order behind held packets, where the last of these has left.

        Call it now and then; True where ``chain`` has another answer for some link than before.
        """
        settled = False
        for line in self._lines:
            if line.chain is not None and line.only_orders and line.order.horizon_ns <= now_ns:
                line.chain = None
                settled = True
        return settled

    def stats(self) -> dict[str, dict[str, Any]]:
        """What each rule did that is or was in force; see ``Tallies.stats``."""
        return self._counters.stats()

    @property
    def rules_forgotten(self) -> int:
        """How many removed rules are no longer in ``stats``, because too many were removed since."""
        return self._counters.forgotten

    def _rebuild(self, line: _Line, ruleset: RuleSet, now_ns: int) -> None:
        rules = ruleset.for_link(line.link)
        if line.chain is not None and self._message_stage is None and self._unchanged(line, rules):
            return
        line.rules = rules
        before, line.bound = line.bound, {}
        for rule in rules:
            if rule.stage == "message":
                continue
            counters = self._counters[rule.name]
            old = before.get(rule.name)
            line.bound[rule.name] = (
                old if old is not None and old.counters is counters else self._bind(line, rule, counters)
            )
        stage = None
        if self._message_stage is not None:
            stage = self._message_stage.bind(line.link, self._message_gates(line, rules))
        line.only_orders = not line.bound and stage is None
        if not line.only_orders:
            tracks = any(_asks_connections(rule.match) for rule in rules)
            line.chain = self._compile(line, tuple(line.bound.values()), stage, tracks)
        else:  # what is still held must not be overtaken
            line.chain = self._compile(line, (), None, False) if line.order.horizon_ns > now_ns else None

    def _message_gates(self, line: _Line, rules: tuple[Rule, ...]) -> list[RuleGate]:
        """The link's message rules; one that was there before keeps its gate, by which its state can be kept too."""
        before, line.gates = line.gates, {}
        for rule in rules:
            if rule.stage == "message":
                counters = self._counters[rule.name]
                old = before.get(rule.name)
                same = old is not None and old.counters is counters
                fresh = RuleGate(rule, counters, line.message_rng, self._user_error)
                line.gates[rule.name] = old if old is not None and same else fresh
        return list(line.gates.values())

    def _unchanged(self, line: _Line, rules: tuple[Rule, ...]) -> bool:
        """Whether the link's chain is what it would be made again: a set of rules mostly changes on a few links."""
        same = bool(rules) and line.rules == rules
        return same and all(bound.counters is self._counters[name] for name, bound in line.bound.items())

    def _bind(self, line: _Line, rule: Rule, counters: RuleCounters) -> _Bound:
        test = None if isinstance(rule.match, Always) else rule.match.compile(line.connections)
        return _Bound(rule, counters, line.rng, test, bind(rule.action, line.scene))

    def _compile(self, line: _Line, bounds: tuple[_Bound, ...], stage: ActionEffect | None, tracks: bool) -> Chain:
        link, order, act, ask = line.link, line.order, self._act, self._ask
        observe = line.connections.observe if tracks else None
        entries = tuple((one, one.test, one.windowed) for one in bounds)

        def judge(data: bytes, now_ns: int) -> Verdict:
            view = PacketView(data, link, now_ns)
            if observe is not None:
                observe(view)
            decision = None
            for bound, test, windowed in entries:
                if (test is None or test(view)) and (not windowed or bound.in_window(now_ns)):
                    decision = act(bound, view, decision)
                    if decision is not None and decision.ended:
                        break
            if stage is not None and (decision is None or not decision.lost):
                decision = ask(stage, view, decision)
            if decision is not None:
                return decision.finish(order)
            if now_ns < order.horizon_ns and (due_ns := order.clamp(view, now_ns)):
                return _waiting(due_ns)
            return ACCEPT

        return judge

    def _act(self, bound: _Bound, view: PacketView, decision: Decision | None) -> Decision | None:
        if bound.hung or not bound.fires():
            return decision
        if decision is None:
            decision = Decision(view)
        watchdog = self._watchdog
        if bound.user_code:
            watchdog.enter(bound.name)
        try:
            acted = bound.effect(decision)
        except UserCodeHung:
            bound.hung = True
            self._hung(bound.name, bound.counters)
            acted = False
        except (Exception, SystemExit) as error:  # user code: its mistakes never stop traffic
            self._user_error(bound.name, bound.counters, error)
            acted = False
        finally:
            watchdog.leave()
        if acted:
            bound.acted(view.size)
            decision.rules.append(bound.name)
        return decision if decision.rules else None

    def _ask(self, stage: ActionEffect, view: PacketView, decision: Decision | None) -> Decision | None:
        """What the message rules make of a packet that no packet rule has lost."""
        if decision is None:
            decision = Decision(view)
        if self._stage_hung:
            return decision if decision.rules else None
        self._watchdog.enter("messages")
        try:
            acted = stage(decision)
        except UserCodeHung:
            self._stage_hung = True
            self._hung("messages", self._message_errors)
            acted = False
        except UserCodeError:  # a user's message(view) in a strict run; told with its rule's name already
            raise
        except (Exception, SystemExit) as error:
            self._user_error("messages", self._message_errors, error)
            acted = False
        finally:
            self._watchdog.leave()
        return decision if acted or decision.rules else None

    def _hung(self, name: str, counters: RuleCounters) -> None:
        """A rule did not return in time and was interrupted: it is taken out, or ends a strict run."""
        counters.errors += 1
        self.hung.append(name)
        text = f"it did not return within {self._watchdog.limit_s:g} s, so it was interrupted and is taken out"
        if self._strict:
            raise UserCodeError(f"rule {name}: {text}")
        if self._on_error is not None:
            self._on_error(name, text)

    def _user_error(self, name: str, counters: RuleCounters, error: BaseException) -> None:
        counters.errors += 1
        if self._strict:
            raise UserCodeError(f"rule {name}: {trimmed_traceback(error)}") from error
        if counters.errors == 1 and self._on_error is not None:
            self._on_error(name, trimmed_traceback(error))


def _waiting(due_ns: int) -> Verdict:
    """No rule wants this packet, but one of its connection is still held before it."""
    return Verdict((Copy(due_ns),), None, "waits its turn")


def _asks_connections(match: Match) -> bool:
    if isinstance(match, AllOf | AnyOf):
        return any(_asks_connections(part) for part in match.parts)
    return _asks_connections(match.part) if isinstance(match, Not) else isinstance(match, Dialled | Age)
