"""A run as rows of plain values: operations, messages and events, with seconds from the clients' first operation."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.model import NEVER, OUTCOMES
from raftmon.driver.run_folder import CONFIG, RESULTS, RunFolder
from raftmon.monitor.raft.database.store import open_store
from raftmon.setup.errors import InputError, RaftmonError

__all__ = ["EVENT_COLUMNS", "MESSAGE_COLUMNS", "OPERATION_COLUMNS", "TABLES", "RunRows"]

OPERATION_COLUMNS = ("at_s", "latency_ms", "process", "node", "host", "f", "key", "value", "outcome", "error")
MESSAGE_COLUMNS = (
    "at_s", "kind", "source", "target", "term", "log_term", "log_index", "commit_index", "entries", "first_index",
    "last_index", "reject", "grp", "verdict", "delivered", "last_packet", "size",
)  # fmt: skip
EVENT_COLUMNS = ("at_s", "component", "event", "node", "sentence", "fields")
TABLES = {"operations": OPERATION_COLUMNS, "messages": MESSAGE_COLUMNS, "events": EVENT_COLUMNS}
"""Every table with its columns: ``at_s`` in seconds (negative before the first operation), ``latency_ms`` null if an
operation never ended, ``value`` and ``key`` as JSON where they are no text, ``fields`` a JSON object."""


@dataclass(frozen=True, slots=True)
class RunRows:
    """The rows of one run. Raises InputError if the folder is no run's."""

    folder: RunFolder

    def __post_init__(self) -> None:
        """Refuse what is no run."""
        if not isinstance(self.folder.load(CONFIG), dict):
            raise InputError(f"{self.folder.path} has no {CONFIG} that can be read: name a run's folder")

    @property
    def began_ns(self) -> int:
        """Second 0 on CLOCK_MONOTONIC: the clients' first operation, else the run's start."""
        for name, key in ((RESULTS, "began_ns"), (CONFIG, "monotonic_ns")):
            found = self.folder.load(name)
            if isinstance(found, dict) and isinstance(found.get(key), int):
                return int(found[key])
        return 0

    @property
    def wall_ns(self) -> int:
        """Second 0 as Unix time."""
        config = self.folder.load(CONFIG)
        wall, monotonic = config.get("wall_ns"), config.get("monotonic_ns")
        if not isinstance(wall, int) or not isinstance(monotonic, int):
            return self.began_ns
        return wall - monotonic + self.began_ns

    @property
    def config(self) -> dict[str, Any]:
        """The run's configuration."""
        found = self.folder.load(CONFIG).get("config")
        return found if isinstance(found, dict) else {}

    @property
    def results(self) -> dict[str, Any]:
        """The content of results.json, empty if there is none."""
        found = self.folder.load(RESULTS)
        return found if isinstance(found, dict) else {}

    def operations(self) -> Iterator[tuple[Any, ...]]:
        """Rows of ``OPERATION_COLUMNS`` in the order of their calls; none where there is no history."""
        if not self.folder.history.exists():
            return
        columns, began_ns = read_history(self.folder.path).columns, self.began_ns
        for row in range(len(columns)):
            call_ns, return_ns = int(columns.call_ns[row]), int(columns.return_ns[row])
            node, host = columns.places[int(columns.place[row])]
            yield (
                (call_ns - began_ns) / 1e9,
                None if return_ns == NEVER else (return_ns - call_ns) / 1e6,
                int(columns.process[row]),
                node,
                host,
                columns.f_names[int(columns.f[row])],
                text_of(columns.keys.objects[int(columns.key[row])]),
                text_of(columns.value[row]),
                OUTCOMES[int(columns.outcome[row])].value,
                text_of(columns.rare.get(row, {}).get("error")),
            )

    def messages(self) -> Iterator[tuple[Any, ...]]:
        """Rows of ``MESSAGE_COLUMNS`` in the order in which they passed; none where none were decoded."""
        path = self.folder.path / "messages.sqlite"
        if not path.exists():
            return
        try:
            with contextlib.closing(open_store(path)) as record:
                began_ns = self.began_ns
                query = f"SELECT time_ns, {', '.join(MESSAGE_COLUMNS[1:])} FROM messages ORDER BY id"
                for time_ns, *rest in record.execute(query):
                    yield ((time_ns - began_ns) / 1e9, *rest)
        except sqlite3.Error as error:
            raise RaftmonError(f"{path} cannot be read: {error}") from error

    def events(self) -> Iterator[tuple[Any, ...]]:
        """Rows of ``EVENT_COLUMNS`` of events.jsonl; a torn line is left out."""
        began_ns = self.began_ns
        if not self.folder.events.exists():
            return
        for line in self.folder.events.read_bytes().splitlines():
            try:
                found = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if not isinstance(found, dict) or not isinstance(found.get("time_ns"), int):
                continue
            at_s = (found.pop("time_ns") - began_ns) / 1e9
            known = [text_of(found.pop(name, None)) for name in EVENT_COLUMNS[1:5]]
            yield (at_s, *known, orjson.dumps(found).decode())

    def table(self, name: str) -> Iterator[tuple[Any, ...]]:
        """The rows of one of ``TABLES``."""
        rows: dict[str, Any] = {"operations": self.operations, "messages": self.messages, "events": self.events}
        found: Iterator[tuple[Any, ...]] = rows[name]()
        return found


def text_of(value: Any) -> str | None:
    """A text as it is, None as it is, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
