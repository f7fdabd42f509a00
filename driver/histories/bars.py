"""A few operations as plain text: one line each, in order of call, bars from call to return.

Places on the line are ranks, not times: what matters is who overlaps whom. An indefinite operation has no right end.

    process 0   |======|           w x 1
    process 1      |=======|       r x -> 1
    process 2          |......>    w x 2 (indefinite)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["bars", "draw_timeline", "name_operation"]

MAX_LINES = 40
MAX_TEXT = 100
BAR_WIDTH = 60


def name_operation(operation: Operation) -> str:
    """What an operation did, in a few words."""
    if operation.f == "txn" and isinstance(operation.value, (list, tuple)):
        text = " ; ".join(" ".join(map(_word, item)) for item in operation.value if isinstance(item, (list, tuple)))
    else:
        key = "" if operation.key is None else f" {_word(operation.key)}"
        arrow = " ->" if operation.f.startswith("r") else ""
        value = "" if operation.value is None and not arrow else f"{arrow} {_word(operation.value)}"
        text = f"{operation.f}{key}{value}"
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - 1] + "…"
    return text


def _word(value: Any) -> str:
    if value is None:
        return "nil"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(map(_word, value)) + "]"
    return str(value)


def bars(operations: Sequence[Operation]) -> list[str]:
    """A bar for each, all of one width: places keep the order of all calls and returns, not their distance."""
    times = {operation.call_ns for operation in operations}
    times.update(operation.return_ns for operation in operations if operation.return_ns is not None)
    step = max(1, min(6, BAR_WIDTH // (len(times) + 1)))
    place = {time_ns: rank * step for rank, time_ns in enumerate(sorted(times))}
    end = len(times) * step
    drawn = []
    for operation in operations:
        left = place[operation.call_ns]
        if operation.return_ns is None:
            bar = "|" + "." * max(end - left - 1, 1) + ">"
        else:
            bar = "|" + "=" * max(place[max(operation.return_ns, operation.call_ns)] - left - 1, 0) + "|"
        drawn.append(f"{' ' * left + bar:<{end + 2}}")
    return drawn


def draw_timeline(operations: Sequence[Operation], name: Callable[[Operation], str] = name_operation) -> str:
    """Lines of text, at most forty; ``name`` says what stands beside each bar."""
    shown = sorted(operations, key=lambda operation: operation.call_ns)[:MAX_LINES]
    if not shown:
        return ""
    who = max(len(str(operation.process)) for operation in shown)
    lines = []
    for operation, bar in zip(shown, bars(shown), strict=True):
        note = {Outcome.OK: "", Outcome.FAIL: " (failed)", Outcome.INFO: " (indefinite)"}[operation.outcome]
        lines.append(f"process {operation.process!s:<{who}}  {bar}  {name(operation)}{note}".rstrip())
    if len(operations) > MAX_LINES:
        lines.append(f"… and {len(operations) - MAX_LINES} more")
    return "\n".join(lines)
