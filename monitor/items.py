"""Rules as JSON objects, for the control socket and config files.

An object has ``name``, who it is about (``link``: ``"n1->n2"``, or ``source`` and ``target``: a name, a list of names,
``"*"``), ``action`` and the modifiers ``probability``, ``count``, ``after_ms``, ``for_ms``, ``every_nth``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.actions import kinds
from monitor.match import Links
from monitor.rules import Rule
from setup.errors import InputError

__all__ = ["rule_from_item", "rule_to_item"]


def rule_from_item(item: dict[str, Any] | str, names: Sequence[str]) -> Rule:
    """One rule; raises InputError that says what is wrong with it."""
    if isinstance(item, str):
        raise InputError("one-line rules come with monitor/language.py")

    def ends(value: Any) -> frozenset[str] | None:
        if value in (None, "*"):
            return None
        return frozenset([value] if isinstance(value, str) else value)

    kind = item.get("action")
    action: kinds.Action
    if kind == "drop":
        action = kinds.Drop()
    elif kind == "accept":
        action = kinds.Accept()
    elif kind == "delay":
        action = kinds.Delay(item["ms"], item.get("jitter_ms", 0.0))
    else:
        raise InputError(f"there is no action {kind!r}")
    extra = {k: item[k] for k in ("probability", "count", "after_ms", "for_ms", "every_nth") if k in item}
    return Rule(item.get("name", ""), Links(ends(item.get("source")), ends(item.get("target"))), action, **extra)


def rule_to_item(rule: Rule) -> dict[str, Any]:
    """The object ``rule_from_item`` makes the same rule from."""
    return {"name": rule.name}
