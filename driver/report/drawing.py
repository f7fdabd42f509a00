"""What the page of a history draws: operations as rows of numbers, the order found, and where it broke."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.checkers.base import Result, Valid
from raftmon.driver.checkers.search.models import MODELS, Model
from raftmon.driver.checkers.search.search import Limits, Search, search
from raftmon.driver.histories.bars import name_operation
from raftmon.driver.histories.model import History, freeze
from raftmon.driver.histories.operation import Operation

__all__ = ["MAX_OPERATIONS", "Drawing", "lay_out"]

MAX_OPERATIONS = 50_000  # drawn; of a longer history the part around the break, else the beginning
ORDER_TIMEOUT_S = 5.0
_OUTCOMES = {"ok": 0, "fail": 1, "info": 2}


@dataclass(slots=True)
class Drawing:
    """``rows``: [process, key, call, return or -1, outcome, text, place in its key's order or -1, point, flags].

    Times are ns from ``origin_ns``; ``key`` and ``node`` are places in ``keys``. Flags: 1 counterexample, 2 stuck (the
    operations of which one had to come next, and none could). ``point`` is where on its bar the order puts it.
    """

    rows: list[list[Any]]
    keys: list[str]
    origin_ns: int
    break_ns: int | None = None
    left_out: int = 0
    notes: list[str] = field(default_factory=list)


def lay_out(history: History, results: Sequence[Result]) -> Drawing:
    """The drawing of a history and its verdicts; never raises on what it does not understand."""
    broken = next((r for r in results if r.valid is Valid.NO and r.counterexample is not None), None)
    found = broken.counterexample if broken is not None else None
    operations, left_out = _window(history.operations, found.operations if found else ())
    origin_ns = operations[0].call_ns if operations else 0
    keys: dict[Hashable, int] = {}
    names: list[str] = []
    for operation in operations:
        if keys.setdefault(freeze(operation.key), len(keys)) == len(names):
            names.append("" if operation.key is None else str(operation.key))
    bad = {id(operation) for operation in found.operations} if found else set()
    at = {(o.process, o.call_ns, o.index) for o in found.operations} if found else set()
    drawing = Drawing([], names, origin_ns, left_out=left_out)
    order, points, stuck = _orders(operations, results, drawing.notes) if not left_out else ({}, {}, set())
    for operation in operations:
        me = id(operation)
        flags = int(me in bad or (operation.process, operation.call_ns, operation.index) in at) + 2 * (me in stuck)
        drawing.rows.append(
            [
                operation.process,
                keys[freeze(operation.key)],
                operation.call_ns - origin_ns,
                -1 if operation.return_ns is None else max(operation.return_ns, operation.call_ns) - origin_ns,
                _OUTCOMES[operation.outcome.value],
                name_operation(operation) + (f" @{operation.node}" if operation.node else ""),
                order.get(me, -1),
                points.get(me, operation.call_ns) - origin_ns,
                flags,
            ]
        )
    if found is not None:
        returns = [o.return_ns for o in operations if id(o) in stuck and o.return_ns is not None]
        break_ns = found.at_ns if found.at_ns is not None else min(returns, default=None)
        drawing.break_ns = None if break_ns is None else break_ns - origin_ns
    if left_out:
        drawing.notes.append(f"{left_out} of {len(history)} operations are left out, and so is the order.")
    return drawing


def _window(operations: Sequence[Operation], bad: Sequence[Operation]) -> tuple[list[Operation], int]:
    if len(operations) <= MAX_OPERATIONS:
        return list(operations), 0
    first = 0
    if bad:
        call_ns = min(operation.call_ns for operation in bad)
        before = sum(operation.call_ns < call_ns for operation in operations)
        first = max(0, min(before - MAX_OPERATIONS // 2, len(operations) - MAX_OPERATIONS))
    return list(operations[first : first + MAX_OPERATIONS]), len(operations) - MAX_OPERATIONS


def _model_of(results: Sequence[Result]) -> Model | None:
    """The model that the results' linearizability checker went by."""
    for result in results:
        name = "cas-register" if result.checker == "register" else result.checker.removeprefix("linearizable-")
        if name in MODELS and (name != result.checker or result.checker == "register"):
            return MODELS[name]()
    return None


def _orders(
    operations: list[Operation], results: Sequence[Result], notes: list[str]
) -> tuple[dict[int, int], dict[int, int], set[int]]:
    """For each operation (by id) its place in its key's order and the moment there; and the stuck ones."""
    model = _model_of(results)
    order: dict[int, int] = {}
    points: dict[int, int] = {}
    stuck: set[int] = set()
    if model is None:
        return order, points, stuck
    groups: dict[Hashable, list[Operation]] = {}
    for operation in operations:
        groups.setdefault(model.partition(operation), []).append(operation)
    limits = Limits(ORDER_TIMEOUT_S, None)
    for group in sorted(groups.values(), key=len):
        found = _search(group, model, limits)
        if found is None or found.valid is Valid.UNKNOWN:
            reason = "" if found is None or not found.reason else f" ({found.reason})"
            notes.append(f"No order was found in time for {group[0].key}{reason}.")
            continue
        at_ns = 0
        for place, operation in enumerate(found.order):
            at_ns = max(at_ns, operation.call_ns)
            order[id(operation)], points[id(operation)] = place, at_ns
        stuck.update(id(operation) for operation in found.stuck)
    return order, points, stuck


def _search(group: list[Operation], model: Model, limits: Limits) -> Search | None:
    """None if the model cannot read the operations: the page is drawn without their order."""
    try:
        return search(group, model, limits)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError):
        return None
