"""What states a cluster was in, as the wire shows it: small abstract states, hashed, the coverage of an exploration.

A state is about one group: for each node its role, the rank of its term among all, how far its commit and its match lie
behind the furthest (0, 1, a few, many); which rare kinds of message passed lately; which faults were on. Nodes are not
told apart, so that what happens to n1 and later to n2 alike is one state.
"""

from __future__ import annotations

import bisect
import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from raftmon.monitor.raft.message import STEADY_KINDS

__all__ = ["Mark", "NodeState", "abstract", "mark", "states_since"]

LATELY_NS = 50_000_000
"""A message of a rare kind counts as in flight for so long."""
_NEAR, _FAR = 2, 10


class NodeState(NamedTuple):
    """One node of a group, as a row of the table ``states`` has it."""

    role: str
    term: int
    commit: int
    match: int


class Mark(NamedTuple):
    """Where a schedule began in the record: the last rowid of each table by then."""

    messages: int = 0
    states: int = 0
    violations: int = 0


class Window(NamedTuple):
    """When a fault was on."""

    name: str
    start_ns: int
    stop_ns: int


def _behind(value: int, furthest: int) -> int:
    """0, 1, 2 (a few) or 3 (many)."""
    lag = furthest - value
    return lag if lag <= 1 else _NEAR if lag < _FAR else 3


def abstract(nodes: Iterable[NodeState], kinds: Iterable[str], faults: Iterable[str]) -> str:
    """The state as eight letters: the same for states that differ only in which node is which."""
    nodes = list(nodes)
    terms = sorted({node.term for node in nodes}, reverse=True)
    commit = max((node.commit for node in nodes), default=0)
    match = max((node.match for node in nodes), default=0)
    parts = sorted(
        (node.role, terms.index(node.term), _behind(node.commit, commit), _behind(node.match, match)) for node in nodes
    )
    text = repr((parts, sorted(set(kinds)), sorted(set(faults))))
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def mark(record: sqlite3.Connection) -> Mark:
    """Where the record ends now."""
    tables = ("messages", "states", "violations")
    return Mark(*(record.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}").fetchone()[0] for table in tables))


def states_since(record: sqlite3.Connection, since: Mark, faults: Sequence[Window] = ()) -> set[str]:
    """Every state that the cluster was in after ``since``."""
    marks = ", ".join("?" * len(STEADY_KINDS))
    rare = record.execute(
        f"SELECT time_ns, kind FROM messages WHERE rowid > ? AND kind NOT IN ({marks}) ORDER BY time_ns",
        (since.messages, *STEADY_KINDS),
    ).fetchall()
    times = [time_ns for time_ns, _ in rare]
    groups: dict[str, dict[str, NodeState]] = {}
    found: set[str] = set()
    # What each node last was before the mark is where its group begins.
    before = "SELECT grp, node, role, term, commit_index, match_index FROM states WHERE rowid IN (SELECT max(rowid) "
    for grp, node, *state in record.execute(
        before + "FROM states WHERE rowid <= ? GROUP BY grp, node)", (since.states,)
    ):
        groups.setdefault(grp, {})[node] = NodeState(*state)
    rows = record.execute(
        "SELECT time_ns, grp, node, role, term, commit_index, match_index FROM states WHERE rowid > ? ORDER BY rowid",
        (since.states,),
    )
    for time_ns, grp, node, *state in rows:
        group = groups.setdefault(grp, {})
        group[node] = NodeState(*state)
        first, last = bisect.bisect_left(times, time_ns - LATELY_NS), bisect.bisect_right(times, time_ns)
        on = [window.name for window in faults if window.start_ns <= time_ns <= window.stop_ns]
        found.add(abstract(group.values(), (kind for _, kind in rare[first:last]), on))
    return found
