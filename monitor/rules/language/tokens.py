"""The words of the rule language, each with its place in the line, and errors that point at it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from raftmon.setup.errors import InputError

__all__ = ["MAX_LENGTH", "NAME", "Token", "complain", "did_you_mean", "tokenize"]

MAX_LENGTH = 4096
NAME = r"[A-Za-z_]\w*(?:[-.]\w+)*"

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<address>(?=[0-9a-fA-F:.]*:[0-9a-fA-F.]*:)[0-9a-fA-F:.]+(?:/\d+)? | \d+\.\d+\.\d+\.\d+(?:/\d+)?)
    | (?P<number>\d+(?:\.\d+)?)(?P<unit>%|[A-Za-zµ]*)
    | (?P<name>"""
    + NAME
    + r""")
    | "(?P<string>(?:\\.|[^"\\])*)"
    | /(?P<regex>(?:\\.|[^/\\])*)/
    | (?P<sign><->|->|<=|>=|!=|\.\.|\+-|[<>=~±*(),:])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word: ``kind`` is name, number, string, regex, address, sign or end; ``text`` as the kind has it."""

    kind: str
    text: str
    column: int
    width: int
    unit: str = ""

    def __str__(self) -> str:
        return "the end of the line" if self.kind == "end" else repr(self.text + self.unit)


def complain(line: str, column: int, message: str, width: int = 1) -> InputError:
    """An error whose second and third line show the rule and point at the column (counted from 1 in words)."""
    flat = re.sub(r"\s", " ", line)
    return InputError(f"column {column + 1}: {message}\n    {flat}\n    {' ' * column}{'^' * max(1, width)}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint such as ``; did you mean 'delay'?``, empty if nothing is close."""
    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def tokenize(line: str) -> list[Token]:
    """The line's tokens with an ``end`` token behind them; raises InputError at a character no word begins with."""
    if len(line) > MAX_LENGTH:
        raise InputError(f"a rule has at most {MAX_LENGTH} characters, not {len(line)}: put longer ones in a script")
    tokens: list[Token] = []
    position = 0
    while position < len(line):
        found = _TOKEN.match(line, position)
        if found is None:
            if line[position] in '"/':
                raise complain(line, position, f"the text that begins with {line[position]} is not closed")
            raise complain(line, position, f"{line[position]!r} has no meaning in a rule")
        kind = found.lastgroup or ""
        kind = "number" if kind == "unit" else kind
        if kind != "space":
            unit = found["unit"] or ""
            tokens.append(Token(kind, found[kind], position, found.end() - position, unit))
        position = found.end()
    tokens.append(Token("end", "", len(line.rstrip()), 1))
    return tokens
