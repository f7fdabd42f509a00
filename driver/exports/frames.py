"""A run as pandas data frames: ``raftmon.load(run)``, for notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from raftmon.driver.exports.rows import TABLES, RunRows
from raftmon.driver.run_folder import RunFolder, find_run
from raftmon.setup.errors import InputError

__all__ = ["LoadedRun", "load"]


@dataclass(frozen=True)
class LoadedRun:
    """One run: ``operations``, ``messages`` and ``events`` are data frames, read when they are first asked for."""

    path: Path

    @property
    def rows(self) -> RunRows:
        """The run's rows as plain values."""
        return RunRows(RunFolder(self.path))

    @property
    def results(self) -> dict[str, Any]:
        """The content of results.json."""
        return self.rows.results

    @property
    def config(self) -> dict[str, Any]:
        """The run's configuration."""
        return self.rows.config

    @property
    def verdict(self) -> str:
        """*valid*, *invalid* or *unknown*."""
        return str(self.results.get("valid", "unknown"))

    @cached_property
    def operations(self) -> Any:
        """What clients did: ``at_s``, ``latency_ms``, ``process``, ``node``, ``f``, ``key``, ``value``, ``outcome``."""
        return self._frame("operations")

    @cached_property
    def messages(self) -> Any:
        """Raft messages on the wire: ``at_s``, ``kind``, ``source``, ``target``, ``term``, …"""
        return self._frame("messages")

    @cached_property
    def events(self) -> Any:
        """What happened to the run: ``at_s``, ``component``, ``event``, ``sentence``, …"""
        return self._frame("events")

    def _frame(self, name: str) -> Any:
        try:
            import pandas
        except ImportError as error:
            raise InputError("data frames need pandas: pip install 'raftmon[notebook]'") from error
        return pandas.DataFrame(list(self.rows.table(name)), columns=list(TABLES[name]))


def load(run: str | Path | None = None, store: str | Path = "store") -> LoadedRun:
    """A run by its folder or a part of its name, the newest of ``store`` where nothing is given.

    Raises InputError if there is none.
    """
    found = LoadedRun(find_run(None if run is None else str(run), Path(store)).path)
    found.rows  # noqa: B018  # refuses a folder that is no run's, now
    return found
