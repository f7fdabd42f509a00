"""The part of the report's story that messages.sqlite tells: messages, rates, states of nodes, elections."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import orjson

from raftmon.monitor.raft.database.store import open_store
from raftmon.setup.errors import RaftmonError

__all__ = ["COLUMNS", "MAX_MESSAGES", "message_story", "text_of"]

MAX_MESSAGES = 16_000  # arrows on the page
_MAX_STATES = 4_000
_MAX_ELECTIONS = 500
_MAX_INDEXES = 300_000
_RARE = 2_000  # a kind with fewer messages is shown whole
_BINS = 300
COLUMNS = (
    "id, time_ns, kind, source, target, term, log_index, log_term, commit_index, entries, first_index, last_index, "
    "reject, last_packet, verdict, delivered, size"
)
"""What the story has of each message, in this order."""


def text_of(value: Any) -> str:
    """A text as it is, bytes as UTF-8 where they are, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def message_story(path: Path, began_ns: int, moments: list[float], notes: list[str]) -> dict[str, Any]:
    """``messages``, ``rates``, ``states``, ``elections``, and ``indexes``: (key, value) of a write -> its log index.

    ``moments`` are times (s) around which messages are kept whole. Empty where nothing was decoded or can be read.
    """
    if not path.is_file():
        return {}
    try:
        with contextlib.closing(open_store(path)) as record:
            record.row_factory = None
            elections = _elections(record, began_ns)
            around = sorted([*moments, *(row["start"] for row in elections)])
            return {
                "elections": elections,
                "states": _states(record, began_ns, notes),
                "messages": _messages(record, began_ns, around, notes),
                "rates": _rates(record, began_ns),
                "indexes": _indexes(record),
            }
    except (sqlite3.Error, RaftmonError) as error:
        notes.append(f"messages.sqlite cannot be read: {error}")
        return {}


def _elections(record: sqlite3.Connection, began_ns: int) -> list[dict[str, Any]]:
    query = (
        "SELECT term, candidate, start_ns, cause, silent_ms, end_ns, winner, votes FROM elections "
        f"ORDER BY start_ns LIMIT {_MAX_ELECTIONS}"
    )
    return [
        {
            "term": term,
            "candidate": candidate,
            "start": (start - began_ns) / 1e9,
            "stop": None if end is None else (end - began_ns) / 1e9,
            "winner": winner,
            "text": f"{cause}"
            + (f" after {silent:.0f} ms of silence" if silent is not None else "")
            + f"; votes of {', '.join(orjson.loads(votes)) or 'nobody'}",
        }
        for term, candidate, start, cause, silent, end, winner, votes in record.execute(query)
    ]


