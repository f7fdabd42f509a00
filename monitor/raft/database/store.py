"""``messages.sqlite``: the decoded record of a run or a capture (schema in docs/messages.md).

WAL mode: it can be read while it is written. Rows are written in transactions at least every 100 ms.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.raft.database.rows import INSERT_ENTRY, INSERT_MESSAGE, entry_rows, fitting, message_row
from raftmon.monitor.raft.database.schema import INDEXES, LIVE_INDEXES, SCHEMA_VERSION, TABLES
from raftmon.monitor.raft.database.wanted import LiveConnection
from raftmon.monitor.raft.decoder import WireEvent
from raftmon.monitor.raft.invariants import Violation
from raftmon.monitor.raft.message import Channel, Entry, RaftMessage
from raftmon.monitor.raft.tracker import ClusterChange, Election, Tracker
from raftmon.setup.errors import InputError, RaftmonError

__all__ = ["MessageStore", "open_store"]

if COMPILED:
    with contextlib.suppress(ImportError):
        from raftmon.monitor.raft.database._rows import entry_rows, message_row


class MessageStore:
    """Writes one ``messages.sqlite``. Rows wait in memory until ``flush``."""

    def __init__(self, path: Path, meta: Mapping[str, Any] | None = None, *, live: bool = True) -> None:
        """Create the file, replacing one that is there. ``live`` keeps the two indexes by time from the beginning; all
        others are made in ``finish``: to keep them cost a fifth of the time of decoding.

        Raises InputError if it cannot be written.
        """
        try:
            for old in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                old.unlink(missing_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None)
            # Where it is not live nobody reads, or keeps, a file that is not whole: no journal need reach the disk.
            self._connection.execute(f"PRAGMA journal_mode = {'WAL' if live else 'MEMORY'}")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.executescript(TABLES + LIVE_INDEXES if live else TABLES)
            self._later = INDEXES if live else LIVE_INDEXES + INDEXES
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"cannot write {path}: {error}; choose another place with -o") from error
        self.path = path
        self.messages = 0
        self.put_rows = 0
        self.entries_left_out = 0
        self._sent: dict[tuple[str, int, int], int] = {}
        self._spent: tuple[Entry, ...] = ()
        self._messages: list[tuple[Any, ...]] = []
        self._entries: list[tuple[Any, ...]] = []
        self._others: list[tuple[str, tuple[Any, ...]]] = []
        self._labels: set[str] = set()
        self.set_meta({"schema_version": SCHEMA_VERSION, **(meta or {})})

    @property
    def waiting(self) -> int:
        """How many messages wait for ``flush``."""
        return len(self._messages)

    def add(self, message: RaftMessage, verdict: str | None = None, delivered: bool | None = None) -> int:
        """Queue one message; its id. ``verdict`` is the comment of the packet that completed it."""
        self.messages += 1
        ident = self.messages
        self._messages.append(message_row(ident, message, verdict, delivered))
        if message.entries:
            if message.entries is not self._spent:
                left_out = entry_rows(ident, message, self._entries, self._sent)
                self._spent = message.entries if left_out == len(message.entries) else ()
            else:  # the same objects again (see raftpb): there is nothing to look up
                left_out = len(message.entries)
            self.entries_left_out += left_out
        if message.source is not None:
            self._labels.add(message.source)
        if message.target is not None:
            self._labels.add(message.target)
        return ident

    def add_channels(self, channels: Iterable[Channel]) -> None:
        """Queue channels; a channel that comes again replaces what was known of it."""
        for channel in channels:
            row = (
                channel.stream, channel.name, channel.system, channel.source, channel.target, channel.source_address,
                channel.target_address,
            )  # fmt: skip
            self._others.append(("INSERT OR REPLACE INTO channels VALUES (?,?,?,?,?,?,?)", row))

    def add_events(self, events: Iterable[WireEvent]) -> None:
        """Queue wire events."""
        for event in events:
            row = (event.time_ns, event.kind, event.channel.stream, event.text, event.packet)
            self._others.append(("INSERT INTO events VALUES (?,?,?,?,?)", row))

    def add_changes(self, changes: Iterable[ClusterChange]) -> None:
        """Queue what the tracker saw change."""
        for change in changes:
            row = (change.time_ns, change.group, change.what, change.node, str(change.value), change.packet)
            self._others.append(("INSERT INTO changes VALUES (?,?,?,?,?,?)", row))

    def add_states(self, time_ns: int, tracker: Tracker) -> None:
        """Queue every node's state at this time."""
        for group in tracker.groups.values():
            for node in group.nodes.values():
                row = (
                    time_ns, group.name, node.name, node.term, node.role, node.commit, node.match, group.leader,
                )  # fmt: skip
                self._others.append(("INSERT INTO states VALUES (?,?,?,?,?,?,?,?)", row))

    def add_violation(self, violation: Violation) -> None:
        """Queue one broken invariant."""
        witnesses = orjson.dumps([witness._asdict() for witness in violation.witnesses]).decode()
        row = (violation.witnesses[-1].time_ns, violation.group, violation.invariant, violation.sentence, witnesses)
        self._others.append(
            ("INSERT INTO violations (time_ns, grp, invariant, sentence, witnesses) VALUES (?,?,?,?,?)", row)
        )

    def set_meta(self, values: Mapping[str, Any]) -> None:
        """Queue facts about the record itself; values as JSON."""
        for key, value in values.items():
            self._others.append(("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, orjson.dumps(value).decode())))

    def flush(self) -> None:
        """Write what waits, in one transaction. Raises RaftmonError if that fails."""
        if not (self._messages or self._others):
            return
        try:
            self._connection.execute("BEGIN")
            self._write()
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise RaftmonError(f"cannot write {self.path}: {error}") from error
        self._messages.clear()
        self._entries.clear()
        self._others.clear()

    def _write(self) -> None:
        execute = self._connection
        try:
            execute.executemany(INSERT_MESSAGE, self._messages)
            execute.executemany(INSERT_ENTRY, self._entries)
        except OverflowError:
            execute.execute("ROLLBACK")
            execute.execute("BEGIN")
            execute.executemany(INSERT_MESSAGE, map(fitting, self._messages))
            execute.executemany(INSERT_ENTRY, map(fitting, self._entries))
        for statement, row in self._others:
            execute.execute(statement, fitting(row))

    def finish(self, elections: Iterable[Election], renamed: Mapping[str, str], channels: Iterable[Channel]) -> None:
        """Write the rest, give nodes the names learnt late, and close the file."""
        for election in elections:
            row = (
                election.group, election.term, election.candidate, election.start_ns, election.cause,
                election.silent_ms, election.end_ns, election.winner, orjson.dumps(sorted(election.votes)).decode(),
                election.pre_vote_ns,
            )  # fmt: skip
            self._others.append(("INSERT INTO elections VALUES (?,?,?,?,?,?,?,?,?,?)", row))
        self.add_channels(channels)
        self.flush()
        try:
            self._connection.executescript(self._later)
            self._connection.execute("BEGIN")
            for old, new in renamed.items():
                if old not in self._labels or old == new:
                    continue
                for table in ("messages", "channels"):
                    for side in ("source", "target"):
                        self._connection.execute(f"UPDATE {table} SET {side} = ? WHERE {side} = ?", (new, old))
                for table in ("states", "changes"):
                    self._connection.execute(f"UPDATE {table} SET node = ? WHERE node = ?", (new, old))
            for side in ("source", "target"):
                self._connection.execute(
                    f"UPDATE messages SET {side} = (SELECT {side} FROM channels WHERE channels.id = messages.channel) "
                    f"WHERE {side} IS NULL"
                )
            self._connection.execute("COMMIT")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
        except sqlite3.Error as error:
            raise RaftmonError(f"cannot finish {self.path}: {error}") from error


def open_store(path: Path) -> sqlite3.Connection:
    """A read-only connection to a ``messages.sqlite``, rows by name.

    Raises InputError if it is none, or of another version.
    """
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, factory=LiveConnection)
        connection.folder = path.parent
        connection.row_factory = sqlite3.Row
        found = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        odd = None if found is None else _odd_table(connection)
    except sqlite3.Error as error:
        raise InputError(f"{path} is no message record ({error}); make one with raftmon decode") from error
    if found is None or found[0] != str(SCHEMA_VERSION):
        raise InputError(f"{path} was written by another version of raftmon; decode its capture again")
    if odd is not None:
        raise InputError(f"{path} is no message record (its {odd} is not raftmon's); make one with raftmon decode")
    return connection


@functools.cache
def _columns() -> dict[str, frozenset[str]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as empty:
        empty.executescript(TABLES)
        return {
            table: _columns_of(empty, table)
            for (table,) in empty.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }


def _columns_of(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    return frozenset(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))


def _odd_table(connection: sqlite3.Connection) -> str | None:
    """A table that is a view (which may be endless) or lacks columns: somebody else made it."""
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table, columns in _columns().items():
        if table not in tables or not columns <= _columns_of(connection, table):
            return table
    return None
