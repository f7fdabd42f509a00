"""Sets that only grow: was any acknowledged element lost, and how long did others stay out of sight?

After Jepsen's ``set-full``. Operations: ``f="add"``, ``value`` the element (each added once); ``f="read"``, ``value``
the list of all elements seen. ``key`` names the set where there are several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings, milliseconds
from raftmon.driver.histories.model import History, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["SetFull"]

NEVER = np.int64(np.iinfo(np.int64).max)
BEFORE = np.int64(-1)
_QUANTILES = (0.0, 0.5, 0.95, 0.99, 1.0)


@dataclass(slots=True)
class _Elements:
    """One row an element: when it was known to be in, and the last reads that showed it or did not (read numbers)."""

    known_ns: NDArray[np.int64]
    present: NDArray[np.int64]
    absent: NDArray[np.int64]


class SetFull:
    """An element is *known* once its add was acknowledged or a read that shows it returned. Then it is

    - *lost*: reads called after that lack it, and the last of them was called after the last read that shows it;
    - *stale*: lacking in a read called after it was known, but back in a later one;
    - *never-read*: acknowledged, but no read was called after that;
    - *duplicated*: more than once in one read; *unexpected*: read but never added; *resurrected*: read though its add
      certainly failed; *premature*: read before its add was called.

    Invalid on all but never-read; on stale only where ``linearizable``. Unknown where nothing was added or nothing
    read. ``details``: ``anomalies``, ``examples``, ``adds``, ``reads``, ``stable``,
    ``stale_ms`` and ``lost_ms`` (quantiles of how long after it was known an element was last found absent).
    """

    stops_by_itself = True

    def __init__(self, *, linearizable: bool = True, name: str = "set-full") -> None:
        self._linearizable = linearizable
        self.name = name

    def check(self, history: History) -> Result:
        """Judge every set of the history."""
        found = Findings()
        totals = {"adds": 0, "reads": 0, "stable": 0}
        stale_ns: list[int] = []
        lost_ns: list[int] = []
        for operations in history.by_key().values():
            _check_set(operations, found, totals, stale_ns, lost_ns)
        unknown = None
        if not totals["adds"]:
            unknown = "nothing was added"
        elif not totals["reads"]:
            unknown = "nothing was read, so nobody knows what the set holds"
        elif not totals["stable"]:
            unknown = "no element was read after it was known to be in"
        harmless = ["never-read"] if self._linearizable else ["never-read", "stale"]
        note = "".join(f", {found.counts[name]} {name}" for name in harmless if name in found.counts)
        return found.result(
            self.name,
            good=f"all {totals['stable']} elements that were read once known stayed in the set{note}",
            details={**totals, "stale_ms": _quantiles(stale_ns), "lost_ms": _quantiles(lost_ns)},
            harmless=harmless,
            unknown=unknown,
        )


def _quantiles(spans_ns: list[int]) -> dict[str, float]:
    if not spans_ns:
        return {}
    values = np.quantile(np.array(spans_ns, dtype=np.float64) / 1e6, _QUANTILES)
    return {str(q): round(float(value), 3) for q, value in zip(_QUANTILES, values, strict=True)}


def _check_set(
    operations: Sequence[Operation], found: Findings, totals: dict[str, int], stale_ns: list[int], lost_ns: list[int]
) -> None:
    adds: dict[Any, Operation] = {}
    numbers: dict[Any, int] = {}
    for operation in operations:
        if operation.f == "add":
            element = freeze(operation.value)
            earlier = adds.get(element)
            if earlier is None or earlier.outcome is Outcome.FAIL:
                adds[element] = operation
            numbers.setdefault(element, len(numbers))
    reads = [
        operation
        for operation in operations
        if operation.f == "read" and operation.outcome is Outcome.OK and isinstance(operation.value, (list, tuple, set))
    ]
    totals["adds"] += sum(add.outcome is Outcome.OK for add in adds.values())
    totals["reads"] += len(reads)
    rows = _follow(adds, numbers, reads, found)
    for element, number in numbers.items():
        _judge(adds[element], number, rows, reads, found, totals, stale_ns, lost_ns)


def _follow(
    adds: dict[Any, Operation], numbers: dict[Any, int], reads: Sequence[Operation], found: Findings
) -> _Elements:
    """Goes through the reads in order of call, twice: when was each element known, then who lacked it after that."""
    count = len(numbers)
    known = np.full(count, NEVER, dtype=np.int64)
    for element, number in numbers.items():
        add = adds[element]
        if add.outcome is Outcome.OK and add.return_ns is not None:
            known[number] = add.return_ns
    shown: list[NDArray[np.int64]] = []
    for read in reads:
        codes: list[int] = []
        once: set[Any] = set()
        for value in read.value:
            element = freeze(value)
            if element in once:
                found.add("duplicated", f"a read shows {value!r} more than once", [read], key=read.key)
                continue
            once.add(element)
            _expected(element, value, adds, read, found)
            if element in numbers:
                codes.append(numbers[element])
        row = np.array(codes, dtype=np.int64)
        shown.append(row)
        if read.return_ns is not None:
            known[row] = np.minimum(known[row], read.return_ns)
    present = np.full(count, BEFORE, dtype=np.int64)
    absent = np.full(count, BEFORE, dtype=np.int64)
    for place, read in enumerate(reads):
        lacking = known < read.call_ns
        lacking[shown[place]] = False
        absent[lacking] = place
        present[shown[place]] = place
    return _Elements(known, present, absent)


def _expected(element: Any, value: Any, adds: dict[Any, Operation], read: Operation, found: Findings) -> None:
    add = adds.get(element)
    if add is None:
        found.add("unexpected", f"a read shows {value!r}, which nobody added", [read], key=read.key)
    elif add.outcome is Outcome.FAIL:
        found.add("resurrected", f"a read shows {value!r}, whose add certainly failed", [add, read], key=read.key)
    elif read.return_ns is not None and read.return_ns < add.call_ns:
        found.add("premature", f"a read shows {value!r} before its add was called", [add, read], key=read.key)


def _judge(
    add: Operation,
    number: int,
    rows: _Elements,
    reads: Sequence[Operation],
    found: Findings,
    totals: dict[str, int],
    stale_ns: list[int],
    lost_ns: list[int],
) -> None:
    known, present, absent = int(rows.known_ns[number]), int(rows.present[number]), int(rows.absent[number])
    if known == NEVER:
        return
    if absent < 0:
        if present >= 0:
            totals["stable"] += 1
        else:
            found.add("never-read", f"{add.value!r} was added, and no read was called after that", [add], key=add.key)
        return
    missing = reads[absent]
    late_ns = missing.call_ns - known
    span = milliseconds(late_ns)
    if absent > present:
        lost_ns.append(late_ns)
        last = [reads[present]] if present >= 0 else []
        sentence = f"{add.value!r} was known to be in the set, and a read called {span} later lacks it, as do all since"
        found.add("lost", sentence, [add, *last, missing], key=add.key, late_ms=late_ns / 1e6)
    else:
        totals["stable"] += 1
        stale_ns.append(late_ns)
        sentence = f"{add.value!r} was known to be in the set, and a read called {span} later lacks it; it came back"
        found.add("stale", sentence, [add, missing, reads[present]], key=add.key, late_ms=late_ns / 1e6)
