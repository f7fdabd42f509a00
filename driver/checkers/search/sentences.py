"""Why a few operations cannot be reconciled, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raftmon.driver.checkers.search.models import CasRegister, Model
from raftmon.driver.checkers.words import Scale, initial_option, value_text
from raftmon.driver.checkers.zones.observations import observe
from raftmon.driver.checkers.zones.zones import Conflict, Violation, find_violations
from raftmon.driver.histories.model import Columns, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["describe", "describe_violation", "on_key"]


def on_key(key: Any) -> str:
    """``on key 'k1', ``, empty if there is no key."""
    return "" if key is None else f"on key {value_text(key)}, "


def describe(operations: Sequence[Operation], model: Model, scale: Scale, key: Any) -> str:
    """A sentence on a (small) set of operations that is wrong under ``model``."""
    if isinstance(model, CasRegister):
        columns = Columns.of(sorted(operations, key=lambda operation: operation.call_ns))
        seen = observe(columns, model.initial_value)
        wrote = seen.wrote[seen.wrote >= 0].tolist()
        if len(set(wrote)) == len(wrote) and seen.initial not in wrote:
            violations = find_violations(seen)
            if violations:
                return describe_violation(violations[0], columns, scale, key)
    ordered = sorted(operations, key=lambda operation: operation.call_ns)
    if len(ordered) == 1:
        return f"{on_key(key)}{scale.words(ordered[0])} is impossible whatever else happened"
    last = ordered[-1]
    others = ordered[:-1]
    named = "; ".join(map(scale.words, others[-5:]))
    more = f"{len(others) - 5} earlier operations, " if len(others) > 5 else ""
    return f"{on_key(key)}{scale.words(last)} fits into no order with {more}{named}"


def describe_violation(violation: Violation, columns: Columns, scale: Scale, key: Any) -> str:
    """A sentence on what the zones found."""
    operations = [columns.operation(row) for row in violation.rows]
    return on_key(key) + _PHRASES[violation.conflict](operations, scale, columns)


def value_of(operation: Operation) -> str:
    """The value that the register held because of, or at, this operation."""
    if operation.outcome is Outcome.FAIL and operation.has_seen:
        return value_text(operation.seen)
    if operation.f in ("cas", "compare-and-set"):
        return value_text(operation.value[1])
    return value_text(operation.value)


def _seen_by(operation: Operation) -> Any:
    if operation.outcome is Outcome.FAIL and operation.has_seen:
        return operation.seen
    return operation.value[0] if operation.f in ("cas", "compare-and-set") else operation.value


def _never_written(operations: list[Operation], scale: Scale, columns: Columns) -> str:
    observer = operations[0]
    value = _seen_by(observer)
    for row in range(len(columns)):
        candidate = columns.value[row]
        hit = candidate == value or (
            isinstance(candidate, list | tuple) and len(candidate) == 2 and candidate[1] == value
        )
        if hit and columns.outcome[row] == 1:
            operation = columns.operation(row)
            if operation.key == observer.key and operation.f not in ("read", "get", "r"):
                failed = f"{scale.words(operation)}, which certainly failed"
                return f"{scale.words(observer)} saw {value_text(value)}, which only came from {failed}"
    at_first = f" (if registers hold it at first, say so: {initial_option(value)})"
    plain = isinstance(value, int | str) and not isinstance(value, bool)
    return f"{scale.words(observer)} saw {value_text(value)}, which nobody had written{at_first if plain else ''}"


def _future_read(operations: list[Operation], scale: Scale, columns: Columns) -> str:
    read, write = operations
    return f"{scale.words(read)} ended before {scale.words(write)}, which brought that value, began"


def _double_cas(operations: list[Operation], scale: Scale, columns: Columns) -> str:
    one, two = operations
    return f"{scale.words(one)} and {scale.words(two)} both replaced {value_text(_seen_by(one))}, which was there once"


def _cas_cycle(operations: list[Operation], scale: Scale, columns: Columns) -> str:
    ring = "; ".join(map(scale.words, operations[:4])) + ("; …" if len(operations) > 4 else "")
    return f"each of these saw what another of them wrote, so that none can be first: {ring}"


def _chain_order(operations: list[Operation], scale: Scale, columns: Columns) -> str:
    later, earlier = operations
    if later.f in ("cas", "compare-and-set") and later.outcome is not Outcome.FAIL:
        replaced = freeze(later.value[0]) == freeze(_seen_by(earlier)) and earlier.f not in ("cas", "compare-and-set")
        if replaced:
            return (
                f"{scale.words(earlier)} was stale: {scale.words(later)}, which replaced that value, had ended before "
                "it began"
            )
    return (
        f"{scale.words(later)} ended before {scale.words(earlier)} began, though the cas between them put "
        f"{value_of(later)} after {value_of(earlier)}"
    )


def _zones(operations: list[Operation], scale: Scale, columns: Columns) -> str:
    a1, b2, b1, a2 = operations
    if b1 == b2 and a1 == a2:
        return f"{scale.words(a1)} and {scale.words(b1)} each ended before the other began"
    if b1 == b2:
        return (
            f"{scale.words(a2)} was stale: {scale.words(b1)} had ended before it began, and itself began "
            f"after {scale.words(a1)} had ended"
        )
    return (
        f"{scale.words(a1)} ended before {scale.words(b2)} began, so {value_of(a1)} was there before {value_of(b2)}; "
        f"yet {scale.words(b1)} ended before {scale.words(a2)} began, so it was there after"
    )


def _initial(operations: list[Operation], scale: Scale, columns: Columns) -> str:
    written, read = operations
    return f"{scale.words(read)} saw what was there at first, though {scale.words(written)} had ended before it began"


_PHRASES = {
    Conflict.NEVER_WRITTEN: _never_written,
    Conflict.FUTURE_READ: _future_read,
    Conflict.DOUBLE_CAS: _double_cas,
    Conflict.CAS_CYCLE: _cas_cycle,
    Conflict.CHAIN_ORDER: _chain_order,
    Conflict.ZONES: _zones,
    Conflict.INITIAL: _initial,
}
