"""A store's campaigns: sweeps (``ledger.sqlite``) and explorations (``curve.csv``), read only and bounded."""

from __future__ import annotations

import contextlib
import csv
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raftmon.setup.errors import InputError

__all__ = ["Campaign", "Exploration", "SweepTable", "campaigns", "exploration", "sweep_table"]

MOST_CAMPAIGNS, MOST_ROWS = 500, 20_000


@dataclass(frozen=True, slots=True)
class Campaign:
    """One folder: ``kind`` is sweep or exploration, ``changed_s`` when something was last written (POSIX seconds)."""

    name: str
    kind: str
    changed_s: float


@dataclass(slots=True)
class SweepTable:
    """The rows of a sweep in the order in which they were begun, at most ``MOST_ROWS`` of ``total``."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0


@dataclass(slots=True)
class Exploration:
    """``trials``: (trial, seconds, states, new, failing, schedule) of one exploration each, in the order of time."""

    trials: list[list[tuple[int, float, int, int, str, str]]] = field(default_factory=list)


def campaigns(store: Path) -> list[Campaign]:
    """The store's sweeps and explorations, the latest first."""
    found = []
    with contextlib.suppress(OSError):
        for folder in sorted(store.iterdir()):
            for name, kind in (("ledger.sqlite", "sweep"), ("curve.csv", "exploration")):
                path = folder / name
                if not folder.is_symlink() and path.is_file() and not path.is_symlink():
                    found.append(Campaign(folder.name, kind, path.stat().st_mtime))
    return sorted(found, key=lambda one: -one.changed_s)[:MOST_CAMPAIGNS]


def sweep_table(folder: Path) -> SweepTable:
    """The ledger's rows. Raises InputError if it cannot be read."""
    path = folder / "ledger.sqlite"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)) as ledger:
            ledger.row_factory = sqlite3.Row
            total = ledger.execute("SELECT COUNT(*) FROM runs").fetchone()[0]
            rows = ledger.execute(f"SELECT * FROM runs ORDER BY number LIMIT {MOST_ROWS}")
            return SweepTable([dict(row) for row in rows], total)
    except sqlite3.Error as error:
        raise InputError(f"{path} cannot be read ({error})") from error


def exploration(folder: Path) -> Exploration:
    """The curve's rows. Raises InputError if they cannot be read."""
    found = Exploration()
    try:
        with (folder / "curve.csv").open(newline="", encoding="utf-8", errors="replace") as file:
            for trial in _trials(csv.reader(file)):
                if not found.trials or trial[0] <= found.trials[-1][-1][0]:
                    found.trials.append([])
                found.trials[-1].append(trial)
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror})") from error
    return found


def _trials(rows: Iterator[list[str]]) -> Iterator[tuple[int, float, int, int, str, str]]:
    for number, row in enumerate(rows):
        if number > MOST_ROWS:
            return
        with contextlib.suppress(ValueError, IndexError):  # the heading, and a torn last line
            yield int(row[0]), float(row[1]), int(row[2]), int(row[3]), row[4], row[5]
