r"""Everything the command prints passes here: what could steer a terminal is shown instead of obeyed.

File names, errors of servers and values of histories come from outside. Control characters (C0 but for tab and newline,
DEL, C1), characters that turn the direction of text, and lone surrogates are written as ``\uXXXX``, which in JSON is
the same text.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

__all__ = ["NeutralStream", "neutral", "neutral_output"]

_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)"
)


def neutral(text: str) -> str:
    r"""``text`` with everything that a terminal might obey as ``\uXXXX``."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


class NeutralStream:
    """A text stream that writes ``neutral`` text to ``stream``; everything else is that stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream  # rich styles its text with escapes: driver.cli.console neutralises that text

    def write(self, text: str) -> int:
        """Write ``text``, neutralised; returns how long it was."""
        self.rich_proxied_file.write(neutral(text))
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        """Write each of ``lines``."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def neutral_output() -> Iterator[None]:
    """``sys.stdout`` and ``sys.stderr`` are neutral inside."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = NeutralStream(before[0]), NeutralStream(before[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
