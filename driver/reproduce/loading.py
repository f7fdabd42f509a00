"""Scenarios with their programs: ours by name, a user's from a ``.py`` file."""

from __future__ import annotations

import enum
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from raftmon.driver.reproduce import library
from raftmon.driver.reproduce.scenario import Scenario
from raftmon.driver.reproduce.stage import Stage
from raftmon.setup.errors import InputError
from raftmon.setup.old_imports import load_failure

__all__ = ["AFFECTED", "CONTROL", "AttemptOutcome", "Loaded", "load_scenario", "scenarios"]

AFFECTED, CONTROL = "affected", "control"
Play = Callable[[Stage], str | None]


class AttemptOutcome(enum.StrEnum):
    """What one attempt came to."""

    SHOWN = "shown"
    NOT_SHOWN = "not shown"
    NOT_SET_UP = "could not be set up"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A scenario and its program; ``where`` loads it again in another process."""

    scenario: Scenario
    play: Play
    where: str


def _loaded(module: ModuleType, where: str) -> Loaded:
    scenario, play = getattr(module, "SCENARIO", None), getattr(module, "play", None)
    if not isinstance(scenario, Scenario) or not callable(play):
        raise InputError(f"{where} is no scenario: it needs SCENARIO = Scenario(...) and def play(stage)")
    return Loaded(scenario, play, where)


def scenarios() -> dict[str, Loaded]:
    """Ours, by name."""
    found = {}
    for info in sorted(pkgutil.iter_modules(library.__path__), key=lambda one: one.name):
        module = importlib.import_module(f"{library.__name__}.{info.name}")
        loaded = _loaded(module, module.__name__)
        found[loaded.scenario.name] = Loaded(loaded.scenario, loaded.play, loaded.scenario.name)
    return found


def load_scenario(name: str) -> Loaded:
    """A scenario by its name, or from a ``.py`` file. Raises InputError if there is none."""
    if name.endswith(".py"):
        path = Path(name).resolve()
        spec = importlib.util.spec_from_file_location(f"raftmon_scenario_{path.stem}", path)
        if not path.is_file() or spec is None or spec.loader is None:
            raise InputError(f"there is no file {name}: name a scenario (raftmon reproduce --list) or a .py file")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise InputError(f"{name} cannot be loaded: {load_failure(error)}") from error
        return _loaded(module, str(path))
    known = scenarios()
    if name not in known:
        raise InputError(f"unknown scenario {name!r} (available: {', '.join(known)}, or a .py file)")
    return known[name]
