"""Shrinks a failing run to a scenario: confirm, leave out, bring forward, wait for messages, write, and try it.

Every candidate is tried by a sequential test, so chance decides little; the time is bounded by a budget in minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from raftmon.adapters.systems import system
from raftmon.driver.exports.whole import written_whole
from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.reproduce.loading import load_scenario
from raftmon.driver.reproduce.rounds import reproduce
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run.plan import make_plan
from raftmon.driver.run_folder import RESULTS, RunFolder
from raftmon.driver.shrink.oracle import Oracle, failing_checkers
from raftmon.driver.shrink.passes import REDUCTIONS, minimised, squeezed, with_faults
from raftmon.driver.shrink.scenario_file import scenario_text, server_spec, steps_of
from raftmon.driver.shrink.triggers import triggered
from raftmon.setup.errors import InputError

__all__ = ["Shrunk", "recorded_faults", "shrink"]


@dataclass(slots=True)
class Shrunk:
    """What came of it: ``path`` is the scenario file, ``steps`` its lines in words.

    It was played ``of`` times and failed ``fails`` times. ``curve`` has, for each prefix of the schedule, (what it is,
    failures, trials). ``runs`` is how many runs it took. ``why_not`` says why there is no scenario, if so.
    """

    path: str | None = None
    steps: list[str] = field(default_factory=list)
    fails: int = 0
    of: int = 0
    curve: list[tuple[str, int, int]] = field(default_factory=list)
    runs: int = 0
    seconds: float = 0.0
    checkers: list[str] = field(default_factory=list)
    why_not: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        names = ("path", "fails", "of", "steps", "checkers", "runs", "seconds", "why_not")
        found = {name: getattr(self, name) for name in names}
        return {**found, "curve": [{"prefix": what, "fails": m, "of": n} for what, m, n in self.curve]}


class OutOfTime(Exception):
    """The budget is spent: what was found so far is the answer."""


def recorded_faults(config: RunConfig, results: dict[str, Any]) -> list[tuple[PlannedFault, dict[str, Any]]]:
    """The faults that took place in a run, each with its row in the results; a node chosen by chance is named.

    Times are those at which they were done, from the clients' first operation.
    """
    found = []
    began_ns = results.get("began_ns")
    for row in results.get("faults") or []:
        if not row.get("did") or row.get("start_ns") is None or began_ns is None:
            continue
        start_s = max(0.0, (row["start_ns"] - began_ns) / 1e9)
        stop_s = config.duration_s if row.get("stop_ns") is None else (row["stop_ns"] - began_ns) / 1e9
        name, options = row["name"], dict(row["options"])
        nodes = row.get("nodes") or []
        if len(nodes) == 1:
            name = name.removesuffix("-one") + f"-{nodes[0]}" if name.endswith("-one") else name
            options = {key: nodes[0] if value in ("one", "follower") else value for key, value in options.items()}
        if row.get("when"):
            start_s, stop_s = 0.0, stop_s - start_s
        stop_s = max(min(stop_s, config.duration_s), start_s + 0.05)
        found.append((PlannedFault(name, round(start_s, 3), round(stop_s, 3), options, row.get("when")), row))
    return found


def shrink(
    folder: RunFolder,
    config: RunConfig,
    *,
    store: Path,
    target: Path,
    minutes: float,
    trials: int,
    say: Callable[[str], None],
    oracle: Oracle | None = None,
) -> Shrunk:
    """Shrink the run in ``folder``; ``target`` is the scenario file to write, tried ``trials`` times at the end.

    ``config`` is the run's (``replayed``). Raises InputError if the run is not invalid.
    """
    results = folder.load(RESULTS) or {}
    wanted = failing_checkers(results)
    if not wanted:
        raise InputError(f"{folder.path} is {results.get('valid', 'no run')}: only a run that is invalid can be shrunk")
    began_s = time.monotonic()
    found = Shrunk(checkers=sorted(wanted))
    oracle = oracle or Oracle(wanted, store, say)
    oracle.wanted = wanted
    work = _Work(oracle, began_s + minutes * 60, say)
    config = replace(config, name=None)
    recorded = recorded_faults(config, results)
    kept: list[PlannedFault] = []
    try:
        if not oracle.fails(config, "the run as it was"):
            found.why_not = "it does not fail again: of its repeats too few were invalid"
            return found
        kept, config = work.smaller(folder, config, recorded)
    except OutOfTime:
        say(f"the {minutes:g} minutes are over: the smallest that was found so far is taken")
        kept, config = work.best or ([one for one, _ in recorded], config)
    finally:
        found.runs, found.seconds = oracle.runs, round(time.monotonic() - began_s, 1)
    return _written(found, oracle, folder, config, kept, store, target, trials, say)


@dataclass(slots=True)
class _Work:
    """The passes, on one oracle, until the deadline (CLOCK_MONOTONIC, s)."""

    oracle: Oracle
    deadline_s: float
    say: Callable[[str], None]
    best: tuple[list[PlannedFault], RunConfig] | None = None

    def fails(self, config: RunConfig, faults: Sequence[PlannedFault], what: str) -> bool:
        """Whether it fails still; remembered as the best so far if so. A configuration that cannot be run does not."""
        if time.monotonic() > self.deadline_s:
            raise OutOfTime
        try:
            make_plan(config, system(config.system, config.adapter_options()))
        except InputError:
            return False
        failed = self.oracle.fails(config, what)
        if failed:
            self.best = (list(faults), config)
        return failed

    def smaller(
        self, folder: RunFolder, config: RunConfig, recorded: Sequence[tuple[PlannedFault, dict[str, Any]]]
    ) -> tuple[list[PlannedFault], RunConfig]:
        """All passes in turn."""
        rows = {id(fault): row for fault, row in recorded}
        faults = [fault for fault, _ in recorded]
        if faults and not self.fails(with_faults(config, faults), faults, "its faults as they were done"):
            return faults, config  # what the plan says is all that fails: leave it as it is
        kept = minimised(
            faults,
            lambda part: self.fails(with_faults(config, part), part, f"with {_named(part)}"),
        )
        base = with_faults(config, kept)
        rules = minimised(
            config.rules,
            lambda part: self.fails(replace(base, rules=tuple(part)), kept, f"with {len(part)} rules"),
        )
        base = replace(base, rules=tuple(rules))
        moved, duration_s = squeezed(kept)
        if kept and duration_s < base.duration_s:
            early = replace(with_faults(base, moved), duration_s=duration_s)
            if self.fails(early, moved, f"its faults early, in {duration_s:g} s"):
                rows = {
                    id(new): rows.get(id(old), {}) for old, new in zip(_by_time(kept), _by_time(moved), strict=True)
                }
                kept, base = moved, early
        base = self._reduced(base, kept)
        return self._by_messages(folder, base, kept, rows)

    def _reduced(self, config: RunConfig, kept: Sequence[PlannedFault]) -> RunConfig:
        for what, change in REDUCTIONS:
            while (smaller := change(config)) is not None and smaller != config:
                if not self.fails(smaller, kept, what):
                    break
                config = smaller
        return config

    def _by_messages(
        self, folder: RunFolder, config: RunConfig, kept: list[PlannedFault], rows: dict[int, dict[str, Any]]
    ) -> tuple[list[PlannedFault], RunConfig]:
        """Each time of the schedule replaced by a message where it fails no less."""
        for number, fault in enumerate(kept):
            for waiting in triggered(folder, fault, rows.get(id(fault), {})):
                tried = [*kept[:number], waiting, *kept[number + 1 :]]
                changed = with_faults(config, tried)
                if self.fails(changed, tried, f"{fault.name} when {waiting.when}"):
                    kept, config = tried, changed
                    break
        return kept, config


def _by_time(faults: Sequence[PlannedFault]) -> list[PlannedFault]:
    return sorted(faults, key=lambda fault: (fault.when is not None, fault.start_s))


def _named(faults: Sequence[PlannedFault]) -> str:
    return ", ".join(fault.name for fault in faults) or "no fault"


def _written(
    found: Shrunk,
    oracle: Oracle,
    folder: RunFolder,
    config: RunConfig,
    kept: Sequence[PlannedFault],
    store: Path,
    target: Path,
    trials: int,
    say: Callable[[str], None],
) -> Shrunk:
    """Write the scenario, play it, and measure each prefix of its schedule."""
    results = folder.load(RESULTS) or {}
    seen = next(one["sentence"] for one in results["checkers"].values() if one["checker"] in oracle.wanted)
    found.steps = steps_of(config, kept)
    try:
        text = scenario_text(config, kept, sorted(oracle.wanted), seen, str(folder.path))
    except InputError as error:
        found.why_not = str(error)
        return found
    target.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(target) as partial:
        partial.write_text(text)
    found.path = str(target)
    say(f"written to {target}: played {trials} times")
    side = reproduce(load_scenario(str(target)), server_spec(config), None, trials, 1, store, say).affected
    found.fails, found.of = side.shown, side.of
    for prefix in range(len(kept)):
        part = with_faults(config, kept[:prefix])
        found.curve.append((_named(kept[:prefix]), oracle.rate(part, trials), trials))
    found.curve.append((_named(kept), found.fails, found.of))
    found.runs = oracle.runs + found.of
    return found
