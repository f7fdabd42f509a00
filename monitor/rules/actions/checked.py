"""Bounds of the numbers that actions are given."""

from __future__ import annotations

from math import isfinite

from raftmon.setup.errors import InputError

__all__ = ["MAX_MS", "check_number", "check_truth"]

MAX_MS = 3_600_000  # an hour


def check_number(what: str, value: float, least: float, most: float, *, whole: bool = False) -> None:
    """Raise InputError unless ``value`` is a number (a whole one where asked) between the bounds."""
    right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not right or not isfinite(value) or not least <= value <= most:
        kind = "a whole number" if whole else "a number"
        raise InputError(f"{what} is {kind} from {least:g} to {most:g}, not {value!r}")


def check_truth(what: str, value: bool) -> None:
    """Raise InputError unless ``value`` is true or false."""
    if value is not True and value is not False:
        raise InputError(f"{what} is true or false, not {value!r}")
