"""The small language of ``--where``: comparisons of a message's fields, joined by and, or, not.

    kind = "MsgVote" and term > 3
    from = "n1" and (entries >= 2 or reject) and key ~ "user/"
    kind in ("MsgApp", "MsgSnap") and time between 1.5 and 2.5

It is translated to one SQL condition with every value as a parameter, so nothing in it can do more than ask.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raftmon.monitor.raft.message import KINDS
from raftmon.setup.errors import InputError, suggestion

__all__ = ["FIELDS", "Condition", "parse_where"]

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?))(?![\w.])
    |(?P<word>[A-Za-z_][A-Za-z_0-9]*)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<sign><=|>=|!=|==|<>|!~|[=<>~(),]))""",
    re.VERBOSE,
)

# name -> (SQL, type): of the message itself, or of one of its entries.
_MESSAGE: dict[str, tuple[str, str]] = {
    "kind": ("m.kind", "text"),
    "from": ("m.source", "text"),
    "to": ("m.target", "text"),
    "term": ("m.term", "number"),
    "log_term": ("m.log_term", "number"),
    "index": ("m.log_index", "number"),
    "commit": ("m.commit_index", "number"),
    "entries": ("m.entries", "number"),
    "first_index": ("m.first_index", "number"),
    "last_index": ("m.last_index", "number"),
    "reject": ("m.reject", "flag"),
    "hint": ("m.reject_hint", "number"),
    "group": ("m.grp", "text"),
    "channel": ("c.name", "text"),
    "system": ("c.system", "text"),
    "packet": ("m.last_packet", "number"),
    "size": ("m.size", "number"),
    "verdict": ("COALESCE(m.verdict, '')", "text"),
    "delivered": ("m.delivered", "flag"),
    "context": ("COALESCE(CAST(m.context AS TEXT), '')", "text"),
    "snapshot": ("COALESCE(m.snapshot_index, 0)", "number"),
    "time": ("(m.time_ns - :start_ns) / 1e9", "number"),
}
_ENTRY: dict[str, tuple[str, str]] = {
    "op": ("e.operation", "text"),
    "key": ("e.key", "text"),
    "value": ("CAST(e.value AS TEXT)", "text"),
    "request": ("e.request_id", "text"),
}
FIELDS: tuple[str, ...] = (*_MESSAGE, *_ENTRY)
"""The names the language knows. ``time`` is seconds from the first message; ``op``, ``key``, ``value`` and
``request`` are of any entry of the message."""

