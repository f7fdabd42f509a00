"""The recursive-descent parser of the rule language: how words, links and modifiers make a rule.

rule      = [name ":"] [condition] action modifier*
condition = and-part ("or" and-part)*
and-part  = not-part (["and"] not-part)*
not-part  = "not" not-part | "(" condition ")" | link | condition-word …
link      = ends ("->" | "<->") ends | "*"          ends = "*" | name ("," name)*
modifier  = P% | "probability" P% | "every" N | "count" N | "after" T | "for" T
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raftmon.monitor.rules.actions.kinds import Action
from raftmon.monitor.rules.conditions import ALWAYS, Links, Match, both, either, negate
from raftmon.monitor.rules.language.cursor import Cursor
from raftmon.monitor.rules.language.tokens import complain, did_you_mean
from raftmon.monitor.rules.language.vocabulary import ACTIONS, CONDITIONS, MODIFIERS
from raftmon.monitor.rules.rule import Rule

__all__ = ["MAX_DEPTH", "Parser"]

MAX_DEPTH = 50


class Parser(Cursor):
    """Reads one line. ``names`` are the known hosts; none means that names are not checked."""

    def __init__(self, line: str, names: Sequence[str] = ()) -> None:
        super().__init__(line, names)
        self._depth = 0

    def condition(self) -> Match:
        """A whole condition, ``or`` binding weakest."""
        parts = [self._and_part()]
        while self.accept("or"):
            parts.append(self._and_part())
        return either(*parts)

    def _and_part(self) -> Match:
        parts = [self._not_part()]
        while self.accept("and") or self._starts_match():
            parts.append(self._not_part())
        return both(*parts)

    def _not_part(self) -> Match:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self.fail(f"the rule is nested more than {MAX_DEPTH} deep")
        try:
            if self.accept("not"):
                return negate(self._not_part())
            if self.accept("("):
                inside = self.condition()
                self.expect_text(")")
                return inside
            return self._primary()
        finally:
            self._depth -= 1

    def _starts_link(self) -> bool:
        following = self.tokens[min(self.position + 1, len(self.tokens) - 1)]
        if self.at("*") or self.here.kind == "string":
            return True
        return self.here.kind == "name" and following.kind == "sign" and following.text in ("->", "<->", ",")

    def _starts_match(self) -> bool:
        return self.at("not", "(", *CONDITIONS) or self._starts_link()

    def _primary(self) -> Match:
        if self._starts_link():
            return self._link()
        token = self.here
        if self.at(*CONDITIONS):
            self.take()
            return self.checked(token, lambda: CONDITIONS[token.text].parse(self, token.text))
        if token.kind == "name":
            if token.text in self.names:
                self.fail(
                    f"expected -> or <-> after the host {token.text}: write {token.text}->* or *->{token.text}", token
                )
            hint = did_you_mean(token.text, [*CONDITIONS, *ACTIONS, *MODIFIERS])
            self.fail(f"expected a link, a condition or an action, not {token}{hint}", token)
        message = f"expected a condition such as n1->n2 or port 2380, not {token}"
        raise complain(self.line, token.column, message, token.width)

    def _link(self) -> Match:
        sources = self.hosts()
        if sources is None and not self.at("->", "<->"):
            return ALWAYS
        arrow = self.expect_text("->", "<->")
        targets = self.hosts()
        if sources is None and targets is None:
            return ALWAYS
        return Links(sources, targets, arrow == "<->")

    def action(self) -> Action:
        """One action with its parameters."""
        token = self.here
        if not self.at(*ACTIONS):
            hint = did_you_mean(token.text, [*ACTIONS, *CONDITIONS]) if token.kind == "name" else ""
            self.fail(f"expected an action ({', '.join(ACTIONS)}), not {token}{hint}")
        self.take()
        return self.checked(token, lambda: ACTIONS[token.text].parse(self, token.text))

    def modifiers(self) -> dict[str, Any]:
        """Everything behind the action, as arguments of Rule."""
        found: dict[str, Any] = {}
        while self.here.kind != "end":
            token = self.here
            if self.at_number("%") or self.accept("probability"):
                key, value = "probability", self.share()
            elif self.accept("every"):
                key, value = "every_nth", self.whole("a number of packets", 1)
            elif self.accept("count"):
                key, value = "count", self.whole("a number of packets", 1)
            elif self.accept("after"):
                key, value = "after_ms", self.time_ms()
            elif self.accept("for"):
                key, value = "for_ms", self.time_ms()
            else:
                hint = did_you_mean(token.text, MODIFIERS) if token.kind == "name" else ""
                self.fail(f"expected 10%, {', '.join(MODIFIERS)} or the end of the line, not {token}{hint}")
            if key in found:
                self.fail(f"{token} says again what was said before", token)
            found[key] = value
        return found

    def rule(self) -> Rule:
        """The whole line; the rule's name is empty if the line gives none."""
        name = ""
        if self.here.kind in ("name", "string") and self.tokens[self.position + 1].text == ":":
            name = self.take().text
            self.take()
        match = ALWAYS if self.at(*ACTIONS) else self.condition()
        action = self.action()
        return self.checked(self.tokens[0], lambda: Rule(name, match, action, **self.modifiers()))
