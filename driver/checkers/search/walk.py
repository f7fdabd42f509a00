"""The walk through the configurations of a problem, in Python; ``_walk.pyx`` does the same, compiled.

``walk(problem, limits)`` gives (found, order, stuck, reason, configurations): whether there is a linearization; one, or
the longest beginning of one, as numbers of operations; those of which one had to come next and none could; why the
walk was given up, or ""; how many configurations were entered. ``search.py`` says how it goes and why.
"""

from __future__ import annotations

from typing import Any

from raftmon.driver.checkers.search.layout import Problem
from raftmon.driver.checkers.search.limits import LOOK_EVERY, WEIGH_EVERY, Limits
from raftmon.driver.histories.model import NEVER

__all__ = ["Walked", "walk"]

Walked = tuple[bool, list[int], list[int], str, int]
Path = tuple[int, Any] | None  # (operation, what came before it): shared between branches, so never copied


def walk(problem: Problem, limits: Limits) -> Walked:
    """Depth first through the configurations."""
    return _Walker(problem, limits).run()


class _Walker:
    """Configurations are (low, window, used, state, path, observations left).

    ``low`` is the first definite operation still missing, bit i of ``window`` says that ``low + i`` is taken, bit j of
    ``used`` that optional operation ``definite + j`` is.
    """

    def __init__(self, problem: Problem, limits: Limits) -> None:
        self.problem = problem
        self.limits = limits
        self.memo: dict[tuple[int, int, int], list[int]] = {}
        self.entered = 0
        self.best: tuple[int, Path] = (-1, None)
        self.best_next: list[int] = []

    def run(self) -> Walked:
        problem = self.problem
        stack: list[tuple[int, int, int, int, Path, int]] = [(0, 0, 0, 0, None, sum(problem.observes))]
        while stack:
            low, window, used, state, path, unseen = stack.pop()
            low, window, path, unseen, branches = self._absorb(low, window, state, path, unseen)
            taken = low + window.bit_count()
            if taken > self.best[0]:
                self.best, self.best_next = (taken, path), self._open(low, window)[0]
            if low == problem.definite:
                return True, _order(path), [], "", self.entered
            if unseen and problem.steps.is_barren(state):
                continue
            if self._seen_before((low, window, state), used):
                continue
            self.entered += 1
            if self.entered % LOOK_EVERY == 0:
                reason = self.limits.out_of_time()
                if reason is None and self.entered % WEIGH_EVERY == 0:
                    reason = self.limits.out_of_memory()
                if reason is not None:
                    return False, _order(self.best[1]), self.best_next, reason, self.entered
            for number, after in self._optional(low, window, used, state):
                more = used | 1 << (number - problem.definite)
                stack.append((low, window, more, after, (number, path), unseen))
            for number, after in branches:
                bits = window | 1 << (number - low)
                passed = (~bits & (bits + 1)).bit_length() - 1  # ones at the low end
                stack.append((low + passed, bits >> passed, used, after, (number, path), unseen))
        return False, _order(self.best[1]), self.best_next, "", self.entered

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

    def _absorb(
        self, low: int, window: int, state: int, path: Path, unseen: int
    ) -> tuple[int, int, Path, int, list[tuple[int, int]]]:
        """Take every observation that is legal; also give the steps that remain, the best one last."""
        step, kinds, returns = self.problem.steps.step, self.problem.steps.kinds, self.problem.returns
        while True:
            branches, absorbed = [], False
            for number in self._open(low, window)[0]:
                after = step(state, kinds[number])
                if after < 0:
                    continue
                if self.problem.observes[number]:
                    window |= 1 << (number - low)
                    path, unseen, absorbed = (number, path), unseen - 1, True
                else:
                    branches.append((number, after))
            if not absorbed:
                branches.sort(key=lambda branch: -returns[branch[0]])
                return low, window, path, unseen, branches
            passed = (~window & (window + 1)).bit_length() - 1
            low, window = low + passed, window >> passed

    def _optional(self, low: int, window: int, used: int, state: int) -> list[tuple[int, int]]:
        """One more indefinite operation, the next of each class, and the state after it; tried after definite ones."""
        problem = self.problem
        found: list[tuple[int, int]] = []
        earliest = self._open(low, window)[1] if problem.classes else 0
        for group in problem.classes:
            for number in group:
                if used >> (number - problem.definite) & 1:
                    continue
                if problem.calls[number] <= earliest:
                    after = problem.steps.step(state, problem.steps.kinds[number])
                    if after >= 0 and after != state:
                        found.append((number, after))
                break
        return found

    def _seen_before(self, configuration: tuple[int, int, int], used: int) -> bool:
        known = self.memo.get(configuration)
        if known is None:
            self.memo[configuration] = [used]
            return False
        if any(fewer & used == fewer for fewer in known):
            return True
        known.append(used)
        return False


def _order(path: Path) -> list[int]:
    numbers = []
    while path is not None:
        numbers.append(path[0])
        path = path[1]
    return numbers[::-1]
