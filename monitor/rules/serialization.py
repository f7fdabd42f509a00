"""Rules as JSON objects, for the control socket and config files.

An object has ``action`` and, each where it is wanted, ``name``; who it is about, ``source`` and ``target`` (a name, a
list of names or ``"*"``); ``match``, a condition in the rule language; and the modifiers ``probability`` (0 to 1),
``count``, ``after_ms``, ``for_ms``, ``every_nth``. ``action`` is text of the rule language (``"delay 50ms"``), or the
word alone with the action's fields beside it (``"action": "delay", "ms": 50``). ``rule`` instead of all that is a whole
line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from raftmon.monitor.rules.actions import kinds
from raftmon.monitor.rules.conditions import ALWAYS, ROLES, Links, Match, both
from raftmon.monitor.rules.language import parse_action, parse_match, parse_rule, write_action, write_match
from raftmon.monitor.rules.language.vocabulary import ACTION_FIELDS
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.setup.errors import InputError

__all__ = ["rule_from_item", "rule_to_item", "ruleset_from_items", "ruleset_to_items", "with_items"]

_MODIFIERS = ("probability", "count", "after_ms", "for_ms", "every_nth")
_KEYS = ("name", "source", "target", "match", "action", *_MODIFIERS)


def rule_from_item(item: dict[str, Any] | str, names: Sequence[str]) -> Rule:
    """One rule from a line or an object; raises InputError that says what is wrong with it."""
    if isinstance(item, str):
        return parse_rule(item, names)
    if not isinstance(item, dict):
        raise InputError(f"a rule is a line of text or an object, not {item!r}")
    name = item.get("name", "")
    if not isinstance(name, str):
        raise InputError(f"a rule's name is text, not {name!r}")
    if "rule" in item:
        _known(item, ("name", "rule"))
        rule = parse_rule(_text(item, "rule"), names)
        return dataclasses.replace(rule, name=name or rule.name)
    if "action" not in item:
        raise InputError(f'the rule {name or item!r} has no "action": give it one, such as "drop"')
    source, target = (_hosts(item.get(end), end, names) for end in ("source", "target"))
    link: Match = ALWAYS if source is None and target is None else Links(source, target)
    match = parse_match(_text(item, "match"), names) if "match" in item else ALWAYS
    modifiers = {key: item[key] for key in _MODIFIERS if key in item}
    return Rule(name, both(link, match), _action(item), **modifiers)


def _text(item: dict[str, Any], key: str) -> str:
    value = item[key]
    if not isinstance(value, str):
        raise InputError(f'"{key}" of a rule is text, not {value!r}')
    return value


def _known(item: dict[str, Any], keys: Sequence[str]) -> None:
    for key in item:
        if key not in keys:
            raise InputError(f'a rule has no "{key}"; it can have {", ".join(keys)}')


def _hosts(value: Any, end: str, names: Sequence[str]) -> frozenset[str] | None:
    if value is None or value == "*":
        return None
    hosts = [value] if isinstance(value, str) else value
    if not isinstance(hosts, list | tuple) or not hosts or not all(isinstance(host, str) for host in hosts):
        raise InputError(f'"{end}" of a rule is a name, a list of names or "*", not {value!r}')
    for host in hosts:
        if names and host not in names and host not in ROLES:
            raise InputError(f"unknown host {host!r} as a rule's {end} (available: {', '.join(names)})")
    return frozenset(hosts)


def _action(item: dict[str, Any]) -> kinds.Action:
    word = _text(item, "action")
    fields = {key: value for key, value in item.items() if key not in _KEYS}
    if not fields:
        return parse_action(word)
    kind = ACTION_FIELDS.get(word)
    if kind is None:
        raise InputError(f'the action {word!r} takes no "{next(iter(fields))}"')
    there = [field.name for field in dataclasses.fields(kind)]
    _known(fields, there)
    try:
        return kind(**fields)
    except TypeError as error:
        raise InputError(f"the action {word!r} takes {', '.join(there)}: {error}") from error


def rule_to_item(rule: Rule) -> dict[str, Any]:
    """The object ``rule_from_item`` makes the same rule from; ``"script": true`` marks one that holds Python code."""
    item: dict[str, Any] = {"name": rule.name, "match": write_match(rule.match), "action": write_action(rule.action)}
    for field in dataclasses.fields(Rule):
        if field.name in _MODIFIERS and (value := getattr(rule, field.name)) != field.default:
            item[field.name] = value
    if not rule.action.parsable:
        item["script"] = True
    return item


def ruleset_from_items(items: Iterable[dict[str, Any] | str], names: Sequence[str]) -> RuleSet:
    """Rules from JSON objects and lines of text; raises InputError that says which item is wrong and how."""
    return with_items(RuleSet((), tuple(names)), items)


def with_items(ruleset: RuleSet, items: Iterable[dict[str, Any] | str | Rule]) -> RuleSet:
    """``ruleset`` with more rules, as ``RuleSet.with_rules`` adds them; raises InputError for an item that is wrong."""
    return ruleset.with_rules(item if isinstance(item, Rule) else rule_from_item(item, ruleset.names) for item in items)


def ruleset_to_items(ruleset: RuleSet) -> list[dict[str, Any]]:
    """Objects from which ``ruleset_from_items`` makes the same set; rules of scripts bear ``"script": true``."""
    return [rule_to_item(rule) for rule in ruleset]
