"""Looks for a view: an order of some operations that keeps what must come before what, and explains what was observed.

Sans-I/O, depth first with a memo of (operations placed, state); bounded by Limits.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from raftmon.driver.checkers.search.limits import LOOK_EVERY, WEIGH_EVERY, Limits
from raftmon.driver.checkers.search.model import ILLEGAL, Model

__all__ = ["Found", "Viewed", "find_view"]


@dataclass(slots=True)
class Viewed:
    """What views are made of, by number, in order of call: each operation prepared, and its partition's number."""

    model: Model
    prepared: list[Any]
    parts: list[int]
    observes: list[bool]
    before: list[int]


@dataclass(slots=True)
class Found:
    """``found``; ``reason`` why that is not known, else empty; ``refused``: an update of others was once illegal.

    What others were answered is no business of a session's view, so a view that was not found where one of their
    updates had been refused says nothing.
    """

    found: bool
    reason: str = ""
    refused: bool = False
    placed: int = 0


def find_view(viewed: Viewed, usable: Sequence[int], needed: Sequence[int], mine: int, limits: Limits) -> Found:
    """A view of ``usable`` operations that holds all that are ``needed``; ``mine`` is the bit set of the session's own.

    Raises what the model raises.
    """
    return _Finder(viewed, usable, needed, mine, limits).run()


class _Finder:
    def __init__(self, viewed: Viewed, usable: Sequence[int], needed: Sequence[int], mine: int, limits: Limits) -> None:
        self.viewed, self.limits, self.mine = viewed, limits, mine
        self.needed = sorted(needed)
        self.goal = sum(1 << number for number in needed)
        self.usable = sorted(usable)
        self.allowed = sum(1 << number for number in self.usable)
        self.looks = [n for n in self.usable if viewed.observes[n]]
        self.changes = [n for n in self.usable if not viewed.observes[n]]
        self.refused = False
        self.best = 0

    def run(self) -> Found:
        initial = self.viewed.model.initial()
        states: tuple[Hashable, ...] = (initial,) * (max(self.viewed.parts, default=0) + 1)
        stack: list[tuple[int, tuple[Hashable, ...]]] = [(0, states)]
        seen: set[tuple[int, tuple[Hashable, ...]]] = set()
        entered = 0
        while stack:
            placed, states = stack.pop()
            placed = self._absorb(placed, states)
            if (placed & self.goal).bit_count() > (self.best & self.goal).bit_count():
                self.best = placed
            if placed & self.goal == self.goal:
                return Found(True, placed=placed)
            if (placed, states) in seen:
                continue
            seen.add((placed, states))
            entered += 1
            if entered % LOOK_EVERY == 0:
                reason = self.limits.out_of_time()
                if reason is None and entered % WEIGH_EVERY == 0:
                    reason = self.limits.out_of_memory()
                if reason is not None:
                    return Found(False, reason, self.refused, self.best)
            stack.extend(reversed(self._branches(placed, states)))
        return Found(False, "", self.refused, self.best)

    def _may_come(self, number: int, placed: int) -> bool:
        return not placed >> number & 1 and self.viewed.before[number] & self.allowed & ~placed == 0

    def _step(self, number: int, states: tuple[Hashable, ...]) -> Any:
        after = self.viewed.model.step(states[self.viewed.parts[number]], self.viewed.prepared[number])
        if after is ILLEGAL and not self.mine >> number & 1:
            self.refused = True
        return after

    def _absorb(self, placed: int, states: tuple[Hashable, ...]) -> int:
        """Take every observation that is right as things are: it changes nothing, and later ones wait for it."""
        more = True
        while more:
            more = False
            for number in self.looks:
                if self._may_come(number, placed) and self._step(number, states) is not ILLEGAL:
                    placed |= 1 << number
                    more = True
        return placed

    def _branches(self, placed: int, states: tuple[Hashable, ...]) -> list[tuple[int, tuple[Hashable, ...]]]:
        """Each update that may come next; those first that the next needed operation waits for."""
        waiting = next((n for n in self.needed if not placed >> n & 1), None)
        wanted = 0 if waiting is None else self.viewed.before[waiting] | 1 << waiting
        found = []
        for number in sorted(self.changes, key=lambda n: not wanted >> n & 1):
            if not self._may_come(number, placed):
                continue
            after = self._step(number, states)
            if after is ILLEGAL:
                continue
            part = self.viewed.parts[number]
            found.append((placed | 1 << number, (*states[:part], after, *states[part + 1 :])))
        return found
