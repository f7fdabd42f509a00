"""Long forks: reads that saw writes in opposite orders (Jepsen's ``long-fork``).

Operations: ``txn``, ``read`` or ``write`` with micro-operations as values: ``[["w", key, value]]`` writes one key, each
key once in the history; ``[["r", key, value], …]`` reads several, null if nothing was there yet. Parallel snapshot
isolation allows what snapshot isolation, and all above it, forbids: reads whose writes fit into no one order. (Sovran,
Power, Aguilera and Li, "Transactional storage for geo-replicated systems", SOSP 2011.)
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.checkers.words import value_text
from raftmon.driver.histories.model import History, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["LongFork"]

_WRITES = frozenset(("w", "write"))
_Read = tuple[Operation, dict[Any, Any]]


class LongFork:
    """Names: *long-fork*, *garbage-read* (a value nobody wrote). ``details``: ``anomalies``, ``examples``, ``reads``.

    A key written twice says nothing about order, and makes the verdict unknown.
    """

    stops_by_itself = True

    name = "long-fork"

    def check(self, history: History) -> Result:
        """Compare the reads of every two keys."""
        found = Findings()
        written, reads = _gather(history)
        twice = next(
            (f"unknown: {value_text(key)} was written twice" for key, v in written.items() if len(v) > 1), None
        )
        for operation, saw in reads:
            for key, value in saw.items():
                if value is not None and value not in written.get(key, ()):
                    words = f"a read saw {value_text(key)} as {value_text(value)}, which nobody had written"
                    found.add("garbage-read", words, [operation], key=key)
        if twice is None:
            _forks(reads, found)
        unknown = twice or (None if reads else "unknown: nothing was read")
        good = f"valid: {len(reads)} reads of {len(written)} keys saw all writes in one order"
        details = {"reads": len(reads), "keys": len(written)}
        return found.result(self.name, good=good, details=details, unknown=unknown)


def _gather(history: History) -> tuple[dict[Any, list[Any]], list[_Read]]:
    """What was written to each key (or may have been), and what each acknowledged read saw."""
    written: dict[Any, list[Any]] = defaultdict(list)
    reads: list[_Read] = []
    for operation in history.operations:
        if operation.outcome is Outcome.FAIL or not isinstance(operation.value, list | tuple):
            continue
        saw = {}
        for part in operation.value:
            if not isinstance(part, list | tuple) or len(part) != 3:
                continue
            if part[0] in _WRITES:
                written[freeze(part[1])].append(freeze(part[2]))
            elif operation.outcome is Outcome.OK:
                saw[freeze(part[1])] = freeze(part[2])
        if saw:
            reads.append((operation, saw))
    return written, reads


def _forks(reads: list[_Read], found: Findings) -> None:
    """A read that saw one write and not another puts the one first; a cycle of such is in no one order."""
    after: dict[Any, dict[Any, Operation]] = defaultdict(dict)
    for operation, saw in reads:
        there = [key for key, value in saw.items() if value is not None]
        for missing in (key for key, value in saw.items() if value is None):
            for key in there:
                after[key].setdefault(missing, operation)
    for start in list(after):
        ring = _ring(after, start)
        if ring:
            steps = list(zip(ring, [*ring[1:], ring[0]], strict=True))
            words = "; ".join(
                f"a read saw the write of {value_text(a)} and not that of {value_text(b)}" for a, b in steps
            )
            involved = list({id(after[a][b]): after[a][b] for a, b in steps}.values())
            found.add("long-fork", f"{words}: the writes were in no one order", involved, key=start)
            return


def _ring(after: dict[Any, dict[Any, Operation]], start: Any) -> list[Any]:
    """The shortest way from ``start`` back to it, without its end; empty if there is none."""
    before: dict[Any, Any] = {}
    waiting = deque([start])
    while waiting:
        key = waiting.popleft()
        for following in after.get(key, ()):
            if following == start:
                ring = [key]
                while ring[-1] != start:
                    ring.append(before[ring[-1]])
                return ring[::-1]
            if following not in before:
                before[following] = key
                waiting.append(following)
    return []
