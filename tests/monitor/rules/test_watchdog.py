"""User code that does not return is interrupted, named and taken out."""

import contextlib

import pytest

from raftmon.monitor.rules import api
from raftmon.monitor.rules.actions.kinds import Call
from raftmon.monitor.rules.conditions import ALWAYS
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.monitor.rules.user_code import UserCodeError
from raftmon.monitor.rules.verdict import ACCEPT
from raftmon.monitor.rules.watchdog import Watchdog
from raftmon.setup.topology import Link

PACKET = b"\x45\0\0\x28" + bytes(5) + b"\x06" + bytes(10) + bytes(20)


def _forever(view):
    while True:
        with contextlib.suppress(Exception):
            pass


def _engine(rule, told, strict=False):
    watchdog = Watchdog(limit_s=0.2)
    watchdog.start()
    engine = Engine(
        [Link("n1", "n2")], "0", 0, on_error=lambda *words: told.append(words), strict=strict, watchdog=watchdog
    )
    engine.load(RuleSet((rule,)), 0)
    return engine, watchdog


def _now():
    import time

    return time.monotonic_ns()


def test_a_rule_that_never_returns_is_named_and_asked_no_more():
    told = []
    engine, watchdog = _engine(Rule("endless", ALWAYS, Call(_forever)), told)
    try:
        chain = engine.chain(0)
        assert chain(PACKET, _now()) == ACCEPT
        assert engine.hung == ["endless"]
        assert told[0][0] == "endless"
        assert "did not return within 0.2 s" in told[0][1]
        assert chain(PACKET, _now()) == ACCEPT  # at once: it is taken out
        assert engine.hung == ["endless"]
    finally:
        watchdog.stop()


def test_in_a_strict_run_it_ends_the_run():
    engine, watchdog = _engine(Rule("endless", ALWAYS, Call(_forever)), [], strict=True)
    try:
        with pytest.raises(UserCodeError, match="rule endless: it did not return"):
            engine.chain(0)(PACKET, _now())
    finally:
        watchdog.stop()


def test_a_rule_that_returns_is_left_alone():
    engine, watchdog = _engine(Rule("quick", ALWAYS, Call(lambda view: api.drop())), [])
    try:
        for _ in range(1000):
            engine.chain(0)(PACKET, _now())
        assert engine.hung == []
        assert watchdog.overdue() is None
    finally:
        watchdog.stop()


def test_only_a_rule_that_is_inside_for_too_long_is_overdue():
    now = [0]
    watchdog = Watchdog(1.0, lambda: now[0])
    assert watchdog.overdue() is None
    watchdog.enter("mine")
    assert watchdog.overdue() is None
    now[0] = 1_000_000_000
    assert watchdog.overdue() == "mine"
    watchdog.leave()
    assert watchdog.overdue() is None
