"""What a store holds: one row a run, asked by the small language of ``--where``."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from raftmon.driver.run_folder import CONFIG, LIVE, RESULTS, RunFolder, list_runs
from raftmon.monitor.raft.database.where import parse_where
from raftmon.setup.errors import RaftmonError

__all__ = ["FIELDS", "INDEX", "select_runs"]

INDEX = ".runs.sqlite"
"""The index's file in the store; it can be removed at any time."""
_VERSION = 1

_TYPES = {
    "path": "text",
    "name": "text",
    "time": "text",
    "verdict": "text",
    "system": "text",
    "server": "text",
    "workload": "text",
    "fault": "text",
    "seed": "text",
    "nodes": "number",
    "duration": "number",
    "size_mb": "number",
}
FIELDS: tuple[str, ...] = tuple(_TYPES)
"""The fields of a run. ``verdict`` is valid, invalid or unknown, *live* while it goes on, *none* where it broke off."""


def select_runs(store: Path, where: str | None = None) -> list[dict[str, Any]]:
    """The runs of a store for which ``where`` holds, oldest first. Raises InputError where it cannot be read.

    Rows of runs that ended are remembered in ``STORE/.runs.sqlite`` and read again only when their results change; if
    that cannot be written, every run is looked at.
    """
    condition = parse_where(where, {name: (f"r.{name}", kind) for name, kind in _TYPES.items()}) if where else None
    connection = _index(store)
    try:
        _refresh(connection, store)
        columns = ", ".join(f"r.{name}" for name in FIELDS)
        sql = f"SELECT {columns} FROM runs r" + (f" WHERE {condition.sql}" if condition else "")
        found = connection.execute(f"{sql} ORDER BY r.time, r.path", condition.parameters if condition else {})
        return [dict(row) for row in found]
    finally:
        connection.close()


def _index(store: Path) -> sqlite3.Connection:
    """The index, made if it is new or of another version; in memory where the store cannot be written."""
    for target in (str(store / INDEX), ":memory:"):
        try:
            if target != ":memory:" and not store.is_dir():
                continue
            connection = sqlite3.connect(target, timeout=5.0)
            connection.row_factory = sqlite3.Row
            if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                connection.execute("DROP TABLE IF EXISTS runs")
                connection.execute(f"CREATE TABLE runs ({', '.join(FIELDS)}, seen_ns INTEGER, PRIMARY KEY (path))")
                connection.execute(f"PRAGMA user_version = {_VERSION}")
                connection.commit()
        except sqlite3.Error:
            continue
        return connection
    raise RaftmonError("SQLite cannot make an index of runs, not even in memory")


def _refresh(connection: sqlite3.Connection, store: Path) -> None:
    """Bring the rows up to date: new runs, changed ones, and those that are gone."""
    known = {row["path"]: row["seen_ns"] for row in connection.execute("SELECT path, seen_ns FROM runs")}
    there: set[str] = set()
    fresh = []
    for run in list_runs(store):
        path = str(run.path)
        there.add(path)
        seen_ns = _changed_ns(run)
        if seen_ns is None or known.get(path) != seen_ns:
            fresh.append({**_row(run), "seen_ns": seen_ns})
    marks = ", ".join(f":{name}" for name in (*FIELDS, "seen_ns"))
    try:
        with connection:
            connection.executemany(f"INSERT OR REPLACE INTO runs VALUES ({marks})", fresh)
            connection.executemany("DELETE FROM runs WHERE path = ?", [(path,) for path in known.keys() - there])
    except sqlite3.Error as error:
        raise RaftmonError(f"{store / INDEX} cannot be written ({error}): remove it, raftmon makes it anew") from error


def _changed_ns(run: RunFolder) -> int | None:
    """When the results of a run that ended were written; None where it goes on or broke off, and is looked at anew."""
    try:
        results = (run.path / RESULTS).stat().st_mtime_ns
    except OSError:
        return None
    return None if (run.path / LIVE).exists() else results


def _row(run: RunFolder) -> dict[str, Any]:
    """One run's row; values of a wrong type in its files are null."""
    saved, results = run.load(CONFIG), run.load(RESULTS)
    config = saved.get("config") if isinstance(saved, dict) else None
    config = config if isinstance(config, dict) else {}
    found = results.get("valid") if isinstance(results, dict) else None
    verdict = "live" if run.is_live else found if isinstance(found, str) else "none"
    values = {
        **{name: config.get(name) for name in ("system", "server", "workload", "seed", "nodes")},
        "fault": config.get("faults"),
        "duration": config.get("duration_s"),
        "path": str(run.path),
        "name": run.path.parent.name,
        "time": run.path.name,
        "verdict": verdict,
        "size_mb": round(run.size_bytes / 1e6, 1),
    }
    kinds = {"text": str, "number": int | float}
    return {name: values[name] if isinstance(values[name], kinds[kind]) else None for name, kind in _TYPES.items()}
