"""What a live run looks like now: nodes with roles and terms, links with rates, rules, the latest rare messages."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from raftmon.monitor.raft.message import STEADY_KINDS

__all__ = ["LinkView", "LiveView", "MessageSeen", "NodeView", "RuleView", "live_view"]

MOST_MESSAGES = 10


class NodeView(NamedTuple):
    """One node as the wire shows it, in one group; ``silent_s`` since its last message."""

    node: str
    group: str
    role: str
    term: int
    commit: int
    match: int
    silent_s: float | None


class LinkView(NamedTuple):
    """One directed link: packets in all, and a second of late."""

    link: str
    packets: int
    per_s: float


class RuleView(NamedTuple):
    """A rule in force: packets or messages that matched, and on which it acted."""

    name: str
    matched: int
    acted: int


class MessageSeen(NamedTuple):
    """A message of a rare kind, ``ago_s`` seconds ago."""

    ago_s: float
    kind: str
    link: str
    term: int


@dataclass(frozen=True, slots=True)
class LiveView:
    """Everything at one moment."""

    nodes: list[NodeView] = field(default_factory=list)
    links: list[LinkView] = field(default_factory=list)
    rules: list[RuleView] = field(default_factory=list)
    messages: list[MessageSeen] = field(default_factory=list)
    packets: int = 0
    per_s: float = 0.0
    waiting: int = 0
    violations: list[str] = field(default_factory=list)


def live_view(
    stats: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    interval_s: float,
    record: sqlite3.Connection | None,
    now_ns: int,
) -> LiveView:
    """The view of a monitor's counters now, those ``interval_s`` before, and the record of messages if there is one."""
    old = (before or {}).get("links") or {}
    links = [
        LinkView(name, count, max(0.0, (count - old.get(name, count)) / interval_s) if interval_s > 0 else 0.0)
        for name, count in (stats.get("links") or {}).items()
        if count
    ]
    rules = [
        RuleView(name, one.get("packets", 0), one.get("hits", 0))
        for name, one in (stats.get("rules") or {}).items()
        if not one.get("removed")
    ]
    packets = int(stats.get("packets", 0))
    gained = packets - int((before or stats).get("packets", packets))
    nodes, messages, violations = ([], [], []) if record is None else _of_record(record, now_ns)
    return LiveView(
        nodes,
        sorted(links, key=lambda one: -one.per_s),
        rules,
        messages,
        packets,
        max(0.0, gained / interval_s) if interval_s > 0 else 0.0,
        int(stats.get("queue_length") or 0),
        violations,
    )


def _of_record(record: sqlite3.Connection, now_ns: int) -> tuple[list[NodeView], list[MessageSeen], list[str]]:
    silent = dict(
        record.execute(
            "SELECT source, max(time_ns) FROM messages WHERE rowid > (SELECT max(rowid) FROM messages) - 5000 "
            "GROUP BY source"
        ).fetchall()
    )
    rows = record.execute(
        "SELECT node, grp, role, term, commit_index, match_index FROM states WHERE rowid IN "
        "(SELECT max(rowid) FROM states GROUP BY grp, node) ORDER BY grp, node"
    )
    nodes = [
        NodeView(node, grp, role, term, commit, match, (now_ns - silent[node]) / 1e9 if node in silent else None)
        for node, grp, role, term, commit, match in rows
    ]
    marks = ", ".join("?" * len(STEADY_KINDS))
    query = f"SELECT time_ns, kind, source, target, term FROM messages WHERE kind NOT IN ({marks}) ORDER BY id DESC"
    found = record.execute(f"{query} LIMIT ?", (*STEADY_KINDS, MOST_MESSAGES))
    messages = [
        MessageSeen((now_ns - time_ns) / 1e9, kind, f"{source or '?'}->{target or '?'}", term)
        for time_ns, kind, source, target, term in found
    ]
    sentences: Sequence[Any] = record.execute("SELECT sentence FROM violations ORDER BY id LIMIT 3").fetchall()
    return nodes, messages, [str(one[0]) for one in sentences]
