"""Whether an error means that an operation certainly did not happen: tables as data, one a system.

The idea is Maelstrom's ``errors.edn``: every error is definite or not, and one that no row names is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from raftmon.adapters.base import Definite, Indefinite

__all__ = ["Row", "judge", "raise_outcome"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: an error with this code, whose message holds ``text``, is ``definite`` because of ``why``.

    ``code`` None fits every code; an empty ``text`` every message. The first row that fits decides.
    """

    code: str | None
    text: str
    definite: bool
    why: str


def judge(table: Sequence[Row], code: str, message: str) -> Row | None:
    """The first row that matches, None if none does (the outcome is then unknown)."""
    for row in table:
        if row.code in (None, code) and row.text in message:
            return row
    return None


def raise_outcome(table: Sequence[Row], code: str, message: str, *, read: bool, cause: BaseException) -> NoReturn:
    """Raise Definite or Indefinite for an error; a failed read did nothing, so it is always Definite."""
    row = judge(table, code, message)
    text = f"{code}: {message}"
    if read or (row is not None and row.definite):
        raise Definite(text) from cause
    raise Indefinite(text) from cause
