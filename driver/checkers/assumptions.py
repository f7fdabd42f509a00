"""What every verdict rests on, looked at before it is believed.

A broken assumption makes the verdict *unknown*, never invalid: what the checkers find may then be the instrument's
fault. Each is named in the result, with where it broke.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import orjson

from raftmon.driver.checkers.base import ASSUMPTIONS_NAME, Result, Valid
from raftmon.driver.checkers.zones.observations import CAS, FUNCTIONS, READ, WRITE, Observations, observe
from raftmon.driver.histories.model import MONOTONIC, NEVER, ONE_IN_FLIGHT, READABLE, Columns, History, freeze
from raftmon.monitor.fidelity import disturbances

__all__ = ["ASSUMPTIONS", "Assumptions", "Broken", "broken_assumptions"]

EMPTY = "the store is empty at the start"
UNIQUE = "written values are unique"
FIDELITY = "the monitor's fidelity"
NOT_EMPTY = "the history is not empty"

ASSUMPTIONS = (NOT_EMPTY, READABLE, ONE_IN_FLIGHT, MONOTONIC, EMPTY, UNIQUE, FIDELITY)
"""Their names, as they stand in results."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An assumption that does not hold, and the first places where it does not."""

    assumption: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Assumptions:
    """A checker of its own: valid if every assumption holds, else unknown."""

    name: str = ASSUMPTIONS_NAME
    linear: ClassVar[bool] = True
    """Its time is a share of reading's: ``check_safely`` spares it a process of its own."""

    @property
    def stops_by_itself(self) -> bool:
        """Always: it honours its limits, or takes a time in proportion to the history (see ``safe.py``)."""
        return True

    def check(self, history: History) -> Result:
        """Look at every assumption."""
        broken = list(broken_assumptions(history))
        details = {"broken": [{"assumption": b.assumption, "sentence": b.sentence} for b in broken]}
        if not broken:
            return Result(Valid.YES, self.name, "valid: every assumption that could be looked at holds", details)
        words = "; ".join(f"{b.assumption}: {b.sentence}" for b in broken)
        return Result(Valid.UNKNOWN, self.name, f"unknown, because an assumption is broken: {words}", details)


def broken_assumptions(history: History) -> Iterator[Broken]:
    """Every assumption that does not hold for ``history``.

    What only a run of raftmon promises (an empty store, unique values, a faithful monitor) is looked at only where the
    history lies in a run's folder.
    """
    if not len(history):
        yield Broken(NOT_EMPTY, "it has no operation")
    for name in (READABLE, ONE_IN_FLIGHT, MONOTONIC):
        found = [problem for problem in history.problems if problem.breaks == name]
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            yield Broken(name, f"{found[0]}{more}")
    if history.meta.folder is not None and _inner(history.meta.config).get("workload") == "register":
        yield from _register_promises(history)
    if history.meta.folder is not None:
        yield from _fidelity(history.meta.folder, history.meta.config)


def _inner(config: dict[str, Any]) -> dict[str, Any]:
    inner = config.get("config", config)
    return inner if isinstance(inner, dict) else {}


def _register_promises(history: History) -> Iterator[Broken]:
    columns = history.columns
    seen = observe(columns, history.meta.initial)
    rows = np.flatnonzero(np.isin(seen.kind, (WRITE, CAS)))
    pairs = seen.key[rows] * len(seen.values) + seen.wrote[rows]
    order = np.argsort(pairs, kind="stable")
    twice = np.flatnonzero(pairs[order][1:] == pairs[order][:-1])
    if len(twice):
        one, two = (columns.operation(int(rows[order[place]])) for place in (twice[0], twice[0] + 1))
        value = seen.values[int(seen.wrote[rows[order[twice[0]]]])]
        yield Broken(UNIQUE, f"{value!r} is written to {one.key!r} by operations {one.index} and {two.index}")
    yield from _not_empty_at_start(history, seen)


def _not_empty_at_start(history: History, seen: Observations) -> Iterator[Broken]:
    """A value seen before any change of its key was called, and never sent by anybody, was there before."""
    columns = history.columns
    reads = np.flatnonzero((seen.kind == READ) & (seen.saw != seen.initial))
    reads = reads[~np.isin(seen.saw[reads], seen.wrote)]
    if not len(reads):
        return
    sent, first_change = _sent(columns)
    for row in reads.tolist():
        value = seen.values[int(seen.saw[row])]
        early = int(seen.return_ns[row]) < first_change.get(int(seen.key[row]), NEVER)
        if early and freeze(value) not in sent:
            operation = columns.operation(row)
            yield Broken(
                EMPTY,
                f"operation {operation.index} saw {value!r} on {operation.key!r} before anybody began to change it, "
                "and nobody ever wrote that",
            )
            return


def _sent(columns: Columns) -> tuple[set[Any], dict[int, int]]:
    """Every value that any write or cas tried to write, failed ones too, and the first such call on each key."""
    sent: set[Any] = set()
    first: dict[int, int] = {}
    changing = [FUNCTIONS.get(name) in (WRITE, CAS) for name in columns.f_names]
    for row, f in enumerate(columns.f.tolist()):
        if changing[f]:
            value = columns.value[row]
            pair = isinstance(value, list | tuple) and len(value) == 2
            sent.add(freeze(value[1] if pair and FUNCTIONS[columns.f_names[f]] == CAS else value))
            first.setdefault(int(columns.key[row]), int(columns.call_ns[row]))
    return sent, first


def _fidelity(folder: Path, config: dict[str, Any]) -> Iterator[Broken]:
    """What the monitor's counters, in monitor.json, say against it."""
    path = folder / "monitor.json"
    try:
        counters = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        if _inner(config).get("monitored"):
            why = "there is no monitor.json: the run is still on, or was killed"
            yield Broken(FIDELITY, f"the monitor left no counters behind ({why})")
        return
    except (OSError, orjson.JSONDecodeError) as error:
        yield Broken(FIDELITY, f"its counters in {path} cannot be read: {error}")
        return
    for reason in disturbances(counters) if isinstance(counters, dict) else ["monitor.json is no JSON object"]:
        yield Broken(FIDELITY, reason)
