"""The round of an exploration: choose a schedule, play it, keep it if it reached new states, stop at a violation.

Every violation on a warm cluster is tried again in runs of its own: what is reported as confirmed is an ordinary run
that anybody can check, shrink and replay.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from raftmon.adapters.systems import system
from raftmon.driver.campaign.trial import run_once
from raftmon.driver.explore.corpus import Corpus
from raftmon.driver.explore.schedules import POOL, TRIGGERS, Drawer, Schedule
from raftmon.driver.explore.warm import Player
from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.faults.text import schedule_text
from raftmon.driver.run.command import options_of
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run.plan import make_plan
from raftmon.driver.run_folder import RESULTS, RunFolder
from raftmon.driver.shrink.oracle import failing_checkers
from raftmon.setup.errors import InputError, RaftmonError

__all__ = ["CONFIRM", "Explored", "Explorer", "Found", "possible_pool", "possible_triggers"]

CONFIRM = 5
"""In so many runs of its own a violation is tried again."""
_FRESH = 0.25


@dataclass(slots=True)
class Found:
    """One violation: ``path`` is the run that shows it; it failed again in ``again`` of ``of`` runs of its own."""

    path: str
    schedule: str
    checkers: list[str]
    sentence: str
    again: int
    of: int
    trial: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Explored:
    """What an exploration came to; ``states`` of all explorations in this corpus, ``new`` of this one."""

    trials: int = 0
    clusters: int = 0
    seconds: float = 0.0
    states: int = 0
    new: int = 0
    kept: int = 0
    found: list[Found] = field(default_factory=list)
    unavailable: int = 0


@dataclass(slots=True)
class Explorer:
    """Explores ``config``'s system until the budget is over or (unless ``go_on``) a violation was found.

    With ``blind`` every schedule is drawn at random: nothing is learnt, for comparison. ``start`` makes a Player.
    """

    config: RunConfig
    corpus: Corpus
    drawer: Drawer
    store: Path
    start: Callable[[], Player]
    say: Callable[[str], None]
    warm: bool = True
    blind: bool = False
    go_on: bool = False
    confirm: int = CONFIRM
    once: Callable[..., dict[str, Any]] = run_once

    def explore(self, minutes: float) -> Explored:
        """Go round until the minutes are over."""
        result, began_s = self.begin(), time.monotonic()
        player: Player | None = None
        try:
            while time.monotonic() - began_s < minutes * 60:
                if player is None:
                    player = self.start()
                    result.clusters += 1
                schedule = self.next_schedule()
                answer = self._play(player, result.trials + 1, schedule)
                if answer["odd"] or answer["failing"] or not self.warm:
                    player.close()
                    player = None
                if self.take(result, schedule, answer, time.monotonic() - began_s):
                    break
        finally:
            if player is not None:
                player.close()
        return self.finish(result, began_s)

    def begin(self) -> Explored:
        """An exploration of which nothing is known yet; ``states`` are those of the corpus."""
        return Explored(states=len(self.corpus.states))

    def take(self, result: Explored, schedule: Schedule, answer: dict[str, Any], seconds: float) -> bool:
        """Learn from a trial's answer and try a new kind of violation again; whether the exploration ends with it."""
        result.trials += 1
        failing = tuple(sorted(answer["failing"]))
        new = self.corpus.add(schedule, set(answer["states"]), seconds, "+".join(failing))
        self._tell(result.trials, schedule, answer, new)
        if not failing or list(failing) in [one.checkers for one in result.found]:
            return False
        result.found.append(self._confirmed(schedule, answer, result.trials, seconds))
        return not self.go_on

    def finish(self, result: Explored, began_s: float) -> Explored:
        """The same with its sums."""
        result.seconds = round(time.monotonic() - began_s, 1)
        result.new = len(self.corpus.states) - result.states
        result.states, result.kept = len(self.corpus.states), len(self.corpus.kept)
        return result

    def next_schedule(self) -> Schedule:
        """A new one, or one worth keeping with something changed."""
        parent = None if self.blind else self.corpus.choose(self.drawer.random)
        if parent is None or self.drawer.random.random() < _FRESH:
            return self.drawer.fresh()
        other = self.corpus.choose(self.drawer.random)
        return self.drawer.mutated(parent.schedule, other.schedule if other else None)

    def _play(self, player: Player, number: int, schedule: Schedule) -> dict[str, Any]:
        try:
            return player.play(number, schedule.faults)
        except RaftmonError as error:
            return {"failing": {}, "states": [], "odd": str(error), "faults": [], "folder": None}

    def _tell(self, number: int, schedule: Schedule, answer: dict[str, Any], new: int) -> None:
        states = f"{len(self.corpus.states)} states" + (f", {new} new" if new else "")
        self.say(f"{number:>4}  {states:<22}  {schedule.text}")
        if answer["odd"]:
            self.say(f"      a fresh cluster: {answer['odd'].splitlines()[0][:200]}")

    def _confirmed(self, schedule: Schedule, answer: dict[str, Any], trial: int, seconds: float) -> Found:
        """Say it, keep it as a run's folder, and try it again in runs of their own."""
        sentences = answer["failing"]
        sentence = next(iter(sentences.values()))
        self.say(f"      {sentence}")
        config = replace(self.config, faults=schedule_text(schedule.faults), duration_s=schedule.seconds)
        path, again = self._kept(config, answer), 0
        best = path
        for number in range(1, self.confirm + 1):
            tried = replace(config, seed=f"{config.seed}-{trial}-{number}", name=f"{path.parent.name}")
            row = self.once(options_of(tried), self.store, timeout_s=schedule.seconds + 120)
            if failing_checkers(row.get("results")) & set(sentences):
                again += 1
                best = Path(row["path"]) if row.get("path") else best
            elif row.get("path") and RunFolder(Path(row["path"])).is_run:
                RunFolder(Path(row["path"])).remove()
        self.say(f"      it failed again in {again} of {self.confirm} runs of its own: {best}")
        return Found(
            str(best), schedule.text, sorted(sentences), sentence, again, self.confirm, trial, round(seconds, 1)
        )

    def _kept(self, config: RunConfig, answer: dict[str, Any]) -> Path:
        """The trial as a run's folder: its history, configuration and verdict."""
        kept = RunFolder.create(self.store, f"found-{config.system_name}-{config.workload}")
        kept.save("config.json", {"config": config.to_json(), "nodes": {}})
        if answer.get("history"):  # it came from another machine
            kept.history.write_bytes(answer["history"])
        elif answer["folder"]:
            kept.history.write_bytes(RunFolder(Path(answer["folder"])).history.read_bytes())
        checkers = {
            name: {"valid": "invalid", "checker": name, "sentence": sentence}
            for name, sentence in answer["failing"].items()
        }
        results = {
            "valid": "invalid",
            "sentences": list(answer["failing"].values()),
            "reasons": [],
            "checkers": checkers,
            "faults": answer["faults"],
            "began_ns": answer.get("began_ns"),
            "config": config.to_json(),
        }
        kept.save(RESULTS, results)
        return kept.path


