"""What a campaign has done so far, in one SQLite file: a row a cell, written when its run has ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from raftmon.driver.campaign.matrix import Cell
from raftmon.driver.campaign.trial import COLUMNS
from raftmon.setup.errors import InputError

__all__ = ["CELL_COLUMNS", "Ledger"]

CELL_COLUMNS: tuple[str, ...] = ("number", "system", "workload", "fault", "topology", "nodes", "seed")
_TYPES = {str: "TEXT", int: "INTEGER", float: "REAL", bool: "INTEGER"}


class Ledger:
    """The rows of one campaign. A cell that is there already is never counted again. One writer at a time."""

    def __init__(self, path: Path) -> None:
        columns = ", ".join(f"{name} {_TYPES[kind]}" for name, kind in COLUMNS.items())
        try:
            self._connection = sqlite3.connect(path)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS runs (key TEXT PRIMARY KEY, number INTEGER, system TEXT, workload TEXT, "
                f"fault TEXT, topology TEXT, nodes INTEGER, seed TEXT, {columns})"
            )
        except sqlite3.Error as error:
            raise InputError(f"{path} is no ledger of a sweep ({error}): give --name another name") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def done(self) -> set[str]:
        """The keys of the cells that ended."""
        return {row["key"] for row in self._connection.execute("SELECT key FROM runs")}

    def add(self, cell: Cell, row: Mapping[str, Any]) -> bool:
        """Write one down, durably; False if it was there already."""
        values = [cell.key, *(getattr(cell, name) for name in CELL_COLUMNS), *(row.get(name) for name in COLUMNS)]
        marks = ", ".join("?" * len(values))
        with self._connection:
            return self._connection.execute(f"INSERT OR IGNORE INTO runs VALUES ({marks})", values).rowcount == 1

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every row, in the order of the cells."""
        for row in self._connection.execute("SELECT * FROM runs ORDER BY number"):
            yield dict(row)
