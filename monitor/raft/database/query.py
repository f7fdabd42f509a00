"""Asking a ``messages.sqlite``: filtered messages, and the statistics behind ``raftmon messages --stats``."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from raftmon.monitor.raft.database.where import Condition, parse_where
from raftmon.monitor.raft.message import LEADER_KINDS
from raftmon.setup.errors import InputError

__all__ = ["Filter", "cluster_now", "leader_heard", "read_meta", "select_messages", "statistics"]

_COLUMNS = (
    "m.id, m.time_ns, m.kind, m.source, m.target, m.term, m.log_term, m.log_index, m.commit_index, m.entries, "
    "m.first_index, m.last_index, m.reject, m.reject_hint, m.context, m.snapshot_index, m.snapshot_term, m.grp, "
    "c.name AS channel, c.system AS system, m.first_packet, m.last_packet, m.size, m.verdict, m.delivered"
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages are wanted; None is any. Times are ns on the record's clock, ``after_id`` for following."""

    where: str | None = None
    kinds: tuple[str, ...] = ()
    source: str | None = None
    target: str | None = None
    term: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    after_id: int = 0

    def condition(self, start_ns: int) -> Condition:
        """All of it as one SQL condition; raises InputError if ``where`` cannot be read."""
        parts = ["m.id > :after_id"]
        parameters: dict[str, Any] = {"after_id": self.after_id, "start_ns": start_ns}
        if self.kinds:
            names = [f"kind{place}" for place in range(len(self.kinds))]
            parts.append(f"m.kind IN ({', '.join(':' + name for name in names)})")
            parameters.update(zip(names, self.kinds, strict=True))
        for name, column, sign in (
            ("source", "m.source", "="),
            ("target", "m.target", "="),
            ("term", "m.term", "="),
            ("since_ns", "m.time_ns", ">="),
            ("until_ns", "m.time_ns", "<="),
        ):
            value = getattr(self, name)
            if value is not None:
                parts.append(f"{column} {sign} :{name}")
                parameters[name] = value
        if self.where is not None:
            condition = parse_where(self.where)
            parts.append(f"({condition.sql})")
            parameters.update(condition.parameters)
        return Condition(" AND ".join(parts), parameters)


def read_meta(connection: sqlite3.Connection) -> dict[str, Any]:
    """The facts about the record: ``clock``, ``wall_offset_ns``, and when it is finished ``counters``."""
    return {row["key"]: orjson.loads(row["value"]) for row in connection.execute("SELECT key, value FROM meta")}


def first_time(connection: sqlite3.Connection) -> int:
    """The time of the first message in ns, 0 if there is none. Raises InputError if it is no number."""
    first = connection.execute("SELECT MIN(time_ns) FROM messages").fetchone()[0]
    if not isinstance(first, int | None):
        raise InputError("this record holds a time that raftmon did not write; decode its capture again")
    return first or 0


def select_messages(
    connection: sqlite3.Connection, wanted: Filter, limit: int | None = None, zero_ns: int | None = None
) -> Iterator[sqlite3.Row]:
    """The wanted messages in the order they were seen.

    ``zero_ns`` is where the field ``time`` counts from, on the record's clock; the first message unless it is given.
    """
    condition = wanted.condition(first_time(connection) if zero_ns is None else zero_ns)
    sql = (
        f"SELECT {_COLUMNS} FROM messages m JOIN channels c ON c.id = m.channel WHERE {condition.sql} ORDER BY m.id"
        + (f" LIMIT {int(limit)}" if limit is not None else "")
    )
    yield from connection.execute(sql, condition.parameters)


