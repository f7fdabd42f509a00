"""Histories that the search's bench judges: each a model's name and what makes one."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from raftmon.driver.histories.model import History
from tests.driver.checkers.search import test_search as deeds
from tests.driver.histories.synthetic import Deed, simulate

__all__ = ["CASES"]


def _many(deed: object, initial: object, operations: int, processes: int) -> Callable[[random.Random], History]:
    return lambda rng: simulate(deed, initial, operations, processes, rng)  # type: ignore[arg-type]


def _append_deed(state: Any, rng: random.Random, process: int) -> Deed:
    key, held = str(rng.randrange(10)), dict(state)
    if rng.random() < 0.5:
        return Deed("get", held.get(key, ""), state, key)
    text = f"x {process} {rng.randrange(10**6)} y"
    held[key] = held.get(key, "") + text
    return Deed("append", text, tuple(held.items()), key)


def _appended(wrong: bool) -> Callable[[random.Random], History]:
    def make(rng: random.Random) -> History:
        made = simulate(_append_deed, (), 2_500, 50, rng)
        if wrong:
            gets = [one for one in made.operations if one.f == "get" and one.value]
            gets[len(gets) * 2 // 3].value = ""
            return History(made.operations)
        return made

    return make


CASES: dict[str, tuple[str, Callable[[random.Random], History]]] = {
    "cas-10": ("cas-register", _many(deeds.cas_deed, None, 3_000, 10)),
    "register-10": ("register", _many(deeds.register_deed, None, 3_000, 10)),
    "counter-5": ("counter", _many(deeds.counter_deed, 0, 2_000, 5)),
    "set-5": ("set", _many(deeds.set_deed, frozenset(), 2_000, 5)),
    "queue-3": ("fifo-queue", _many(deeds.queue_deed, (), 200, 3)),
    "append-50-right": ("key-value", _appended(wrong=False)),
    "append-50-wrong": ("key-value", _appended(wrong=True)),
    "multi-register-5": ("multi-register", _many(deeds.many_deed, (), 2_000, 5)),
}
"""Histories by name, the number of processes in it: values come often, so that the search has to search."""
