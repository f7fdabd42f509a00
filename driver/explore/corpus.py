"""The corpus of an exploration, on disk: the states seen so far and the schedules that reached new ones.

A folder ``STORE/NAME/`` with ``states.txt`` (a state a line, in the order of discovery), ``schedules.jsonl`` (a line a
schedule, with how many states it added) and ``curve.csv`` (a line a trial). All are appended to, so a later exploration
goes on from there, and one that was killed loses at most its last line.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import orjson

from raftmon.driver.explore.schedules import Schedule
from raftmon.driver.faults.schedule import PlannedFault
from raftmon.setup.errors import InputError

__all__ = ["Corpus", "Kept"]

_CURVE = "trial,seconds,states,new,failing,schedule\n"


@dataclass(slots=True)
class Kept:
    """A schedule that reached ``new`` states nobody had seen; ``chosen`` is how often it was mutated since."""

    schedule: Schedule
    new: int
    chosen: int = 0


@dataclass(slots=True)
class Corpus:
    """What is known so far. ``folder`` is None for one that is kept in memory only."""

    folder: Path | None = None
    states: set[str] = field(default_factory=set)
    kept: list[Kept] = field(default_factory=list)
    curve: list[tuple[float, int]] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, seconds: float, check: Callable[[Schedule], None] = lambda _schedule: None) -> Corpus:
        """The corpus in a folder, made if it is new. ``check`` may refuse a schedule, which is then left out.

        Raises InputError if the folder cannot be written, or holds something else.
        """
        made = cls(folder)
        try:
            if folder.exists() and any(folder.iterdir()) and not (folder / "states.txt").exists():
                raise InputError(f"{folder} exists and is no exploration: give --name another name")
            folder.mkdir(parents=True, exist_ok=True)
            states = folder / "states.txt"
            states.touch()
            made.states = set(states.read_text().split())
            for line in _lines(folder / "schedules.jsonl"):
                made._adopt(line, seconds, check)
            if not (folder / "curve.csv").exists():
                (folder / "curve.csv").write_text(_CURVE)
        except OSError as error:
            raise InputError(f"{folder} cannot be written ({error.strerror}): give --store another folder") from error
        return made

    def _adopt(self, line: bytes, seconds: float, check: Callable[[Schedule], None]) -> None:
        try:
            value = orjson.loads(line)
            faults = tuple(PlannedFault(**fault) for fault in value["faults"])
            schedule = Schedule(faults, seconds)
            check(schedule)
            self.kept.append(Kept(schedule, int(value["new"])))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, InputError):
            return  # a torn last line, or a fault of another version

    def add(self, schedule: Schedule, states: Set[str], seconds: float, failing: str) -> int:
        """Count a trial; how many of its states are new. One that has new ones is kept."""
        new = [state for state in sorted(states) if state not in self.states]
        self.states.update(new)
        if new:
            self.kept.append(Kept(schedule, len(new)))
        self.curve.append((seconds, len(self.states)))
        if self.folder is not None:
            if new:
                with (self.folder / "states.txt").open("a") as file:
                    file.write("\n".join(new) + "\n")
                faults = [fault.to_json() for fault in schedule.faults]
                with (self.folder / "schedules.jsonl").open("ab") as file:
                    file.write(orjson.dumps({"new": len(new), "faults": faults}) + b"\n")
            with (self.folder / "curve.csv").open("a") as file:
                text = schedule.text.replace('"', "'")
                file.write(f'{len(self.curve)},{seconds:.1f},{len(self.states)},{len(new)},{failing},"{text}"\n')
        return len(new)

    def choose(self, random: Random) -> Kept | None:
        """One that was worth keeping, rather one that brought much and was seldom tried; None if there are none."""
        if not self.kept:
            return None
        weights = [one.new / (1 + one.chosen) ** 0.7 for one in self.kept]
        (chosen,) = random.choices(self.kept, weights)
        chosen.chosen += 1
        return chosen


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []
