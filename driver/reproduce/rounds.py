"""Repeats a scenario on an affected and on a control version, and says what came of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.reproduce.loading import AFFECTED, CONTROL, AttemptOutcome, Loaded
from raftmon.setup.errors import EXIT_INVALID, EXIT_UNKNOWN, EXIT_VALID, RaftmonError
from raftmon.setup.python import end_with_parent, module_command

__all__ = ["ATTEMPT_S", "Reproduced", "Side", "reproduce"]

ATTEMPT_S = 300.0
"""How long one attempt may take before it is ended: *could not be set up*."""


@dataclass(slots=True)
class Side:
    """The attempts on one version; ``options`` are those of the control alone."""

    version: str
    options: Mapping[str, Any] = field(default_factory=dict)
    shown: int = 0
    of: int = 0
    not_set_up: int = 0
    seconds: float = 0.0
    sentences: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The version, with the options that make it a control."""
        given = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.version} ({given})" if given else self.version

    def add(self, result: dict[str, Any]) -> None:
        """Count one attempt."""
        self.of += 1
        self.shown += result["outcome"] == AttemptOutcome.SHOWN
        self.not_set_up += result["outcome"] == AttemptOutcome.NOT_SET_UP
        self.seconds += result["seconds"]
        if result["sentence"]:
            self.sentences.append(result["sentence"])
        self.runs.append(result["run"])

    def to_json(self) -> dict[str, Any]:
        """For ``--json``: ``seconds`` are the mean of an attempt."""
        return {
            "version": self.version,
            "options": dict(self.options),
            "shown": self.shown,
            "of": self.of,
            "could_not_be_set_up": self.not_set_up,
            "seconds": round(self.seconds / self.of, 2) if self.of else 0.0,
            "sentences": self.sentences,
            "runs": self.runs,
        }


@dataclass(slots=True)
class Reproduced:
    """What a scenario came to on both sides."""

    name: str
    affected: Side
    control: Side | None

    @property
    def exit_status(self) -> int:
        """0 shown on what is affected and never on the control, 2 where it could not be set up, else 1."""
        control_silent = self.control is None or not self.control.shown
        if control_silent and (self.affected.shown or not self.affected.of):  # not of: only the control was asked for
            broken = self.control is not None and self.control.not_set_up == self.control.of
            return EXIT_UNKNOWN if broken else EXIT_VALID
        if control_silent and self.affected.not_set_up == self.affected.of:
            return EXIT_UNKNOWN
        return EXIT_INVALID

    def to_json(self) -> dict[str, Any]:
        """``name``, ``affected`` and ``control`` (null if no version is known to be free of it)."""
        return {
            "name": self.name,
            "affected": self.affected.to_json(),
            "control": self.control.to_json() if self.control else None,
        }


def reproduce(
    loaded: Loaded,
    affected: str,
    control: str | None,
    repeat: int,
    seed: int,
    store: Path,
    say: Callable[[str], None],
    only: str | None = None,
) -> Reproduced:
    """Play the scenario ``repeat`` times on each side, or on one (``only``: AFFECTED or CONTROL).

    Raises RaftmonError if raftmon itself failed.
    """
    found = Reproduced(
        loaded.scenario.name, Side(affected), Side(control, loaded.scenario.control_options) if control else None
    )
    sides = {AFFECTED: found.affected, CONTROL: found.control}
    for name, side in sides.items():
        if side is None or only not in (None, name):
            continue
        for number in range(repeat):
            result = _attempt(loaded.where, side.version, f"{seed + number}", store, name)
            side.add(result)
            say(f"{side.label} {number + 1} of {repeat}: {result['outcome']} ({result['seconds']:.1f} s)")
            if result["sentence"]:
                say(f"    {result['sentence']}")
            for blame in result.get("blame", []):
                say(f"    blame: {blame}")
    return found


def _attempt(where: str, server: str, seed: str, store: Path, side: str) -> dict[str, Any]:
    command = module_command("raftmon.driver.reproduce.attempt", where, server, seed, str(store), side)
    try:
        ended = subprocess.run(command, capture_output=True, timeout=ATTEMPT_S, check=False, preexec_fn=end_with_parent)
    except subprocess.TimeoutExpired:
        why = f"the attempt did not end within {ATTEMPT_S:g} s"
        return {"outcome": AttemptOutcome.NOT_SET_UP, "sentence": why, "seconds": ATTEMPT_S, "run": ""}
    lines = ended.stdout.splitlines()
    if ended.returncode != 0 or not lines:
        error = RaftmonError(
            ended.stderr.decode(errors="replace").strip()[-2000:] or "the attempt ended without a word"
        )
        error.exit_status = ended.returncode or error.exit_status
        raise error
    result: dict[str, Any] = orjson.loads(lines[-1])
    return result
