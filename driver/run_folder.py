"""A run's folder: ``store/<name>/<UTC time>/``, with ``store/latest`` pointing at the newest.

What a run learns is saved in phases, each file whole or not at all, so that a crash loses nothing already seen.
"""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from raftmon.setup.errors import InputError
from raftmon.setup.sandbox import own_to_caller

__all__ = ["RunFolder", "check_store", "find_run", "list_runs"]

CONFIG = "config.json"
RESULTS = "results.json"


class RunFolder:
    """The files of one run, by name."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, store: Path, name: str) -> RunFolder:
        """A new folder under ``store``, and ``store/latest`` set to it.

        Raises InputError if the store cannot be written.
        """
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = store / name / stamp
        try:
            path.mkdir(parents=True)
            (path / "nodes").mkdir()
            _point(store / "latest", path)
        except OSError as error:
            raise InputError(
                f"the store {store} cannot be written ({error.strerror}): give --store a folder that you can write"
            ) from error
        return cls(path)

    @property
    def history(self) -> Path:
        """What the clients did."""
        return self.path / "history.jsonl"

    @property
    def events(self) -> Path:
        """What happened to the run, one JSON object a line."""
        return self.path / "events.jsonl"

    @property
    def packets(self) -> Path:
        """Every packet between peers."""
        return self.path / "packets.pcapng"

    @property
    def control_socket(self) -> Path:
        """Where the monitor listens while the run lasts."""
        return self.path / "monitor.sock"

    def node(self, name: str) -> Path:
        """The folder of one node; made if missing."""
        path = self.path / "nodes" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def save(self, name: str, value: Any) -> None:
        """Write ``value`` as JSON, whole or not at all."""
        target = self.path / name
        partial = target.with_suffix(target.suffix + ".partial")
        options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
        partial.write_bytes(orjson.dumps(value, default=str, option=options) + b"\n")
        partial.replace(target)

    def load(self, name: str) -> Any:
        """The value saved under that name, None where the file is missing or torn."""
        try:
            return orjson.loads((self.path / name).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return None

    def remove(self) -> None:
        """Delete the folder; its parent too if that is empty then. ``latest``, if it pointed here, goes to the newest
        that is left.
        """
        shutil.rmtree(self.path)
        if not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()
        store = self.path.parent.parent
        latest = store / "latest"
        if latest.is_symlink() and not latest.exists():
            latest.unlink()
            for newest in list(list_runs(store))[-1:]:
                _point(latest, newest.path)

    def hand_over(self) -> None:
        """Give every file to the user who called (under sudo they would be root's)."""
        own_to_caller(self.path.parent.parent)


def _point(link: Path, target: Path) -> None:
    """Set a symbolic link in one step, relative to its own folder."""
    fresh = link.with_name(f".latest-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(os.path.relpath(target, link.parent))
    fresh.replace(link)


def check_store(store: Path) -> None:
    """Raise InputError now if a run's folder could not be made there later. Makes nothing."""
    there = store.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"the store {store} cannot be written: give --store a folder that you can write")


def list_runs(store: Path) -> Iterator[RunFolder]:
    """The runs in a store, oldest first."""
    if store.is_dir():
        yield from (RunFolder(path.parent) for path in sorted(store.glob(f"*/*/{CONFIG}"), key=lambda p: p.parent.name))


def find_run(given: str | None, store: Path) -> RunFolder:
    """The run that the user means: a path, a part of its time stamp, or the newest where nothing is given.

    Raises InputError that names the store and what to do.
    """
    if given is None or given == "latest":
        latest = store / "latest"
        if not latest.exists():
            raise InputError(f"there is no run in {store} yet: start one with `raftmon run`, or name a run's folder")
        return RunFolder(latest.resolve())
    path = Path(given)
    if path.is_dir():
        return RunFolder(path.resolve())
    if path.is_absolute() or given.startswith("."):
        raise InputError(f"there is no folder {given}: name a run's folder, or a part of its time stamp")
    matches = [run for run in list_runs(store) if given in f"{run.path.parent.name}/{run.path.name}"]
    if not matches:
        raise InputError(f"there is no folder {given!r}, and no run in {store} is called so: name a run's folder")
    if len(matches) > 1:
        found = ", ".join(f"{run.path.parent.name}/{run.path.name}" for run in matches[:5])
        raise InputError(f"{len(matches)} runs in {store} are called {given!r} ({found}…): name one's folder instead")
    return matches[0]


def remove_runs(store: Path, keep: int) -> int:
    """Delete all but the newest ``keep`` runs; returns how many were deleted. Touches nothing that is not a run."""
    runs = list(list_runs(store))
    doomed = runs[: len(runs) - keep] if keep else runs
    for run in doomed:
        run.remove()
    return len(doomed)
