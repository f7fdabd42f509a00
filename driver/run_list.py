"""What a store holds: one row a run, asked by the small language of ``--where``."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from raftmon.driver.run_folder import CONFIG, RESULTS, RunFolder, list_runs
from raftmon.monitor.raft.database.where import parse_where

__all__ = ["FIELDS", "select_runs"]

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
    """The runs of a store for which ``where`` holds, oldest first. Raises InputError if it cannot be read."""
    condition = parse_where(where, {name: (f"r.{name}", kind) for name, kind in _TYPES.items()}) if where else None
    connection = sqlite3.connect(":memory:")
    try:
        connection.row_factory = sqlite3.Row
        connection.execute(f"CREATE TABLE runs ({', '.join(FIELDS)})")
        marks = ", ".join(f":{name}" for name in FIELDS)
        connection.executemany(f"INSERT INTO runs VALUES ({marks})", (_row(run) for run in list_runs(store)))
        sql = "SELECT * FROM runs r" + (f" WHERE {condition.sql}" if condition else "") + " ORDER BY r.time, r.path"
        return [dict(row) for row in connection.execute(sql, condition.parameters if condition else {})]
    finally:
        connection.close()


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
