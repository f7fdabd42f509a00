"""Transactions as a history holds them, taken apart and made safe to index.

An operation with ``f="txn"`` has a ``value`` that is a list of micro-operations ``[f, key, value]``: ``append`` or
``w`` writes, ``r`` reads. An invoked read has null; a completed one what it saw (a list, or a register's value).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.histories.model import freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["APPEND", "READ", "WRITE", "Micro", "Transaction", "Transactions", "parse_transactions", "show"]

APPEND, READ, WRITE = "append", "r", "w"
_NAMES = {"append": APPEND, "r": READ, "read": READ, "w": WRITE, "write": WRITE}
_PLAIN = frozenset((int, str))
MAX_PROBLEMS = 20

Micro = tuple[str, Any, Any]


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction: its micro-operations with frozen keys and values (lists read become lists of frozen elements).

    ``known_reads`` is false for an indefinite one: what it read, nobody knows.
    """

    operation: Operation
    micro: list[Micro]
    known_reads: bool


@dataclass(slots=True)
class Transactions:
    """Those that may have committed (the vertices of the graph, by position) and those that certainly did not."""

    live: list[Transaction] = field(default_factory=list)
    aborted: list[Transaction] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    skipped: int = 0


def show(value: Any) -> str:
    """A frozen key, element or list in the words of the history."""
    if isinstance(value, list) or (isinstance(value, tuple) and value[:1] == ("[]",)):
        return "[" + " ".join(map(show, value if isinstance(value, list) else value[1:])) + "]"
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        return repr(value[1])
    return "nil" if value is None else str(value)


def parse_transactions(operations: Iterable[Operation], writer: str) -> Transactions:
    """Every operation ``txn`` of a history; ``writer`` is APPEND or WRITE, whichever the workload uses.

    What cannot be understood is left out and named in ``problems`` (the first twenty); it never raises.
    """
    found = Transactions()
    for operation in operations:
        if operation.f != "txn":
            continue
        known = operation.outcome is Outcome.OK
        try:
            micro = [_micro(item, writer, known) for item in operation.value or ()]
        except (TypeError, ValueError) as error:
            found.skipped += 1
            if len(found.problems) < MAX_PROBLEMS:
                found.problems.append(f"operation {operation.index} is left out: {error}")
            continue
        transaction = Transaction(operation, micro, known)
        (found.aborted if operation.outcome is Outcome.FAIL else found.live).append(transaction)
    return found


def _micro(item: Any, writer: str, known: bool) -> Micro:
    try:
        name, key, value = item
    except (TypeError, ValueError):
        raise ValueError(f"{item!r} is not a micro-operation [f, key, value]") from None
    f = _NAMES.get(str(name).lstrip(":"))
    if f is None or (f != READ and f != writer):
        raise ValueError(f"{name!r} is not one of {writer}, r")
    if type(key) not in _PLAIN:
        key = freeze(key)
    if f != READ or writer == WRITE:
        return f, key, value if type(value) in _PLAIN else freeze(value)
    if not known:
        return f, key, None
    if value is None:
        return f, key, []
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"a read of a list gave {value!r}, which is no list")
    if _PLAIN.issuperset(map(type, value)):
        return f, key, value if type(value) is list else list(value)
    return f, key, [freeze(element) for element in value]
