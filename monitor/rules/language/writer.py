"""Rules written back as lines of text, from which the parser makes the same rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raftmon.monitor.rules import conditions as m
from raftmon.monitor.rules.actions import kinds
from raftmon.monitor.rules.language.spelling import host, hosts, number, share
from raftmon.monitor.rules.language.vocabulary import RESERVED, WRITE_ACTION, WRITE_CONDITION
from raftmon.monitor.rules.rule import Rule

__all__ = ["write_action", "write_match", "write_modifiers", "write_rule"]


def _links(links: m.Links) -> str:
    return f"{hosts(links.sources, RESERVED)}{'<->' if links.both else '->'}{hosts(links.targets, RESERVED)}"


def _nested(part: m.Match) -> str:
    text = write_match(part)
    return f"({text})" if isinstance(part, m.AllOf | m.AnyOf) else text


_WRITE_TREE: dict[type, Callable[[Any], str]] = {
    m.Never: lambda x: "not *",
    m.Links: _links,
    m.AllOf: lambda x: " and ".join(map(_nested, x.parts)),
    m.AnyOf: lambda x: " or ".join(map(_nested, x.parts)),
    m.Not: lambda x: f"not {_nested(x.part)}",
}


def write_match(match: m.Match) -> str:
    """A condition as text."""
    return (_WRITE_TREE.get(type(match)) or WRITE_CONDITION[type(match)])(match)


def write_action(action: kinds.Action) -> str:
    """An action as text; one that holds a Python function is named after it and cannot be parsed back."""
    if isinstance(action, kinds.Call | kinds.Rewrite):
        word = "call" if isinstance(action, kinds.Call) else "rewrite"
        return f"{word} {getattr(action.function, '__qualname__', action.function)}"
    return WRITE_ACTION[type(action)](action)


def write_modifiers(rule: Rule) -> str:
    """What stands behind the action, empty if nothing does."""
    words = []
    if rule.probability != 1:
        words.append(share(rule.probability))
    if rule.every_nth != 1:
        words.append(f"every {rule.every_nth}")
    if rule.count is not None:
        words.append(f"count {rule.count}")
    if rule.after_ms:
        words.append(f"after {number(rule.after_ms)}ms")
    if rule.for_ms is not None:
        words.append(f"for {number(rule.for_ms)}ms")
    return " ".join(words)


def write_rule(rule: Rule) -> str:
    """The whole line, the rule's name in front."""
    name = f"{host(rule.name, RESERVED)}:" if rule.name else ""
    return " ".join(
        part for part in (name, write_match(rule.match), write_action(rule.action), write_modifiers(rule)) if part
    )
