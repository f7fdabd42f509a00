"""Which of a node's requests were answered, per node and per fault.

An answer is an operation that succeeded, or one that was properly refused (a cas that found another value).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["NodeAvailability", "Window", "answered", "measure"]

_REFUSALS = ("unavailable", "no leader", "refused", "timeout", "timed out", "deadline", "connect", "unreach", "closed")
_READS = ("read", "r", "get")


@dataclass(frozen=True, slots=True)
class Window:
    """One fault: from its start to its heal (None: never), the nodes it touches and the links it cuts.

    A fault without links fails its nodes themselves (kill, pause): they need not answer, and do not count for CAP.
    """

    name: str
    start_ns: int
    stop_ns: int | None
    nodes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeAvailability:
    """How one node's clients fared in one span of time. Shares are None if nobody asked.

    ``longest_gap_ms``: between two answers, or an answer and the span's edge. ``first_failure_ms``: from the fault's
    start to the call of the first operation that got no answer. ``first_success_ms``: from the heal to the first answer
    (of any operation, whenever called).
    """

    node: str
    window: str
    operations: int
    answered: int
    share: float | None
    reads: float | None
    updates: float | None
    longest_gap_ms: float | None
    first_failure_ms: float | None = None
    first_success_ms: float | None = None
    failed_itself: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def answered(operation: Operation) -> bool:
    """Whether the client got an answer: success, or a refusal that says something of the data.

    A *fail* counts as an answer where it tells what was found, or where its error names no trouble of reaching a
    leader or a node.
    """
    if operation.outcome is not Outcome.FAIL:
        return operation.outcome is Outcome.OK
    if operation.has_seen:
        return True
    error = (operation.error or "").lower()
    return not any(word in error for word in _REFUSALS)


def measure(
    operations: Iterable[Operation], windows: Sequence[Window], answer: Callable[[Operation], bool] = answered
) -> list[NodeAvailability]:
    """One NodeAvailability for each node outside of all windows (``window`` is "") and for each node in each window.

    An operation belongs to the windows in which it was called.
    """
    by_node: dict[str, list[Operation]] = {}
    start_ns, end_ns = 2**63 - 1, 0
    for operation in operations:
        by_node.setdefault(operation.node or "?", []).append(operation)
        start_ns = min(start_ns, operation.call_ns)
        end_ns = max(end_ns, operation.call_ns, operation.return_ns or 0)
    result: list[NodeAvailability] = []
    for node in sorted(by_node):
        listed = sorted(by_node[node], key=lambda operation: operation.call_ns)
        answers = sorted(o.return_ns for o in listed if o.return_ns is not None and answer(o))
        calm = [o for o in listed if not any(_inside(o.call_ns, window) for window in windows)]
        spans = _calm_spans(start_ns, end_ns, windows)
        gap_ms = max((_longest_gap_ms(answers, a, b) for a, b in spans), default=None)
        result.append(_served(node, "", calm, answer, gap_ms))
        for window in windows:
            inside = [o for o in listed if _inside(o.call_ns, window)]
            stop_ns = end_ns if window.stop_ns is None else window.stop_ns
            failure_ns = next((o.call_ns for o in inside if not answer(o)), None)
            success_ns = None
            if window.stop_ns is not None:
                success_ns = next((when for when in answers if when >= stop_ns), None)
            result.append(
                _served(
                    node,
                    window.name,
                    inside,
                    answer,
                    _longest_gap_ms(answers, window.start_ns, stop_ns),
                    None if failure_ns is None else (failure_ns - window.start_ns) / 1e6,
                    None if success_ns is None else (success_ns - stop_ns) / 1e6,
                    node in window.nodes and not window.links,
                )
            )
    return result


def _inside(time_ns: int, window: Window) -> bool:
    return window.start_ns <= time_ns and (window.stop_ns is None or time_ns < window.stop_ns)


def _calm_spans(start_ns: int, end_ns: int, windows: Sequence[Window]) -> list[tuple[int, int]]:
    """The parts of the run outside of every window."""
    spans: list[tuple[int, int]] = []
    at_ns = start_ns
    for window in sorted(windows, key=lambda one: one.start_ns):
        if window.start_ns > at_ns:
            spans.append((at_ns, min(window.start_ns, end_ns)))
        at_ns = max(at_ns, end_ns if window.stop_ns is None else window.stop_ns)
    if at_ns < end_ns:
        spans.append((at_ns, end_ns))
    return spans


def _longest_gap_ms(answers: Sequence[int], start_ns: int, stop_ns: int) -> float:
    times = [start_ns, *(when for when in answers if start_ns <= when <= stop_ns), stop_ns]
    return max((b - a for a, b in itertools.pairwise(times)), default=0) / 1e6


def _served(
    node: str,
    window: str,
    operations: Sequence[Operation],
    answer: Callable[[Operation], bool],
    gap_ms: float | None,
    failure_ms: float | None = None,
    success_ms: float | None = None,
    failed_itself: bool = False,
) -> NodeAvailability:
    flags = [(operation.f in _READS or _reads_only(operation), answer(operation)) for operation in operations]

    def share(chosen: list[bool]) -> float | None:
        return sum(chosen) / len(chosen) if chosen else None

    return NodeAvailability(
        node,
        window,
        len(flags),
        sum(good for _, good in flags),
        share([good for _, good in flags]),
        share([good for is_read, good in flags if is_read]),
        share([good for is_read, good in flags if not is_read]),
        gap_ms,
        failure_ms,
        success_ms,
        failed_itself,
    )


def _reads_only(operation: Operation) -> bool:
    value = operation.value
    if operation.f != "txn" or not isinstance(value, (list, tuple)):
        return False
    return all(isinstance(micro, (list, tuple)) and micro[:1] in (["r"], ("r",)) for micro in value)
