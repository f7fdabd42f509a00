"""Rules that are user code: what they may return, and that their errors never stop traffic."""

from __future__ import annotations

from typing import Any

import pytest

from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.rules.actions.kinds import Call, Drop
from raftmon.monitor.rules.api import accept, delay, drop, rate
from raftmon.monitor.rules.conditions import ALWAYS
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.monitor.rules.user_code import UserCodeError
from raftmon.monitor.rules.verdict import ACCEPT, Copy, Verdict
from tests.monitor.rules.chains import (
    LINKS,
    PACKET,
    chain_with,
    delays_ms,
    engine_with,
)


def call(function: Any) -> Rule:
    return Rule("mine", ALWAYS, Call(function))


def test_user_code_returns_an_action_several_a_verdict_or_nothing() -> None:
    assert not chain_with(call(lambda view: drop()))(PACKET, 0).copies
    assert delays_ms(chain_with(call(lambda view: [delay(2), delay(3)]))(PACKET, 0)) == [5]
    assert chain_with(call(lambda view: None))(PACKET, 0) is ACCEPT
    own = Verdict((Copy(7, b"abc"),), comment="forged")
    verdict = chain_with(call(lambda view: own), Rule("late", ALWAYS, Call(lambda view: drop())))(PACKET, 0)
    assert (verdict.copies, verdict.rule, verdict.comment) == (own.copies, "mine", "forged")


def test_user_code_that_accepts_stops_later_rules_and_one_without_opinion_does_not() -> None:
    assert chain_with(Rule("first", ALWAYS, Drop()), call(lambda view: accept()))(PACKET, 0).copies == ()
    engine = Engine(LINKS, "", 0)
    engine.load(RuleSet((call(lambda view: accept()), Rule("cut", ALWAYS, Drop()))), 0)
    assert engine.chain(0)(PACKET, 0).copies  # type: ignore[misc]


def test_a_bucket_returned_by_user_code_is_one_bucket() -> None:
    chain = chain_with(call(lambda view: rate(8, burst_bytes=140)))
    assert delays_ms(chain(PACKET, 1), 1) == [0]
    assert delays_ms(chain(PACKET, 1), 1) == [140]


def test_an_exception_in_user_code_lets_the_packet_pass_is_told_once_and_counted() -> None:
    told: list[tuple[str, str]] = []

    def broken(view: PacketView) -> None:
        raise KeyError("no such thing")

    engine = engine_with(call(broken), on_error=lambda rule, text: told.append((rule, text)))
    for n in range(3):
        assert engine.chain(0)(PACKET, n) is ACCEPT  # type: ignore[misc]
    assert engine.stats()["mine"]["errors"] == 3
    assert [rule for rule, _ in told] == ["mine"]
    assert "KeyError: 'no such thing'" in told[0][1]
    assert 'raise KeyError("no such thing")' in told[0][1]
    assert "effects.py" not in told[0][1]


@pytest.mark.parametrize("answer", [5, "drop", [delay(1), "x"], Call(print)])
def test_a_wrong_answer_of_user_code_counts_as_its_error(answer: Any) -> None:
    engine = engine_with(call(lambda view: answer))
    assert engine.chain(0)(PACKET, 0) is ACCEPT  # type: ignore[misc]
    assert engine.stats()["mine"]["errors"] == 1


def test_user_code_that_wants_to_exit_does_not() -> None:
    engine = engine_with(call(lambda view: exit(3)))
    assert engine.chain(0)(PACKET, 0) is ACCEPT  # type: ignore[misc]


def test_in_a_strict_run_user_code_that_fails_ends_it() -> None:
    chain = chain_with(call(lambda view: 1 // 0), strict=True)
    with pytest.raises(UserCodeError, match=r"rule mine: (.|\n)*ZeroDivisionError"):
        chain(PACKET, 0)
