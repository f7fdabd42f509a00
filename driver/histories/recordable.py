"""Whether a history can hold what a client returned: JSON that reads back as the same value."""

from __future__ import annotations

import math
from typing import Any

import orjson

__all__ = ["MOST_BYTES", "said", "why_not_recordable"]

MOST_BYTES = 1 << 20
"""The largest value that a history takes, as JSON."""
_MOST_TEXT = 10_000
_OPTIONS = orjson.OPT_NON_STR_KEYS


def said(error: BaseException) -> str:
    """An error's text, or its kind where it has none, as a history can hold it."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return (text or type(error).__name__)[:_MOST_TEXT].encode(errors="replace").decode()


def why_not_recordable(value: Any) -> str | None:
    """What is wrong with a value for a history, None if nothing is.

    Text, numbers and containers of them pass; NaN and infinity (JSON has neither: they would read back as null),
    integers beyond 64 bits, lone surrogates, containers that hold themselves or nest too deep, and what takes more than
    MOST_BYTES do not.
    """
    kind = type(value)
    if value is None or kind is bool:
        return None
    if kind is int:
        return None if -(1 << 63) <= value < 1 << 64 else "an integer beyond 64 bits"
    if kind is str and len(value) <= MOST_BYTES // 4 and value.isascii():
        return None
    try:
        size = len(orjson.dumps(value, default=str, option=_OPTIONS))
        number = _not_a_number(value)
    except Exception as error:  # recursive, too deep, not UTF-8, an object whose own text fails
        return f"no JSON value ({str(error)[:200] or type(error).__name__})"
    if size > MOST_BYTES:
        return f"{size:,} bytes long, more than {MOST_BYTES:,}"
    return number


def _not_a_number(value: Any) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value}, which JSON does not have"
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        return next((found for one in value if (found := _not_a_number(one)) is not None), None)
    return None
