"""A scenario: a short program over a cluster that makes a known bug show, or says that it could not be set up.

A file of your own has ``SCENARIO = Scenario(...)`` and ``def play(stage)``. ``play`` returns a sentence that says what
was seen where the bug showed, and None where it did not; it raises ``CouldNotSetUp`` where the bug's conditions could
not be brought about. What it does through ``stage.client`` enters the history, and ``stage.judge`` has it checked.
"""

from __future__ import annotations

import enum
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from raftmon.setup.errors import InputError
from raftmon.setup.old_imports import load_failure

if TYPE_CHECKING:
    from raftmon.driver.reproduce.stage import Stage

__all__ = ["AttemptOutcome", "CouldNotSetUp", "Loaded", "Scenario", "load_scenario", "scenarios"]

Play = Callable[["Stage"], "str | None"]


class CouldNotSetUp(Exception):
    """The conditions of the bug could not be brought about; the message says which and why."""


class AttemptOutcome(enum.StrEnum):
    """What one attempt came to."""

    SHOWN = "shown"
    NOT_SHOWN = "not shown"
    NOT_SET_UP = "could not be set up"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a scenario is about.

    ``affected`` and ``control`` are server specifications (``etcd@3.4.23``), the default one first. Where every version
    that can be had is affected, ``control`` is empty and ``why_no_control`` says so. ``options`` are the adapter's.
    ``seen`` is what a client or the wire shows, ``needs`` the events required, ``fixed`` the versions that mend it.
    """

    name: str
    system: str
    title: str
    seen: str
    needs: str
    affected: tuple[str, ...]
    control: tuple[str, ...] = ()
    fixed: str = ""
    why_no_control: str = ""
    nodes: int = 3
    disks: bool = False
    workload: str = "register"
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()


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
    from raftmon.driver.reproduce import library

    found = {}
    for info in sorted(pkgutil.iter_modules(library.__path__), key=lambda one: one.name):
        module = importlib.import_module(f"{library.__name__}.{info.name}")
        loaded = _loaded(module, module.__name__)
        found[loaded.scenario.name] = Loaded(loaded.scenario, loaded.play, loaded.scenario.name)
    return found


def load_scenario(name: str) -> Loaded:
    """A scenario by its name, or from a ``.py`` file. Raises InputError where there is none."""
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