def cluster_now(connection: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """The cluster as the wire shows it at the end of the record: per group ``leader`` and ``nodes`` with their state.

    Of a run that is still on this is at most half a second old; no node is asked.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(
        "SELECT s.* FROM states s JOIN (SELECT grp, node, MAX(rowid) AS last FROM states GROUP BY grp, node) newest "
        "ON s.rowid = newest.last ORDER BY s.rowid"
    ):
        group = found.setdefault(row["grp"], {"leader": None, "nodes": {}})
        group["leader"] = row["leader"]
        group["nodes"][row["node"]] = {
            "term": row["term"],
            "role": row["role"],
            "commit": row["commit_index"],
            "match": row["match_index"],
        }
    return found


def leader_heard(connection: sqlite3.Connection, group: str, leader: str, term: int, after_ns: int) -> bool:
    """Whether ``leader`` sent what only the leader of ``term`` sends, after that time (ns, record's clock)."""
    kinds = sorted(LEADER_KINDS)
    row = connection.execute(
        f"SELECT 1 FROM messages WHERE kind IN ({', '.join('?' * len(kinds))}) AND time_ns > ? AND source = ? "
        "AND term = ? AND grp = ? LIMIT 1",
        (*kinds, after_ns, leader, term, group),
    ).fetchone()
    return row is not None


def statistics(connection: sqlite3.Connection, zero_ns: int | None = None) -> dict[str, Any]:
    """Everything ``--stats`` shows; times in ms, rates per second. See docs/messages.md for each name.

    ``zero_ns`` is where each ``at_s`` counts from, on the record's clock; the first message unless it is given.
    """
    meta = read_meta(connection)
    counters = meta.get("counters", {})
    span = connection.execute("SELECT MIN(time_ns), MAX(time_ns), COUNT(*), SUM(size) FROM messages").fetchone()
    first_ns, last_ns, count, size = span
    seconds = ((last_ns or 0) - (first_ns or 0)) / 1e9
    start_ns = (first_ns or 0) if zero_ns is None else zero_ns
    rate = round(count / seconds, 3) if seconds else None
    kinds = {row[0]: row[1] for row in connection.execute("SELECT kind, COUNT(*) FROM messages GROUP BY 1 ORDER BY 1")}
    puts = connection.execute(
        "SELECT COUNT(*) FROM (SELECT DISTINCT COALESCE(request_id, log_index), key FROM entries "
        "WHERE operation IN ('put', 'txn_put') AND log_index > 0)"
    ).fetchone()[0]
    return {
        "kinds": kinds,
        "messages": count,
        "bytes": size or 0,
        "seconds": round(seconds, 6),
        "per_second": rate,
        "puts": puts,
        "unparsed_bytes": counters.get("unparsed_bytes", 0),
        "counters": counters,
        "finished": bool(meta.get("finished")),
        "links": _links(connection, seconds),
        "heartbeat_interval_ms": _heartbeats(connection),
        "append_round_trip_ms": _append_round_trips(connection),
        "heartbeat_round_trip_ms": _heartbeat_round_trips(connection),
        "elections": _elections(connection, start_ns),
        "nodes": _nodes(connection, start_ns),
        "violations": _violations(connection),
        "invariants": meta.get("invariants", {}),
        "conformance": meta.get("conformance", {}),
    }


def _links(connection: sqlite3.Connection, seconds: float) -> list[dict[str, Any]]:
    rows = connection.execute(
        "SELECT source, target, kind, COUNT(*) AS messages, SUM(size) AS bytes FROM messages "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    return [
        {
            "from": row["source"],
            "to": row["target"],
            "kind": row["kind"],
            "messages": row["messages"],
            "bytes": row["bytes"],
            "per_second": round(row["messages"] / seconds, 3) if seconds else None,
        }
        for row in rows
    ]


def summary_of(values: list[float]) -> dict[str, Any] | None:
    """Count, median, 99th percentile and largest of some measured values; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "p50": round(ordered[len(ordered) // 2], 3),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 3),
        "max": round(ordered[-1], 3),
    }


def _heartbeats(connection: sqlite3.Connection) -> dict[str, Any]:
    """Time between a leader's heartbeats to one follower in one term, without those that carry a read's context."""
    last: dict[tuple[Any, ...], int] = {}
    gaps: dict[str, list[float]] = defaultdict(list)
    for row in connection.execute(
        "SELECT time_ns, source, target, term, grp FROM messages WHERE kind = 'MsgHeartbeat' AND context IS NULL "
        "ORDER BY id"
    ):
        key = (row["source"], row["target"], row["term"], row["grp"])
        if key in last:
            gaps[f"{row['source']}->{row['target']}"].append((row["time_ns"] - last[key]) / 1e6)
        last[key] = row["time_ns"]
    return {link: summary_of(values) for link, values in sorted(gaps.items())}


def _append_round_trips(connection: sqlite3.Connection) -> dict[str, Any]:
    """From an append with entries to the first answer that covers its last entry, per follower.

    What was sent on a stream that ended counts no more: its answer, if any, comes after a restart or a partition.
    """
    waiting: dict[tuple[Any, ...], tuple[int, list[tuple[int, int]]]] = {}
    times: dict[str, list[float]] = defaultdict(list)
    for row in connection.execute(
        "SELECT time_ns, kind, source, target, term, log_index, last_index, grp, channel FROM messages WHERE "
        "(kind = 'MsgApp' AND entries > 0) OR (kind = 'MsgAppResp' AND reject = 0) OR kind = 'MsgSnap' ORDER BY id"
    ):
        if row["kind"] == "MsgSnap":  # what was sent before is not needed any more
            waiting.pop((row["source"], row["target"], row["grp"]), None)
            continue
        if row["kind"] == "MsgApp":
            key = (row["source"], row["target"], row["grp"])
            channel, queue = waiting.get(key, (0, []))
            if channel != row["channel"]:
                queue = []
            if len(queue) < 10_000:
                queue.append((row["last_index"], row["time_ns"]))
            waiting[key] = (row["channel"], queue)
            continue
        key = (row["target"], row["source"], row["grp"])
        channel, queue = waiting.get(key, (0, []))
        answered = [item for item in queue if item[0] <= row["log_index"]]
        if answered:
            times[f"{row['target']}->{row['source']}"] += [(row["time_ns"] - sent) / 1e6 for _, sent in answered]
            waiting[key] = (channel, [item for item in queue if item[0] > row["log_index"]])
    return {link: summary_of(values) for link, values in sorted(times.items())}


def _heartbeat_round_trips(connection: sqlite3.Connection) -> dict[str, Any]:
    sent: dict[tuple[Any, ...], int] = {}
    times: dict[str, list[float]] = defaultdict(list)
    for row in connection.execute(
        "SELECT time_ns, kind, source, target, context, grp FROM messages "
        "WHERE kind IN ('MsgHeartbeat', 'MsgHeartbeatResp') ORDER BY id"
    ):
        if row["kind"] == "MsgHeartbeat":
            sent.setdefault((row["source"], row["target"], row["context"], row["grp"]), row["time_ns"])
        else:
            start = sent.pop((row["target"], row["source"], row["context"], row["grp"]), None)
            if start is not None:
                times[f"{row['target']}->{row['source']}"].append((row["time_ns"] - start) / 1e6)
    return {link: summary_of(values) for link, values in sorted(times.items())}


def _elections(connection: sqlite3.Connection, start_ns: int) -> list[dict[str, Any]]:
    return [
        {
            "group": row["grp"],
            "term": row["term"],
            "candidate": row["candidate"],
            "at_s": round((row["start_ns"] - start_ns) / 1e9, 6),
            "cause": row["cause"],
            "silent_ms": row["silent_ms"],
            "took_ms": None if row["end_ns"] is None else round((row["end_ns"] - row["start_ns"]) / 1e6, 3),
            "winner": row["winner"],
            "votes": orjson.loads(row["votes"]),
        }
        for row in connection.execute("SELECT * FROM elections ORDER BY start_ns")
    ]


def _nodes(connection: sqlite3.Connection, start_ns: int) -> dict[str, list[dict[str, Any]]]:
    """Per node (and group where there are several) its term, role, commit and match over time, where they changed."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute("SELECT * FROM states ORDER BY time_ns"):
        name = f"{row['node']} {row['grp']}".strip()
        state = {
            "term": row["term"],
            "role": row["role"],
            "commit": row["commit_index"],
            "match": row["match_index"],
        }
        if not found[name] or {key: found[name][-1][key] for key in state} != state:
            found[name].append({"at_s": round((row["time_ns"] - start_ns) / 1e9, 6), **state})
    return dict(found)


def _violations(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    return [
        {
            "invariant": row["invariant"],
            "group": row["grp"],
            "sentence": row["sentence"],
            "witnesses": orjson.loads(row["witnesses"]),
        }
        for row in connection.execute("SELECT * FROM violations ORDER BY id")
    ]