def possible_pool(config: RunConfig, names: tuple[str, ...] | None = None) -> list[tuple[str, dict[str, str]]]:
    """What of the pool can be done on such a cluster; ``names`` choose from it, or name other faults.

    Raises InputError if a named fault cannot be done, or nothing can.
    """
    adapter = system(config.system, config.adapter_options())
    wanted = list(_named(names)) if names is not None else [(name, dict(options)) for name, options in POOL]
    found = []
    for name, options in wanted:
        fault = PlannedFault(name, 0.1, 0.2, options)
        try:
            make_plan(replace(config, faults=schedule_text([fault])), adapter)
        except InputError:
            if names is not None:
                raise
            continue
        found.append((name, options))
    if not found:
        raise InputError(f"--faults: none of them can be done to {config.system} with {config.nodes} nodes")
    return found


def possible_triggers(config: RunConfig, pool: Sequence[tuple[str, dict[str, str]]]) -> list[str]:
    """What faults can wait for on such a cluster; nothing if its messages are not followed as they pass."""
    adapter = system(config.system, config.adapter_options())
    found = []
    for when in TRIGGERS:
        name, options = pool[0]
        with contextlib.suppress(InputError):
            make_plan(replace(config, faults=schedule_text([PlannedFault(name, 0.0, 0.2, options, when)])), adapter)
            found.append(when)
    return found


def _named(names: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    for text in names:
        name, _, rest = text.rstrip(")").partition("(")
        options = dict(part.split("=", 1) for part in rest.split(",") if "=" in part)
        yield name.strip(), {key.strip(): value.strip() for key, value in options.items()}
