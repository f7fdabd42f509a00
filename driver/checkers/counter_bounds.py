"""Counters by bounds: every value read lies between what was surely added and what was possibly added.

Operations: ``add`` of a number (``inc`` and ``dec`` of 1 where none is given) and ``read``, as in Jepsen's ``counter``.
Bounds are necessary, not sufficient: this finds less than ``linearizable-counter`` and takes O(n log n).

``reads="final"`` looks only at the reads marked ``:final?``, with all adds counted, as Maelstrom's ``pn-counter`` does:
a final read may be any sum of the acknowledged adds and some of the indefinite ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.checkers.words import value_text
from raftmon.driver.histories.model import NEVER, History
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.setup.errors import InputError

__all__ = ["CounterBounds"]

_MOST_SUMS = 100_000  # sums of indefinite adds that are told apart; of more, only the bounds count


class CounterBounds:
    """``reads`` is ``all`` or ``final``; raises InputError for another. Names: *out-of-bounds*, *not-a-number*.

    ``details``: ``anomalies``, ``examples``, ``adds``, ``reads``.
    """

    stops_by_itself = True

    name = "counter-bounds"

    def __init__(self, reads: str = "all") -> None:
        if reads not in ("all", "final"):
            raise InputError(f"counter-bounds looks at reads=all or reads=final, not {reads!r}")
        self._final = reads == "final"

    def check(self, history: History) -> Result:
        """Judge every counter of the history."""
        found = Findings()
        adds = reads = 0
        first = history.meta.initial if isinstance(history.meta.initial, int | float) else 0
        for operations in history.by_key().values():
            added = [(one, amount) for one in operations if (amount := _amount(one)) is not None]
            looked = [one for one in operations if one.f == "read" and one.outcome is Outcome.OK and self._counts(one)]
            adds, reads = adds + len(added), reads + len(looked)
            (_final_reads if self._final else _bounded_reads)(added, looked, first, found)
        which = "final reads" if self._final else "reads"
        return found.result(
            self.name,
            good=f"valid: {reads} {which} lie within the bounds that {adds} adds leave"
            + (" (earlier reads may be stale: --checker linearizable-counter asks more)" if self._final else ""),
            details={"adds": adds, "reads": reads},
            unknown=None if reads else f"unknown: there are no {which} of a counter",
        )

    def _counts(self, operation: Operation) -> bool:
        return not self._final or bool(operation.extra and operation.extra.get("final?"))


def _amount(operation: Operation) -> float | None:
    if operation.f not in ("add", "inc", "dec") or operation.outcome is Outcome.FAIL:
        return None
    number: Any = 1 if operation.value is None else operation.value
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return -number if operation.f == "dec" else number


def _is_number(operation: Operation, found: Findings) -> bool:
    value = operation.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return True
    found.add("not-a-number", f"a counter was read as {value_text(value)}", [operation], key=operation.key)
    return False


def _bounded_reads(
    added: Sequence[tuple[Operation, float]], looked: Sequence[Operation], first: float, found: Findings
) -> None:
    """An add counts surely once it returned before the read was called, possibly if called before the read returned."""
    if not looked:
        return
    amounts = np.array([amount for _, amount in added], dtype=object)
    calls = np.array([one.call_ns for one, _ in added], dtype=np.int64)
    ends = np.array([_end(one) for one, _ in added], dtype=np.int64)
    sure = _sums(ends, amounts)
    up, down = _sums(calls, np.maximum(amounts, 0)), _sums(calls, np.minimum(amounts, 0))
    sure_up, sure_down = _sums(ends, np.maximum(amounts, 0)), _sums(ends, np.minimum(amounts, 0))
    for read in looked:
        if not _is_number(read, found):
            continue
        end = read.return_ns if read.return_ns is not None else NEVER
        known = first + sure(read.call_ns, "left")
        low = known + down(end, "right") - sure_down(read.call_ns, "left")
        high = known + up(end, "right") - sure_up(read.call_ns, "left")
        if not low <= read.value <= high:
            sentence = f"a counter was read as {read.value}, outside of {low} to {high}"
            found.add("out-of-bounds", sentence, [read], key=read.key)


def _sums(times: Any, amounts: Any) -> Any:
    """How much was added by adds whose time lies before one (``left``: strictly; ``right``: at it too)."""
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    totals = np.concatenate(([0], np.cumsum(amounts[order]))) if len(amounts) else np.zeros(1, dtype=object)
    return lambda at, side: totals[int(np.searchsorted(ordered, at, side))]


def _end(operation: Operation) -> int:
    return NEVER if operation.return_ns is None or operation.outcome is Outcome.INFO else operation.return_ns


def _final_reads(
    added: Sequence[tuple[Operation, float]], looked: Sequence[Operation], first: float, found: Findings
) -> None:
    sure = first + sum(amount for one, amount in added if one.outcome is Outcome.OK)
    doubtful = [amount for one, amount in added if one.outcome is not Outcome.OK]
    sums: set[float] | None = {sure}
    for amount in doubtful:
        sums = {total + more for total in sums for more in (0, amount)} if sums is not None else None
        if sums is not None and len(sums) > _MOST_SUMS:
            sums = None
    low = sure + sum(amount for amount in doubtful if amount < 0)
    high = sure + sum(amount for amount in doubtful if amount > 0)
    for read in looked:
        if not _is_number(read, found):
            continue
        if read.value not in sums if sums is not None else not low <= read.value <= high:
            bounds = f"{low}" if low == high else f"a sum between {low} and {high}"
            sentence = f"a final read was {read.value}; acknowledged and indefinite adds make it {bounds}"
            found.add("out-of-bounds", sentence, [read], key=read.key)
