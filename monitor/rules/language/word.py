"""One row a word of the rule language: how it is written, read back and explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from raftmon.monitor.rules.language.cursor import Cursor

__all__ = ["MODIFIERS", "Word"]

MODIFIERS = ("probability", "every", "count", "after", "for")
"""The words behind an action: how often and how long the rule acts."""

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class Word(Generic[T]):
    """An action or a condition, or several that differ in the word alone.

    - ``words``: what it is called in a line
    - ``form``: the words with their parameters, as in help texts and docs/rules.md
    - ``help``: what it does, as a sentence without a subject ("takes it away"), or which packets it holds for
    - ``parse(cursor, word)``: the action or condition, the cursor standing behind ``word``; raises InputError
    - ``writes``: for each class that ``parse`` makes, how one is written as text again
    - ``fields``: names by which a JSON object may give the fields of a class one by one
    """

    words: tuple[str, ...]
    form: str
    help: str
    parse: Callable[[Cursor, str], T]
    writes: Mapping[type, Callable[[Any], str]]
    fields: Mapping[str, type[T]] = field(default_factory=dict)
