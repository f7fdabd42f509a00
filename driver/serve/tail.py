"""Reads what is new in the files of a live run, and feeds it into the run's feed."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import threading
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.report.story import events_of
from raftmon.driver.report.story_messages import COLUMNS
from raftmon.driver.run_folder import CONFIG, RunFolder
from raftmon.driver.serve.feed import MAX_MESSAGES, MAX_OPERATIONS, Feed
from raftmon.monitor.raft.database.store import open_store
from raftmon.setup.errors import RaftmonError

__all__ = ["RunTail", "Tails"]

_MOST_BYTES = 64_000_000  # of a file, at one poll
_MOST_ROWS = 200_000  # of a table, at one poll
_PLAIN_A_POLL = 500


class _Lines:
    """A file that grows: its further whole lines at each look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[bytes]:
        """The lines that were completed since the last look."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(_MOST_BYTES)
        except OSError:
            return []
        end = data.rfind(b"\n") + 1
        self._offset += end
        return data[:end].splitlines()


class RunTail:
    """One run: ``delta`` looks for what is new and tells what came after a version. Any thread may call it."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._history = _Lines(self._folder.history)
        self._events = _Lines(self._folder.path / "events.jsonl")
        self._message = self._state = 0
        self._feed: Feed | None = None
        self._epoch = secrets.token_hex(6)
        self._work_began = False

    def delta(self, since: int, epoch: str) -> dict[str, Any]:
        """``Feed.delta`` and the ``epoch`` that its version counts in; ``reset`` where the reader must forget the rest.

        A new epoch begins where the clients begin their work: that moment is the zero of all times.
        """
        with self._lock:
            feed = self._update()
            reset = epoch != self._epoch
            return {**feed.delta(0 if reset else since), "reset": reset, "epoch": self._epoch}

    def _update(self) -> Feed:
        lines = self._events.new()
        feed = self._feed
        if feed is None or (not self._work_began and _work_began(lines) is not None):
            self._begin()
            lines = self._events.new()
            began_ns = _work_began(lines)
            self._work_began = began_ns is not None
            feed = self._feed = Feed(self._started_ns() if began_ns is None else began_ns)
        feed.version += 1
        first = feed.version == 1
        feed.add_events(events_of(lines, feed.began_ns))
        events = (event for line in self._history.new() if (event := _json(line)) is not None)
        feed.add_history(events, MAX_OPERATIONS // 2 if first else _PLAIN_A_POLL)
        with contextlib.suppress(sqlite3.Error, RaftmonError, OSError):
            self._read_record(feed, MAX_MESSAGES // 2 if first else _PLAIN_A_POLL)
        return feed

    def _read_record(self, feed: Feed, most: int) -> None:
        path = self._folder.path / "messages.sqlite"
        if not path.is_file():
            return
        with contextlib.closing(open_store(path)) as record:
            record.row_factory = None
            query = f"SELECT {COLUMNS} FROM messages WHERE id > ? ORDER BY id LIMIT {_MOST_ROWS}"
            rows = record.execute(query, (self._message,)).fetchall()
            if rows:
                query = (
                    "SELECT message, operation, key, value, log_index FROM entries WHERE message > ? AND message <= ?"
                )
                entries = record.execute(query, (self._message, rows[-1][0])).fetchall()
                self._message = rows[-1][0]
                feed.add_messages(rows, entries, most)
            query = (
                "SELECT rowid, time_ns, node, term, role, commit_index, match_index, leader FROM states "
                f"WHERE rowid > ? ORDER BY rowid LIMIT {_MOST_ROWS}"
            )
            states = record.execute(query, (self._state,)).fetchall()
            if states:
                self._state = states[-1][0]
                feed.add_states((row[1:] for row in states), most)

    def _started_ns(self) -> int:
        config = self._folder.load(CONFIG)
        found = config.get("monotonic_ns") if isinstance(config, dict) else None
        return found if isinstance(found, int) else 0


def _work_began(lines: list[bytes]) -> int | None:
    for line in lines:
        event = _json(line)
        if event is not None and event.get("event") == "workload began" and isinstance(event.get("begin_ns"), int):
            return int(event["begin_ns"])
    return None


def _json(line: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


class Tails:
    """The tails of the runs that are looked at: the latest few."""

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._tails: dict[Path, RunTail] = {}
        self._lock = threading.Lock()

    def of(self, folder: RunFolder) -> RunTail:
        """The run's tail, made if it is new."""
        with self._lock:
            tail = self._tails.pop(folder.path, None) or RunTail(folder)
            self._tails[folder.path] = tail
            while len(self._tails) > self._most:
                del self._tails[next(iter(self._tails))]
            return tail
