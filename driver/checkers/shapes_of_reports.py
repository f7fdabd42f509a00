"""Shapes of what servers report: watches, lists, stores. ``shapes.py`` says what a shape is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raftmon.driver.checkers.shapes import REGISTERS, Shape, rows_of
from raftmon.driver.histories.model import History

__all__ = ["KUBERNETES", "LEASES", "STORES", "WATCHES"]

_OK, _FAIL = 0, 1  # codes of Columns.outcome


def _stores(history: History) -> dict[int, str]:
    """An answer has a revision and a hash."""
    return {
        row: "gave no revision and hash"
        for row, outcome, value in rows_of(history, "store")
        if outcome == _OK
        and not (
            isinstance(value, Mapping) and isinstance(value.get("revision"), int) and value.get("hash") is not None
        )
    }


def _is_report(value: Any, *fields: str) -> bool:
    return isinstance(value, Mapping) and all(field in value for field in fields)


def _kubernetes(history: History) -> dict[int, str]:
    """An observation is a list of responses, each with a revision and events; a list is one of items."""
    found = {}
    for row, outcome, value in rows_of(history, "observe"):
        if outcome == _OK and not _are_responses(value, "key", "value", "mod", "type"):
            found[row] = "gave no responses of a watch"
    for row, outcome, value in rows_of(history, "list"):
        items = value if isinstance(value, list | tuple) else [value] if value is not None else []
        if outcome == _OK and not all(_is_report(item, "key", "value", "mod") for item in items):
            found[row] = "gave no items"
    return found


def _are_responses(value: Any, *fields: str) -> bool:
    if value is None:
        return True
    return isinstance(value, list | tuple) and all(
        _is_report(one, "revision", "events")
        and isinstance(one["revision"], int)
        and isinstance(one["events"], list | tuple)
        and all(_is_report(event, *fields) for event in one["events"])
        for one in value
    )


def _watches(history: History) -> dict[int, str]:
    """A watch's value is a list of responses, each with a revision and events."""
    found = REGISTERS.strange(history)
    for row, outcome, value in rows_of(history, "watch"):
        if outcome != _FAIL and not _are_responses(value, "type", "key", "revision"):
            found[row] = "gave no responses of a watch"
    return found


def _leases(history: History) -> dict[int, str]:
    """A time to live is a number of seconds, or is not said."""
    return {
        row: "has no time to live in seconds"
        for row, outcome, value in rows_of(history, "grant", "keepalive", "left")
        if outcome != _FAIL and value is not None and (isinstance(value, bool) or not isinstance(value, int | float))
    }


LEASES = Shape(_leases)
KUBERNETES = Shape(_kubernetes, frozenset(("list", "observe")))
STORES = Shape(_stores, frozenset(("store",)))
WATCHES = Shape(_watches, frozenset(("watch", "read")))