def _states(record: sqlite3.Connection, began_ns: int, notes: list[str]) -> list[list[Any]]:
    """Per change: time, node, term, role, commit, match, leader; every change of term or role, others thinned."""
    found: list[list[Any]] = []
    rest: list[list[Any]] = []
    last: dict[str, tuple[Any, ...]] = {}
    query = "SELECT time_ns, node, term, role, commit_index, match_index, leader FROM states ORDER BY time_ns"
    for time_ns, node, *values in record.execute(query):
        before = last.get(node)
        if before == tuple(values):
            continue
        row = [round((time_ns - began_ns) / 1e9, 4), node, *values]
        last[node] = tuple(values)
        (found if before is None or before[:2] != tuple(values[:2]) else rest).append(row)
    step = max(1, -(-len(rest) // _MAX_STATES))
    if step > 1:
        notes.append(f"match and commit are drawn at every {step}th change; terms and roles at each (up to 4,000)")
    return sorted(found[:_MAX_STATES] + rest[::step], key=lambda row: row[0])


def _messages(record: sqlite3.Connection, began_ns: int, around: list[float], notes: list[str]) -> dict[str, Any]:
    """The arrows. All of a record that is small; else what is rare, changed or around an event, and every k-th."""
    kinds = dict(record.execute("SELECT kind, COUNT(*) FROM messages GROUP BY kind"))
    total = sum(kinds.values())
    if total <= MAX_MESSAGES:
        chosen = None
    else:
        chosen = _chosen(record, began_ns, around, [kind for kind, count in kinds.items() if count <= _RARE], total)
        notes.append(
            f"{len(chosen):,} of {total:,} messages are drawn: rare kinds, undelivered ones and those around faults "
            "and elections first, then every k-th; rates count all of them (raftmon messages lists each)"
        )
    names: dict[str, int] = {}
    rows = []
    for number, time_ns, *fields in record.execute(f"SELECT {COLUMNS} FROM messages ORDER BY id"):
        if chosen is not None and number not in chosen:
            continue
        for place in (0, 1, 2, 12):
            fields[place] = names.setdefault(fields[place] or "", len(names))
        rows.append([number, round((time_ns - began_ns) / 1e9, 6), *fields])
    entries: dict[int, str] = {}
    shown = {row[0] for row in rows if row[9]}
    query = "SELECT message, operation, key, value FROM entries WHERE position = 0 AND part = 0 ORDER BY message"
    for number, operation, key, value in record.execute(query):
        if number in shown and len(entries) < 8_000:
            text = "" if value is None else f" = {text_of(value)[:32]}"
            entries[number] = f"{operation} {text_of(key or '')[:32]}{text}"
    return {"rows": rows, "names": list(names), "count": total, "entries": entries}


def _chosen(record: sqlite3.Connection, began_ns: int, around: list[float], rare: list[str], total: int) -> set[int]:
    marks = ", ".join("?" * len(rare))
    query = (
        f"SELECT id FROM messages WHERE kind IN ({marks}) OR delivered = 0 OR reject = 1 "
        "OR verdict IS NOT NULL AND verdict NOT LIKE 'accept%'"
    )
    found = [row[0] for row in record.execute(query, rare)]
    chosen = set(found[:: max(1, -(-len(found) // (MAX_MESSAGES // 3)))])
    each = min(600, (MAX_MESSAGES // 3) // max(len(around), 1))
    for moment in around:
        middle = int(moment * 1e9) + began_ns
        rows = record.execute(
            "SELECT id FROM messages WHERE time_ns BETWEEN ? AND ? ORDER BY id LIMIT ?",
            (middle - 30_000_000, middle + 300_000_000, each),
        )
        chosen.update(row[0] for row in rows)
    step = max(1, -(-total // max(MAX_MESSAGES - len(chosen), 1)))
    chosen.update(range(1, total + 1, step))
    return chosen


def _rates(record: sqlite3.Connection, began_ns: int) -> dict[str, Any]:
    """Messages per bin, by kind and by link, of all messages."""
    first, last = record.execute("SELECT MIN(time_ns), MAX(time_ns) FROM messages").fetchone()
    if first is None:
        return {}
    width = max((last - first) // _BINS + 1, 1)
    kinds: dict[str, list[int]] = {}
    links: dict[str, list[int]] = {}
    query = "SELECT (time_ns - ?) / ?, kind, source, target, COUNT(*) FROM messages GROUP BY 1, 2, 3, 4"
    for place, kind, source, target, count in record.execute(query, (first, width)):
        for table, name in ((kinds, kind), (links, f"{source}->{target}")):
            table.setdefault(name, [0] * _BINS)[min(place, _BINS - 1)] += count
    return {"start": (first - began_ns) / 1e9, "bin": width / 1e9, "kinds": kinds, "links": links}


def _indexes(record: sqlite3.Connection) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    query = "SELECT key, value, MIN(log_index) FROM entries WHERE key IS NOT NULL AND log_index > 0 GROUP BY 1, 2"
    for key, value, index in record.execute(f"{query} LIMIT {_MAX_INDEXES}"):
        if value is not None:
            found.setdefault((text_of(key), text_of(value)), index)
    return found
