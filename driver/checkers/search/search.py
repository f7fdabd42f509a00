"""The search for a linearization: Wing and Gong's algorithm with Lowe's memo.

Wing and Gong, "Testing and Verifying Concurrent Objects", J. Parallel and Distributed Computing 17, 1993; Lowe,
"Testing for linearizability", Concurrency and Computation 29(4), 2017. Depth first: of the operations that may come
next (those called no later than the earliest return among the rest) one is taken, the model steps, and so on; a
configuration already seen is not entered again. Four things keep it small, and none changes the answer:

- A configuration is (first operation still missing, bits of those taken after it, state), so its size is that of the
  concurrency and not of the history.
- An operation that only observes is taken as soon as it is legal, without alternatives: moving it forward disturbs
  nothing. (A write of the value already there is no such: it may be needed later.)
- Indefinite operations are optional. Those with equal effect are taken in order of their calls, so that only their
  number matters.
- A configuration that failed with some indefinite operations used fails with any superset of them used.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.search.models import ILLEGAL, Model
from raftmon.driver.histories.model import NEVER
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Limits", "Search", "search"]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_SHARDS = 64  # one dict that doubles would overshoot a memory limit; a sixty-fourth of it does not
_LOOK_EVERY = 32  # configurations between looks at the clock
_WEIGH_EVERY = 512  # configurations between looks at the memory


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * _PAGE


@dataclass(slots=True)
class Limits:
    """How long a search may go on and by how much it may let the process grow. None is without limit."""

    timeout_s: float | None = None
    memory_mb: float | None = None
    clock: Callable[[], float] = time.perf_counter
    resident_bytes: Callable[[], int] = _resident_bytes
    _deadline: float = field(init=False)
    _ceiling: float = field(init=False)

    def __post_init__(self) -> None:
        self._deadline = float("inf") if self.timeout_s is None else self.clock() + self.timeout_s
        grown = float("inf") if self.memory_mb is None else self.memory_mb * 1e6
        self._ceiling = grown if self.memory_mb is None else self.resident_bytes() + grown

    def left_s(self) -> float:
        """Seconds that are left; infinite without a limit."""
        return max(0.0, self._deadline - self.clock())

    def out_of_time(self) -> str | None:
        """Why to stop, in words, or None."""
        if self.clock() < self._deadline:
            return None
        return f"the search was not done after {self.timeout_s:g} s"

    def out_of_memory(self) -> str | None:
        """Why to stop, in words, or None."""
        if self._ceiling == float("inf") or self.resident_bytes() < self._ceiling:
            return None
        return f"the search needed more than {self.memory_mb:g} MB"


@dataclass(slots=True)
class Search:
    """What a search found. ``order`` is a linearization, or the longest beginning of one that was found.

    ``stuck`` are the operations of which one had to come next after ``order`` and none could. ``reason`` says why a
    verdict is unknown. ``configurations`` counts what was entered.
    """

    valid: Valid
    order: list[Operation]
    stuck: list[Operation] = field(default_factory=list)
    reason: str = ""
    configurations: int = 0


Path = tuple[int, Any] | None  # (operation, what came before it): shared between branches, so never copied


@dataclass(slots=True)
class _Problem:
    """The operations laid out for the search: definite ones in order of call, then optional ones by class."""

    model: Model
    operations: list[Operation]
    prepared: list[Any]
    definite: int
    calls: list[int]
    returns: list[int]
    observes: list[bool]
    classes: list[range]


def _lay_out(operations: Sequence[Operation], model: Model) -> _Problem:
    definite: list[tuple[Operation, Any]] = []
    optional: dict[Hashable, list[tuple[Operation, Any]]] = {}
    for operation in sorted(operations, key=lambda operation: operation.call_ns):
        prepared = model.prepare(operation)
        if prepared is None:
            continue
        if operation.outcome is Outcome.INFO or operation.return_ns is None:
            optional.setdefault(model.signature(operation), []).append((operation, prepared))
        else:
            definite.append((operation, prepared))
    _prune(model, definite, optional)
    laid = definite + [pair for group in optional.values() for pair in group]
    classes, start = [], len(definite)
    for group in optional.values():
        classes.append(range(start, start + len(group)))
        start += len(group)
    return _Problem(
        model,
        [operation for operation, _ in laid],
        [prepared for _, prepared in laid],
        len(definite),
        [operation.call_ns for operation, _ in laid],
        [NEVER if operation.return_ns is None else operation.return_ns for operation, _ in definite],
        [model.observes(prepared) for _, prepared in definite],
        classes,
    )


def _prune(
    model: Model, definite: list[tuple[Operation, Any]], optional: dict[Hashable, list[tuple[Operation, Any]]]
) -> None:
    pairs = [pair for group in optional.values() for pair in group]
    keep = iter(model.prune([prepared for _, prepared in definite], [prepared for _, prepared in pairs]))
    for signature, group in list(optional.items()):
        optional[signature] = [pair for pair in group if next(keep)]


def search(operations: Sequence[Operation], model: Model, limits: Limits | None = None) -> Search:
    """Look for a linearization of ``operations`` (of one partition) under ``model``.

    Raises whatever the model's ``step`` raises.
    """
    limits = limits or Limits()
    problem = _lay_out(operations, model)
    return _Searcher(problem, limits).run()


class _Searcher:
    """One depth-first search. Configurations are (low, window, used, state); see the module's text.

    ``low`` is the first definite operation still missing, bit i of ``window`` says that ``low + i`` is taken, bit j of
    ``used`` that optional operation ``definite + j`` is.
    """

    def __init__(self, problem: _Problem, limits: Limits) -> None:
        self.problem = problem
        self.limits = limits
        self.memo: list[dict[tuple[int, int, Any], list[int]]] = [{} for _ in range(_SHARDS)]
        self.entered = 0
        self.best: tuple[int, Path] = (-1, None)
        self.best_next: list[int] = []

    def run(self) -> Search:
        problem, limits = self.problem, self.limits
        total = problem.definite
        stack: list[tuple[int, int, int, Any, Path]] = [(0, 0, 0, problem.model.initial(), None)]
        while stack:
            low, window, used, state, path = stack.pop()
            low, window, path, branches = self._absorb(low, window, state, path)
            taken = low + window.bit_count()
            if taken > self.best[0]:
                self.best, self.best_next = (taken, path), self._open(low, window)[0]
            if low == total:
                return Search(Valid.YES, self._order(path), configurations=self.entered)
            if self._seen_before((low, window, state), used):
                continue
            self.entered += 1
            if self.entered % _LOOK_EVERY == 0:
                reason = limits.out_of_time()
                if reason is None and self.entered % _WEIGH_EVERY == 0:
                    reason = limits.out_of_memory()
                if reason is not None:
                    return self._ended(Valid.UNKNOWN, reason)
            stack.extend(self._optional(low, window, used, state, path))
            for number, after in branches:
                bits = window | 1 << (number - low)
                passed = (~bits & (bits + 1)).bit_length() - 1  # ones at the low end
                stack.append((low + passed, bits >> passed, used, after, (number, path)))
        return self._ended(Valid.NO, "")

    def _open(self, low: int, window: int) -> tuple[list[int], int]:
        """The definite operations that may come next, and the earliest return among those missing."""
        calls, returns, total = self.problem.calls, self.problem.returns, self.problem.definite
        earliest, found, number = NEVER, [], low
        while number < total and calls[number] <= earliest:
            if not window & 1:
                found.append(number)
                earliest = min(earliest, returns[number])
            window >>= 1
            number += 1
        return found, earliest

    def _absorb(self, low: int, window: int, state: Any, path: Path) -> tuple[int, int, Path, list[tuple[int, Any]]]:
        """Take every observation that is legal; also give the steps that remain, the best one last."""
        problem = self.problem
        step, prepared, observes, returns = problem.model.step, problem.prepared, problem.observes, problem.returns
        while True:
            branches, absorbed = [], False
            for number in self._open(low, window)[0]:
                after = step(state, prepared[number])
                if after is ILLEGAL:
                    continue
                if observes[number]:
                    window |= 1 << (number - low)
                    path = (number, path)
                    absorbed = True
                else:
                    branches.append((number, after))
            if not absorbed:
                branches.sort(key=lambda branch: -returns[branch[0]])
                return low, window, path, branches
            passed = (~window & (window + 1)).bit_length() - 1
            low, window = low + passed, window >> passed

    def _optional(
        self, low: int, window: int, used: int, state: Any, path: Path
    ) -> list[tuple[int, int, int, Any, Path]]:
        """The configurations after one more indefinite operation; tried after the definite ones."""
        if not self.problem.classes:
            return []
        problem = self.problem
        found: list[tuple[int, int, int, Any, Path]] = []
        earliest = self._open(low, window)[1]
        for group in problem.classes:
            for number in group:
                if used >> (number - problem.definite) & 1:
                    continue
                if problem.calls[number] <= earliest:
                    after = problem.model.step(state, problem.prepared[number])
                    if after is not ILLEGAL and after != state:
                        found.append((low, window, used | 1 << (number - problem.definite), after, (number, path)))
                break
        return found

    def _seen_before(self, configuration: tuple[int, int, Any], used: int) -> bool:
        shard = self.memo[hash(configuration) % _SHARDS]
        known = shard.get(configuration)
        if known is None:
            shard[configuration] = [used]
            return False
        if any(fewer & used == fewer for fewer in known):
            return True
        known.append(used)
        return False

    def _order(self, path: Path) -> list[Operation]:
        numbers = []
        while path is not None:
            numbers.append(path[0])
            path = path[1]
        return [self.problem.operations[number] for number in reversed(numbers)]

    def _ended(self, valid: Valid, reason: str) -> Search:
        stuck = [self.problem.operations[number] for number in self.best_next]
        return Search(valid, self._order(self.best[1]), stuck, reason, self.entered)
