"""The one-line rule language: ``slow: n1<->n3 port 2380 delay 50ms ±10ms 20% for 5s``.

``docs/rules.md`` explains it; ``raftmon.monitor.rules.language.grammar`` has the grammar. A new word is a row in
``action_words``, ``condition_words`` or ``message_words``.
"""

from __future__ import annotations

from collections.abc import Sequence

from raftmon.monitor.rules.actions.kinds import Action
from raftmon.monitor.rules.conditions import ALWAYS, Match
from raftmon.monitor.rules.language.grammar import Parser
from raftmon.monitor.rules.language.vocabulary import vocabulary_help
from raftmon.monitor.rules.language.writer import write_action, write_match, write_modifiers, write_rule
from raftmon.monitor.rules.rule import Rule

__all__ = [
    "parse_action",
    "parse_match",
    "parse_rule",
    "vocabulary_help",
    "write_action",
    "write_match",
    "write_modifiers",
    "write_rule",
]


def _finished(parser: Parser) -> None:
    if parser.here.kind != "end":
        parser.fail(f"expected the end of the line, not {parser.here}")


def parse_rule(line: str, names: Sequence[str] = ()) -> Rule:
    """One rule from one line; its name is empty if the line gives none.

    ``names`` are the known hosts (none: names are not checked). Raises InputError that points at the column.
    """
    return Parser(line, names).rule()


def parse_match(text: str, names: Sequence[str] = ()) -> Match:
    """A condition alone; an empty text is every packet. Raises InputError that points at the column."""
    if not text.strip():
        return ALWAYS
    parser = Parser(text, names)
    match = parser.condition()
    _finished(parser)
    return match


def parse_action(text: str) -> Action:
    """An action alone, without modifiers. Raises InputError that points at the column."""
    parser = Parser(text)
    action = parser.action()
    _finished(parser)
    return action
