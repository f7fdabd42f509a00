"""Clojure's notation (github.com/edn-format/edn), as far as histories of Jepsen and Knossos use it.

Keywords and symbols become strings without their colon, sets lists, tagged values what they tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from raftmon.driver.histories.model import MAX_DEPTH

__all__ = ["EdnError", "first_form", "forms", "whole_text"]

_TOKEN = re.compile(
    r"""[\s,]+ | ;[^\n]*
    | (?P<open>\#?\{|\(|\[) | (?P<close>[)\]}]) | (?P<discard>\#_)
    | "(?P<string>(?:[^"\\]|\\.)*)"
    | \\(?P<character>newline|space|tab|return|u[0-9a-fA-F]{4}|.)
    | (?P<tag>\#[^\s,()\[\]{}";]+) | (?P<atom>[^\s,()\[\]{}";#\\][^\s,()\[\]{}";]*)""",
    re.VERBOSE | re.DOTALL,
)
_CLOSES = {"{": "}", "#{": "}", "(": ")", "[": "]"}
_NUMBER = re.compile(r"[-+]?\d+N?$")
_FLOAT = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?M?$")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "b": "\b", "f": "\f"}
_CHARACTERS = {"newline": "\n", "space": " ", "tab": "\t", "return": "\r"}
_MAX_DIGITS = 4000  # Python itself refuses to read longer integers (CVE-2020-10735)
_WORDS = {"nil": None, "true": True, "false": False}


class EdnError(ValueError):
    """Text that is not EDN; ``position`` is where in it, ``cut`` whether it merely ended too early."""

    def __init__(self, message: str, position: int, *, cut: bool = False) -> None:
        super().__init__(message)
        self.position = position
        self.cut = cut


def _atom(text: str) -> Any:
    if text[0] == ":":
        return text[1:]
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.match(text):
        return int(text.rstrip("N")) if len(text) <= _MAX_DIGITS else text
    if _FLOAT.match(text):
        return float(text.rstrip("M"))
    return text


def _string(text: str) -> str:
    if "\\" not in text:
        return text

    def unescape(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)

    return whole_text(re.sub(r"\\(u[0-9a-fA-F]{4}|.)", unescape, text, flags=re.DOTALL))


def whole_text(text: str) -> str:
    """``text`` with pairs of surrogates joined; a lone one, which no file can hold, becomes U+FFFD."""
    if text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _character(text: str) -> str:
    return whole_text(chr(int(text[1:], 16))) if len(text) == 5 and text[0] == "u" else _CHARACTERS.get(text, text)


def _scalar(match: re.Match[str]) -> Any:
    if match["string"] is not None:
        return _string(match["string"])
    return _atom(match["atom"]) if match["atom"] else _character(match["character"])


def _built(opener: str, items: list[Any]) -> Any:
    if opener != "{":
        return items
    pairs = iter(items)
    return {name if isinstance(name, str) else repr(name): value for name, value in zip(pairs, pairs, strict=False)}


def first_form(text: str) -> tuple[Any, str]:
    """The first value in ``text`` and what is behind it. Raises EdnError if there is none."""
    ends: list[int] = []
    for _, value in forms(text, ends=ends):
        return value, text[ends[0] :].strip()
    raise EdnError("there is no value", 0, cut=True)


def forms(  # noqa: C901  (one branch a kind of token)
    text: str, *, flatten: bool = False, ends: list[int] | None = None
) -> Iterator[tuple[int, Any]]:
    """Each value at the top of ``text`` with its position.

    With ``flatten`` the items of vectors and lists at the top are given instead of these; ``ends`` takes the position
    behind each value. Raises EdnError, after having given what came before.
    """
    stack: list[tuple[str, int, list[Any]]] = []
    position, end = 0, len(text)
    pending_discards: list[int] = []  # depths at which the next value is to be thrown away
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise EdnError(f"no EDN at {text[position : position + 20]!r}", position, cut=text[position] == '"')
        start, position = position, match.end()
        kind = match.lastgroup
        if kind is None or kind == "tag":
            continue
        if kind == "discard":
            pending_discards.append(len(stack))
            continue
        if kind == "open":
            opener = match["open"]
            if flatten and not stack and opener in "[(":
                opener, flatten = "top", False
            stack.append((opener, start, []))
            if len(stack) > MAX_DEPTH:
                raise EdnError(f"a value nested more than {MAX_DEPTH} deep", start)
            continue
        if kind == "close":
            if not stack or (stack[-1][0] != "top" and _CLOSES[stack[-1][0]] != match["close"]):
                raise EdnError(f"a {match['close']} that closes nothing", start)
            opener, start, items = stack.pop()
            if opener == "top":
                continue
            value = _built(opener, items)
        else:
            value = _scalar(match)
        if pending_discards and pending_discards[-1] == len(stack):
            pending_discards.pop()
        elif not stack or stack[-1][0] == "top":
            if ends is not None:
                ends.append(position)
            yield start, value
        else:
            stack[-1][2].append(value)
    if stack and stack[-1][0] != "top":
        raise EdnError("the text ends inside a value", stack[-1][1], cut=True)
