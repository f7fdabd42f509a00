"""One anomaly, shown with at most five operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.histories.operation import Operation


@dataclass(frozen=True)
class Scenario:
    """``names``: all that the checker must find; ``title`` is the one that is shown. Times are in ms."""

    title: str
    text: str
    operations: tuple[Operation, ...]
    names: frozenset[str]
    checker: Callable[[], Any] | None = None  # where the group's own will not do
    note: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def scenario(title, text, *operations, also=(), **more):
    """A Scenario whose operations are numbered in order of call and whose times become ns."""
    for number, operation in enumerate(sorted(operations, key=lambda o: o.call_ns)):
        operation.index = number
        operation.call_ns *= 1_000_000
        if operation.return_ns is not None:
            operation.return_ns *= 1_000_000
    return Scenario(title, text, operations, frozenset({title, *also}), **more)
