"""Operations in words and as a small text timeline: for people, with times in ms since the history began."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from raftmon.driver.histories.bars import bars
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Scale", "initial_option", "short", "timeline"]


def value_text(value: Any, width: int = 40) -> str:
    """A value, shortened; null if there is none."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def initial_option(value: Any) -> str:
    """``--initial 0``: how a register's first value is given on the command line (JSON)."""
    try:
        text = value if isinstance(value, str) else json.dumps(value)
        if isinstance(value, str):
            json.loads(value)
            text = json.dumps(value)
    except ValueError:
        text = str(value)
    return f"--initial {shlex.quote(text)}" if text else "--initial '\"\"'"


def short(operation: Operation) -> str:
    """``write 7``, ``read -> 7``, ``cas 7 -> 8``."""
    f, value = operation.f, operation.value
    if f in ("cas", "compare-and-set") and isinstance(value, list | tuple) and len(value) == 2:
        text = f"cas {value_text(value[0])} -> {value_text(value[1])}"
        if operation.outcome is Outcome.FAIL:
            return f"failed {text}" + (f", saw {value_text(operation.seen)}" if operation.has_seen else "")
        return text
    if f in ("read", "get", "r", "dequeue"):
        return f"{f} -> {value_text(value)}" if operation.outcome is Outcome.OK else f
    text = f if value is None and f not in ("write", "put") else f"{f} {value_text(value)}"
    return f"failed {text}" if operation.outcome is Outcome.FAIL else text


class Scale:
    """Turns times into words; ``ordered_only`` histories have places in a file instead of times."""

    def __init__(self, origin_ns: int = 0, *, ordered_only: bool = False) -> None:
        self.origin_ns = origin_ns
        self.ordered_only = ordered_only

    def time(self, time_ns: int) -> str:
        """``12.345 ms``, or ``event 7``."""
        return f"event {time_ns + 1}" if self.ordered_only else f"{(time_ns - self.origin_ns) / 1e6:.3f} ms"

    def span(self, operation: Operation) -> str:
        """``12.345 to 13.001 ms``."""
        end = operation.return_ns
        if self.ordered_only:
            return f"event {operation.call_ns + 1} " + ("on" if end is None else f"to {end + 1}")
        start = f"{(operation.call_ns - self.origin_ns) / 1e6:.3f}"
        return f"{start} ms on" if end is None else f"{start} to {(end - self.origin_ns) / 1e6:.3f} ms"

    def words(self, operation: Operation) -> str:
        """``process 3's write 7 (12.345 to 13.001 ms)``."""
        return f"process {operation.process}'s {short(operation)} ({self.span(operation)})"


def timeline(operations: Sequence[Operation], scale: Scale) -> str:
    """One line an operation, in order of call: what it did, its bar, and its times."""
    ordered = sorted(operations, key=lambda operation: operation.call_ns)
    names = [f"process {operation.process}" for operation in ordered]
    texts = [short(operation) for operation in ordered]
    who, what = max(map(len, names), default=0), max(map(len, texts), default=0)
    return "\n".join(
        f"{name:<{who}}  {text:<{what}}  {bar}  {scale.span(operation)}"
        for operation, name, text, bar in zip(ordered, names, texts, bars(ordered), strict=True)
    )
