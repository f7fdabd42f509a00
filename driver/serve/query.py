"""SQL over a run's records, read-only and bounded: messages.sqlite as it is, the operations beside it."""

from __future__ import annotations

import sqlite3
import time
from typing import Any, NamedTuple
from urllib.parse import quote

from raftmon.driver.exports.rows import OPERATION_COLUMNS, RunRows
from raftmon.setup.errors import InputError

__all__ = ["Answer", "ask"]

MOST_ROWS, MOST_S = 1000, 5.0
_STEPS = 10_000
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_REFUSED_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}
_MOST_TEXT = 500


class Answer(NamedTuple):
    """Columns, rows (texts cut at 500 characters), and whether there were more."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool


def ask(rows: RunRows, sql: str) -> Answer:
    """What a SELECT says to ``operations`` and, where there is a record, to ``messages``, ``entries``, ``elections``, …

    Raises InputError for anything but one SELECT, for an error in it, and where it takes longer than 5 s.
    """
    connection = sqlite3.connect("file::memory:", uri=True)
    try:
        connection.execute(f"CREATE TABLE operations ({', '.join(OPERATION_COLUMNS)})")
        marks = ", ".join("?" * len(OPERATION_COLUMNS))
        connection.executemany(f"INSERT INTO operations VALUES ({marks})", rows.operations())
        connection.commit()
        record = rows.folder.path / "messages.sqlite"
        if record.exists():
            connection.execute("ATTACH ? AS wire", (f"file:{quote(str(record.resolve()))}?mode=ro",))
        return _answer(connection, sql)
    finally:
        connection.close()


def _answer(connection: sqlite3.Connection, sql: str) -> Answer:
    deadline = time.monotonic() + MOST_S
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    connection.set_authorizer(_may)
    try:
        cursor = connection.execute(sql)
        found = cursor.fetchmany(MOST_ROWS + 1)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        why = f"it took longer than {MOST_S:g} s" if time.monotonic() > deadline else str(error)
        raise InputError(f"the query cannot be answered: {why}") from error
    columns = [one[0] for one in cursor.description or ()]
    return Answer(columns, [tuple(map(_shown, row)) for row in found[:MOST_ROWS]], len(found) > MOST_ROWS)


def _may(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    function = second if action == sqlite3.SQLITE_FUNCTION else None
    if action not in _ALLOWED or (function or "").lower() in _REFUSED_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.hex()
    return value[:_MOST_TEXT] if isinstance(value, str) else value
