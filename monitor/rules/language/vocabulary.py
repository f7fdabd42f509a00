"""Every word of the rule language, by itself: what the grammar reads and the writer writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raftmon.monitor.rules.actions.kinds import Action
from raftmon.monitor.rules.conditions import Match
from raftmon.monitor.rules.language.action_words import PACKET_ACTIONS
from raftmon.monitor.rules.language.condition_words import PACKET_CONDITIONS
from raftmon.monitor.rules.language.message_words import MESSAGE_ACTIONS, MESSAGE_CONDITIONS
from raftmon.monitor.rules.language.word import MODIFIERS, Word

__all__ = [
    "ACTIONS",
    "ACTION_FIELDS",
    "CONDITIONS",
    "MODIFIERS",
    "RESERVED",
    "WRITE_ACTION",
    "WRITE_CONDITION",
    "vocabulary_help",
]

_ACTION_ROWS = (*PACKET_ACTIONS, *MESSAGE_ACTIONS)
_CONDITION_ROWS = (*PACKET_CONDITIONS, *MESSAGE_CONDITIONS)

ACTIONS: dict[str, Word[Action]] = {word: row for row in _ACTION_ROWS for word in row.words}
CONDITIONS: dict[str, Word[Match]] = {word: row for row in _CONDITION_ROWS for word in row.words}
_HELP_COLUMN = 54
RESERVED = frozenset({*CONDITIONS, *ACTIONS, *MODIFIERS, "and", "or", "not"})

WRITE_ACTION: dict[type, Callable[[Any], str]] = {kind: how for row in _ACTION_ROWS for kind, how in row.writes.items()}
WRITE_CONDITION: dict[type, Callable[[Any], str]] = {
    kind: how for row in _CONDITION_ROWS for kind, how in row.writes.items()
}
ACTION_FIELDS: dict[str, type[Action]] = {name: kind for row in _ACTION_ROWS for name, kind in row.fields.items()}


def vocabulary_help() -> str:
    """All words with what they mean, a line each, under three headings."""
    parts = (
        ("conditions on packets", PACKET_CONDITIONS),
        ("conditions on Raft messages", MESSAGE_CONDITIONS),
        ("actions on packets", PACKET_ACTIONS),
        ("actions on Raft messages (besides accept, drop, delay, duplicate)", MESSAGE_ACTIONS),
    )
    lines: list[str] = []
    for heading, rows in parts:
        lines += [f"{heading}:", *(f"  {row.form:<{_HELP_COLUMN}}  {row.help}" for row in rows), ""]
    return "\n".join(lines)
