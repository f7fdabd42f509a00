"""The rules on messages behind the packet rules, as the engine asks them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from raftmon.monitor.rules.actions.decision import Decision
from raftmon.monitor.rules.actions.kinds import Action
from raftmon.monitor.rules.conditions import ALWAYS
from raftmon.monitor.rules.gate import RuleGate
from raftmon.monitor.rules.replay import craft
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.monitor.rules.serialization import with_items
from raftmon.monitor.rules.verdict import ACCEPT
from raftmon.setup.topology import Link
from tests.monitor.rules.chains import (
    NAMES,
    PACKET,
    THERE,
    chain_with,
    engine_with,
)


@dataclass(frozen=True, slots=True)
class DropLetters(Action):
    """What another module adds: an action on messages."""

    stage = "message"


LETTERS = Rule("letters", ALWAYS, DropLetters(), every_nth=2)


class Stage:
    """A message stage that drops what carries the letter q."""

    def check(self, rules: RuleSet) -> None:
        """Nothing is impossible here."""

    def __init__(self) -> None:
        self.gates: list[RuleGate] = []
        self.seen = 0

    def load(self, rules: object, now_ns: int) -> None:
        self.loads = getattr(self, "loads", 0) + 1

    def bind(self, link: Link, gates: Any) -> Any:
        if link != THERE:
            return None
        self.gates = list(gates)

        def apply(decision: Decision) -> bool:
            self.seen += 1
            if b"!" in decision.view.payload:
                raise ValueError("a message that cannot be read")
            if decision.ended or b"q" not in decision.view.payload:
                return False
            for gate in self.gates:
                if gate.in_window(decision.now_ns) and gate.fires():
                    gate.acted(decision.view.size)
                    decision.lose("message drop")
                    decision.rules.append(gate.name)
                    return True
            return False

        return apply


def test_message_rules_are_asked_after_packet_rules() -> None:
    stage = Stage()
    engine = engine_with("port 1 drop", LETTERS, message_stage=stage)
    chain = engine.chain(0)
    assert chain is not None
    letter = craft(THERE, payload=b"q")
    assert [chain(data, 0) for data in (PACKET, letter)] == [ACCEPT, ACCEPT]
    verdict = chain(letter, 0)
    assert (verdict.copies, verdict.rule, verdict.comment) == ((), "letters", "message drop")
    assert chain(craft(THERE, ports=(1, 2), payload=b"q"), 0).rule == "r1"
    assert engine.stats()["letters"] == {"packets": 2, "hits": 1, "bytes": len(letter), "errors": 0}


def test_a_message_rule_that_stays_keeps_its_gate() -> None:
    stage = Stage()
    engine = engine_with(LETTERS, message_stage=stage)
    (before,) = stage.gates
    engine.load(with_items(RuleSet((), NAMES), [LETTERS, "drop"]), 5)
    assert stage.gates == [before]
    engine.load(with_items(RuleSet((), NAMES), [replace(LETTERS, every_nth=3)]), 5)
    assert stage.gates != [before]


def test_message_rules_alone_make_no_chain_without_their_stage() -> None:
    assert engine_with(LETTERS).chain(0) is None


def test_message_rules_see_what_was_accepted_but_not_what_was_lost() -> None:
    stage = Stage()
    chain = chain_with("port 2380 accept", "port 1 drop", LETTERS, message_stage=stage)
    assert chain(craft(THERE, payload=b"q"), 0).copies
    assert stage.seen == 1
    chain(craft(THERE, ports=(1, 2), payload=b"q"), 0)
    assert stage.seen == 1


def test_a_message_stage_that_fails_lets_the_packet_pass_and_is_told_once() -> None:
    told: list[tuple[str, str]] = []
    chain = chain_with("port 1 drop", message_stage=Stage(), on_error=lambda rule, text: told.append((rule, text)))
    for _ in range(2):
        assert chain(craft(THERE, payload=b"!"), 0) is ACCEPT
    assert [rule for rule, _ in told] == ["messages"]
    assert "a message that cannot be read" in told[0][1]
