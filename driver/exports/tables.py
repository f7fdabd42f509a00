"""A run's operations, messages and events as CSV or Parquet files, one a table."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raftmon.driver.exports.rows import TABLES, RunRows
from raftmon.driver.exports.whole import written_whole
from raftmon.setup.errors import InputError

__all__ = ["write_csv", "write_parquet"]

_BATCH = 50_000


def write_csv(rows: RunRows, folder: Path) -> dict[Path, int]:
    """``operations.csv``, ``messages.csv`` and ``events.csv`` in a folder, as RFC 4180 has it; how many rows each has.

    Raises InputError if they cannot be written.
    """
    written = {}
    for name, columns in TABLES.items():
        path = _target(folder, f"{name}.csv")
        count = 0
        with (
            written_whole(path) as partial,
            partial.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(columns)
            for row in rows.table(name):
                writer.writerow(row)
                count += 1
        written[path] = count
    return written


def write_parquet(rows: RunRows, folder: Path) -> dict[Path, int]:
    """The same as Parquet. Raises InputError where pyarrow is missing."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError("--parquet needs pyarrow: pip install 'raftmon[parquet]'") from error
    written = {}
    for name, columns in TABLES.items():
        schema = pyarrow.schema([(column, _arrow_type(pyarrow, column)) for column in columns])
        path = _target(folder, f"{name}.parquet")
        count = 0
        with written_whole(path) as partial, pyarrow.parquet.ParquetWriter(partial, schema) as writer:
            for batch in _batches(rows.table(name)):
                columns_of = zip(zip(*batch, strict=True), schema, strict=True)
                arrays = [pyarrow.array(column, type=field.type) for column, field in columns_of]
                writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
                count += len(batch)
        written[path] = count
    return written


_FLOATS = ("at_s", "latency_ms")
_INTEGERS = (
    "process", "term", "log_term", "log_index", "commit_index", "entries", "first_index", "last_index", "last_packet",
    "reject", "delivered", "size",
)  # fmt: skip


def _arrow_type(pyarrow: Any, column: str) -> Any:
    if column in _FLOATS:
        return pyarrow.float64()
    return pyarrow.int64() if column in _INTEGERS else pyarrow.string()


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while batch := list(itertools.islice(rows, _BATCH)):
        yield batch


def _target(folder: Path, name: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be made ({error.strerror}): name another") from error
    path = folder / name
    if path.exists():
        raise InputError(f"{path} exists: name an empty folder, or remove it")
    return path
