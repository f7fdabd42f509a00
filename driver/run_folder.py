"""A run's folder: ``store/<name>/<UTC time>/``, with ``store/latest`` pointing at the newest.

What a run learns is saved in phases, each file whole or not at all, so that a crash loses nothing already seen. The
folder is its owner's alone (mode 0700) and bears a mark: what bears none is no run of ours, whatever it looks like, and
nothing here removes it or follows a symbolic link.
"""

from __future__ import annotations

import datetime
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import psutil

from raftmon.setup.errors import NO_ROOM, InputError
from raftmon.setup.sandbox import own_to_caller

__all__ = [
    "LIVE", "MARK", "RunFolder", "check_name", "check_store", "find_run", "list_runs", "live_socket", "remove_runs",
]  # fmt: skip

CONFIG = "config.json"
RESULTS = "results.json"
STORES = "stores.jsonl"
MARK = ".raftmon-run"
LIVE = "live.json"
_RESERVE = ".reserve"
_RESERVE_BYTES = 128 << 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,99}")


class RunFolder:
    """The files of one run, by name."""

    def __init__(self, path: Path, made: Sequence[Path] = ()) -> None:
        """``made`` are the folders above it that this run made; ``hand_over`` gives them away with it."""
        self.path = path
        self._made = tuple(made)

    @classmethod
    def create(cls, store: Path, name: str) -> RunFolder:
        """A new folder under ``store``, and ``store/latest`` set to it.

        Raises InputError if the store cannot be written, or the name is no plain name.
        """
        check_name(name)
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = store / name / stamp
        made = [folder for folder in (store, store / name) if not folder.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700)
            (path / MARK).write_text("a run of raftmon: raftmon clean may remove this folder\n")
            (path / "nodes").mkdir()
            _point(store / "latest", path)
        except OSError as error:
            raise InputError(
                f"the store {store} cannot be written ({error.strerror}): give --store a folder that you can write"
            ) from error
        return cls(path, made)

    @property
    def is_run(self) -> bool:
        """Whether the folder bears the mark of a run, and is reached without a symbolic link below the store."""
        mark = self.path / MARK
        return not any(one.is_symlink() for one in (mark, self.path, self.path.parent)) and mark.is_file()

    @property
    def is_live(self) -> bool:
        """Whether the run goes on: the process that it noted lives, and is that process still."""
        noted = self.load(LIVE)
        try:
            return bool(abs(psutil.Process(noted["outer_pid"]).create_time() - noted["started"]) < 1.0)
        except (TypeError, KeyError, ValueError, psutil.Error):
            return False

    @property
    def size_bytes(self) -> int:
        """What it takes on the disk (blocks, so sparse files count by what they hold)."""
        return sum(one.lstat().st_blocks * 512 for one in self.path.rglob("*"))

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
        data = orjson.dumps(value, default=str, option=options) + b"\n"
        try:
            partial.write_bytes(data)
        except OSError as error:
            partial.unlink(missing_ok=True)
            if error.errno not in NO_ROOM:
                raise
            (self.path / _RESERVE).unlink(missing_ok=True)
            partial.write_bytes(data)
        partial.replace(target)
        if name == RESULTS:
            (self.path / _RESERVE).unlink(missing_ok=True)

    def reserve(self) -> None:
        """Keep some room on the disk for ``results.json``, should something else fill it meanwhile."""
        (self.path / _RESERVE).write_bytes(bytes(_RESERVE_BYTES))

    @property
    def free_bytes(self) -> int:
        """The room that is left on the folder's disk."""
        return shutil.disk_usage(self.path).free

    def load(self, name: str) -> Any:
        """The value saved under that name, None if the file is missing or torn."""
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
        """Give what this run made to the user who called (under sudo it would be root's), and nothing else."""
        own_to_caller(self.path)
        for folder in self._made:
            own_to_caller(folder, alone=True)
        own_to_caller(self.path.parent.parent / "latest", alone=True)


def _point(link: Path, target: Path) -> None:
    """Set a symbolic link in one step, relative to its own folder."""
    fresh = link.with_name(f".latest-{secrets.token_hex(8)}")  # drivers in two sandboxes have the same pid
    fresh.symlink_to(os.path.relpath(target, link.parent))
    fresh.replace(link)


def check_store(store: Path) -> None:
    """Raise InputError now if a run's folder could not be made there later. Makes nothing."""
    there = store.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"the store {store} cannot be written: give --store a folder that you can write")


def check_name(name: str) -> None:
    """Raise InputError if ``name`` is no plain name of a folder (it would lead out of the store)."""
    if not _NAME.fullmatch(name) or name == "latest":
        raise InputError(
            f"{name!r} is no name for a run: give a plain name of letters, digits, '.', '_', '+', '@' and '-' (not "
            "'latest'); --store says where it lies"
        )


def list_runs(store: Path) -> Iterator[RunFolder]:
    """The runs in a store, oldest first."""
    found = [path / name for path in _folders(store) for name in _names(path) if _is_there(path / name / MARK)]
    yield from sorted((run for run in map(RunFolder, found) if run.is_run), key=lambda run: run.path.name)


def _names(folder: Path) -> list[str]:
    """What lies in a folder; nothing of one that is none, has just gone, or may not be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except OSError:  # not there, or nothing that we may look into
        return False
    return True


def _folders(store: Path) -> Iterator[Path]:
    return (store / name for name in _names(store))


def find_run(given: str | None, store: Path) -> RunFolder:
    """The run that the user means: a path, a part of its time stamp, or the newest where nothing is given.

    Raises InputError that names the store and what to do.
    """
    if given is None or given == "latest":
        latest = store / "latest"
        if not latest.exists():
            raise InputError(f"there is no run in {store} yet: start one with `raftmon run`, or name a run's folder")
        if not latest.resolve().is_relative_to(store.resolve()):
            raise InputError(f"{latest} points to {latest.resolve()}, out of the store: name a run's folder")
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


def live_socket(folder: RunFolder) -> Path:
    """The control socket of a live run. Raises InputError if the run has ended."""
    if not folder.control_socket.exists():
        ended = (folder.path / RESULTS).exists()
        why = "it has ended; start one" if ended else "it is still starting, or broke off; try again, start one"
        raise InputError(f"{folder.path} is no live run: {why}, or name another with --run")
    return folder.control_socket


def remove_runs(store: Path, keep: int) -> tuple[list[RunFolder], list[RunFolder]]:
    """Which runs go if the newest ``keep`` stay: those to be removed, and live ones that are left alone.

    Removes nothing itself: call ``remove`` of each.
    """
    runs = list(list_runs(store))
    doomed = runs[: len(runs) - keep] if keep else runs
    return [run for run in doomed if not run.is_live], [run for run in doomed if run.is_live]
