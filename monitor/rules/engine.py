"""The rules in force: compiled, link by link, into one function from bytes to a verdict (``evaluation``).

Pure: no clock, no I/O. Everything comes in as arguments and the randomness from the run's seed, one stream a link, so
that a change of the rules on one link does not disturb the random stream of any other link.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Protocol

from raftmon.monitor.rules.actions.binding import ActionEffect, NodeSignals
from raftmon.monitor.rules.actions.effects import bind
from raftmon.monitor.rules.conditions import Age, AllOf, Always, AnyOf, Dialled, Match, Not
from raftmon.monitor.rules.evaluation import Evaluator
from raftmon.monitor.rules.gate import RuleCounters, RuleGate
from raftmon.monitor.rules.link_state import Chain, LinkState, PacketRule
from raftmon.monitor.rules.roles import named_roles
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.monitor.rules.tallies import Tallies
from raftmon.monitor.rules.watchdog import Watchdog
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["Engine", "MessageStage", "NodeStage"]


class MessageStage(Protocol):
    """Judges messages inside packets: asked after the packet rules, about every packet these have not lost."""

    def check(self, rules: RuleSet) -> None:
        """Raise InputError for message rules that cannot be carried out; asked before they take effect."""

    def load(self, rules: RuleSet, now_ns: int) -> None:
        """These rules take effect: what is kept for a rule, not for a link. ``bind`` follows for each link."""

    def bind(self, link: Link, gates: Sequence[RuleGate]) -> ActionEffect | None:
        """The link's message rules as one more effect on the decision about a packet, None if nothing is to be done.

        Called at each ``load``; a rule that stays comes with the same RuleGate object. Ask ``gate.in_window(now_ns)``,
        match ``gate.rule``, ask ``gate.fires()``; where the rule acted, tell ``gate.acted(size)`` and append
        ``gate.name`` to ``decision.rules``. The effect says whether any did. Where ``decision.ended``, an earlier
        packet rule accepted the packet: the effect may look, to keep up with the stream, but not act.
        """


class NodeStage(NodeSignals, Protocol):
    """What kills and pauses nodes, and knows whether it can."""

    def check(self, rules: RuleSet) -> None:
        """Raise InputError for a rule that acts on nodes where that is impossible."""


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
        nodes: NodeStage | None = None,
    ) -> None:
        self._nodes = nodes
        self._message_stage = message_stage
        self._evaluator = Evaluator(watchdog or Watchdog(), strict, on_error, started_ns)
        self._counters = Tallies()
        self._ruleset = RuleSet()
        self._lines = [LinkState(link, seed, present, frozenset(listening), nodes) for link in links]

    @property
    def hung(self) -> list[str]:
        """The rules that were taken out since their code did not return."""
        return self._evaluator.hung

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
        self._check(ruleset)
        if self._message_stage is not None:
            self._message_stage.check(ruleset)
            self._message_stage.load(ruleset, now_ns)
        self._counters.load(ruleset, now_ns)
        self._ruleset = ruleset
        for line in self._lines:
            self._rebuild(line, ruleset, now_ns)

    def _check(self, ruleset: RuleSet) -> None:
        names = {name for line in self._lines for name in (line.link.source, line.link.target)}
        for rule in ruleset:
            if roles := named_roles(rule, names):
                raise InputError(
                    f"the rule {rule.name!r} is about the {' and the '.join(sorted(roles))}, which only a rule in a "
                    "line can be (raftmon ctl add, --rule): name the nodes"
                )
        if self._nodes is not None:
            self._nodes.check(ruleset)

    def chain(self, link_id: int) -> Chain | None:
        """The function that judges packets of a link, None if no rule concerns it. Ask again after each load.

        The function never raises, except UserCodeError if the engine is strict.
        """
        return self._lines[link_id].chain

    def settle(self, now_ns: int) -> bool:
        """Let go the chains that only kept the order behind held packets, where the last of these has left.

        Call it now and then; True if ``chain`` has another answer for some link than before.
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

    def _rebuild(self, line: LinkState, ruleset: RuleSet, now_ns: int) -> None:
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
            line.chain = self._evaluator.chain(line, tuple(line.bound.values()), stage, tracks)
        else:  # what is still held must not be overtaken
            line.chain = self._evaluator.chain(line, (), None, False) if line.order.horizon_ns > now_ns else None

    def _message_gates(self, line: LinkState, rules: tuple[Rule, ...]) -> list[RuleGate]:
        """The link's message rules; one that was there before keeps its gate, by which its state can be kept too."""
        before, line.gates = line.gates, {}
        for rule in rules:
            if rule.stage == "message":
                counters = self._counters[rule.name]
                old = before.get(rule.name)
                same = old is not None and old.counters is counters
                fresh = RuleGate(rule, counters, line.message_rng, self._evaluator.user_error)
                line.gates[rule.name] = old if old is not None and same else fresh
        return list(line.gates.values())

    def _unchanged(self, line: LinkState, rules: tuple[Rule, ...]) -> bool:
        """Whether the link's chain is what it would be made again: a set of rules mostly changes on a few links."""
        same = bool(rules) and line.rules == rules
        return same and all(bound.counters is self._counters[name] for name, bound in line.bound.items())

    def _bind(self, line: LinkState, rule: Rule, counters: RuleCounters) -> PacketRule:
        test = None if isinstance(rule.match, Always) else rule.match.compile(line.connections)
        return PacketRule(rule, counters, line.rng, test, bind(rule.action, replace(line.scene, rule=rule.name)))


def _asks_connections(match: Match) -> bool:
    if isinstance(match, AllOf | AnyOf):
        return any(_asks_connections(part) for part in match.parts)
    return _asks_connections(match.part) if isinstance(match, Not) else isinstance(match, Dialled | Age)