_COMPARE = {"=": "=", "==": "=", "!=": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Condition:
    """An SQL condition on ``messages m JOIN channels c`` and its parameters (``:start_ns`` beside them)."""

    sql: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


def parse_where(text: str, columns: Mapping[str, tuple[str, str]] | None = None) -> Condition:
    """Translate one expression; raises InputError that points at the column where it cannot be read.

    ``columns`` are the fields of another table: name -> (SQL, ``text``, ``number`` or ``flag``).
    """
    return _Parser(text, columns).parse()


class _Parser:
    def __init__(self, text: str, columns: Mapping[str, tuple[str, str]] | None) -> None:
        self._text = text
        self._columns = _MESSAGE if columns is None else columns
        self._entries = _ENTRY if columns is None else {}
        self._tokens = self._split()
        self._place = 0
        self._depth = 0
        self._parameters: dict[str, Any] = {}

    def parse(self) -> Condition:
        sql = self._either()
        if self._now().kind != "end":
            raise self._error(self._now(), "expected and, or, or the end")
        return Condition(sql, self._parameters)

    def _split(self) -> list[_Token]:
        tokens, place = [], 0
        text = self._text.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                column = place + len(text[place:]) - len(text[place:].lstrip())
                raise self._error(_Token("?", text[column], column), "this cannot be read")
            kind = match.lastgroup or ""
            tokens.append(_Token(kind, match.group(kind), match.start(kind)))
            place = match.end()
        tokens.append(_Token("end", "", len(text)))
        return tokens

    def _error(self, token: _Token, why: str) -> InputError:
        found = f"{token.text!r}" if token.text else "the end"
        return InputError(
            f"--where, column {token.column + 1}: {why}, found {found}\n  {self._text}\n  {' ' * token.column}^"
        )

    def _now(self) -> _Token:
        return self._tokens[self._place]

    def _next(self) -> _Token:
        token = self._tokens[self._place]
        self._place += token.kind != "end"
        return token

    def _accept(self, *words: str) -> _Token | None:
        token = self._now()
        if token.kind in ("word", "sign") and token.text.lower() in words:
            return self._next()
        return None

    def _either(self) -> str:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(self._now(), f"this nests deeper than {_MAX_DEPTH}")
        parts = [self._both()]
        while self._accept("or"):
            parts.append(self._both())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else "(" + " OR ".join(parts) + ")"

    def _both(self) -> str:
        parts = [self._negated()]
        while self._accept("and"):
            parts.append(self._negated())
        return parts[0] if len(parts) == 1 else "(" + " AND ".join(parts) + ")"

    def _negated(self) -> str:
        negations = 0
        while self._accept("not"):
            negations += 1
        if self._accept("("):
            inner = self._either()
            if not self._accept(")"):
                raise self._error(self._now(), "expected )")
        else:
            inner = self._comparison()
        return f"(NOT COALESCE({inner}, 0))" if negations % 2 else inner

    def _comparison(self) -> str:
        token = self._next()
        known = {**self._columns, **self._entries}
        if token.kind != "word" or token.text not in known:
            raise self._error(token, f"expected one of {', '.join(known)}")
        of_entry = token.text in self._entries
        column, kind = known[token.text]
        sql = self._test(token, column, kind)
        if of_entry:
            return f"EXISTS (SELECT 1 FROM entries e WHERE e.message = m.id AND {sql})"
        return sql

    def _test(self, field: _Token, column: str, kind: str) -> str:
        sign = self._now()
        if sign.kind == "sign" and sign.text in _COMPARE:
            self._next()
            if kind == "text" and sign.text not in ("=", "==", "!=", "<>"):
                raise self._error(sign, f"{field.text} is text: compare it with =, !=, ~ or in")
            return f"{column} {_COMPARE[sign.text]} {self._value(field, kind)}"
        if self._accept("~", "!~"):
            if kind != "text":
                raise self._error(sign, f"~ looks for a part of a text, and {field.text} is a number")
            return f"INSTR({column}, {self._value(field, kind, exact=False)}) {'> 0' if sign.text == '~' else '= 0'}"
        if self._accept("in"):
            if not self._accept("("):
                raise self._error(self._now(), "expected ( after in")
            values = [self._value(field, kind)]
            while self._accept(","):
                values.append(self._value(field, kind))
            if not self._accept(")"):
                raise self._error(self._now(), "expected , or )")
            return f"{column} IN ({', '.join(values)})"
        if self._accept("between"):
            if kind != "number":
                raise self._error(sign, f"between is for numbers, and {field.text} is none")
            low = self._value(field, kind)
            if not self._accept("and"):
                raise self._error(self._now(), "expected and")
            return f"{column} BETWEEN {low} AND {self._value(field, kind)}"
        if kind == "flag":
            return f"{column} = 1"
        raise self._error(sign, f"expected a comparison of {field.text} (=, !=, <, <=, >, >=, ~, in, between)")

    def _value(self, field: _Token, kind: str, *, exact: bool = True) -> str:
        token = self._next()
        value: Any
        if kind == "text":
            if token.kind == "string":
                value = re.sub(r"\\(.)", r"\1", token.text[1:-1])
            elif token.kind == "word" and token.text.lower() not in ("and", "or", "not", "in"):
                value = token.text
            else:
                raise self._error(token, f"{field.text} is compared with a text, in quotes")
        elif kind == "flag" and token.text.lower() in ("true", "false"):
            value = int(token.text.lower() == "true")
        elif token.kind == "number":
            value = float(token.text) if "." in token.text else int(token.text, 0 if "x" in token.text else 10)
            if isinstance(value, int) and abs(value) >= 1 << 63:
                raise self._error(token, "this number is too large")
        else:
            raise self._error(token, f"{field.text} is compared with a number")
        if field.text == "kind" and self._entries and exact and value not in KINDS:
            meant = suggestion(str(value), KINDS)
            raise self._error(token, f"there is no such kind of message; {meant}expected one of {', '.join(KINDS)}")
        name = f"p{len(self._parameters)}"
        self._parameters[name] = value
        return f":{name}"
