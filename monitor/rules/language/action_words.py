"""The words of the rule language that say what to do: one entry a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raftmon.monitor.rules.actions import kinds
from raftmon.monitor.rules.conditions.messages import MESSAGE_ACTIONS
from raftmon.monitor.rules.language.grammar import Parser

__all__ = ["ACTIONS"]


def _delay(parser: Parser) -> kinds.Action:
    options: dict[str, Any] = {"ms": parser.time_ms()}
    if parser.accept("±", "+-"):
        options["jitter_ms"] = parser.time_ms()
    if parser.at("uniform", "normal", "pareto"):
        options["distribution"] = parser.take().text
    if parser.accept("unordered"):
        options["keep_order"] = False
    return kinds.Delay(**options)


def _loss(parser: Parser) -> kinds.Action:
    if not parser.accept("bursts"):
        return kinds.Loss(parser.share())
    options: dict[str, float] = {}
    for word in ("enter", "leave"):
        parser.expect_text(word)
        options[word] = parser.share()
    for word in ("bad", "good"):
        if parser.accept(word):
            options[word] = parser.share()
    return kinds.LossBursts(**options)


def _duplicate(parser: Parser) -> kinds.Action:
    copies = parser.whole("a number of copies", 1, 100) if parser.at_number("") else 1
    return kinds.Duplicate(copies, parser.time_ms() if parser.accept("gap") else 0.0)


def _corrupt(parser: Parser) -> kinds.Action:
    bits = 1
    if parser.at_number(""):
        bits = parser.whole("a number of bits", 1, 1000)
        parser.expect_text("bits", "bit")
    return kinds.Corrupt(bits, parser.accept("repaired"))


def _rate(parser: Parser) -> kinds.Action:
    options: dict[str, Any] = {"kbit_s": parser.kbit_s()}
    if parser.accept("queue"):
        options["queue_bytes"] = parser.byte_count()
    if parser.accept("burst"):
        options["burst_bytes"] = parser.byte_count()
    return kinds.Rate(**options)


def _rewrite(parser: Parser) -> kinds.Action:
    find = parser.literal()
    parser.expect_text("to")
    return kinds.Replace(find, parser.literal())


ACTIONS: dict[str, Callable[[Parser], kinds.Action]] = {
    "accept": lambda parser: kinds.Accept(),
    "drop": lambda parser: kinds.Drop(),
    "reject": lambda parser: kinds.Reject(),
    "delay": _delay,
    "loss": _loss,
    "duplicate": _duplicate,
    "reorder": lambda parser: kinds.Reorder(parser.time_ms()),
    "corrupt": _corrupt,
    "rate": _rate,
    "rewrite": _rewrite,
    "mirror": lambda parser: kinds.Mirror(),
    "unrecorded": lambda parser: kinds.Unrecorded(),
    **MESSAGE_ACTIONS,
}
