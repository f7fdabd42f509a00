"""What one experiment showed: how long clients were without answers, and what the wire says of elections."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.histories.model import NEVER, History

__all__ = ["MEASURES", "Measured", "Window", "measure", "successes"]


@dataclass(frozen=True, slots=True)
class Window:
    """The times of an experiment (CLOCK_MONOTONIC, ns): from the cut to its heal, and the end of the work."""

    cut_ns: int
    heal_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One run.

    - ``outage_ms``, ``outage_after_ms``: the longest time in which no client had an answer, while links were cut and
      after the heal. ``worst_node_ms``: the same for the clients of the node that was served worst, while cut.
    - ``answered``: operations that succeeded while cut, ``first_answer_ms``: from the heal to the first success.
    - ``terms``, ``terms_after``: by how much the newest term rose while cut, and after the heal.
    - ``elections``, ``won``: candidacies that began from the cut on, and those that won. ``leaders``: how many nodes
      became leader in that time.
    """

    outage_ms: float
    outage_after_ms: float
    worst_node_ms: float
    answered: int
    first_answer_ms: float
    terms: int
    terms_after: int
    elections: int
    won: int
    leaders: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Measured:
        """What ``to_json`` gave, or a row of a CSV file. Raises KeyError and ValueError for anything else."""
        values: dict[str, Any] = {one.name: _NUMBERS[str(one.type)](row[one.name]) for one in fields(cls)}
        return cls(**values)


_NUMBERS: Mapping[str, Callable[[Any], float]] = {"float": float, "int": int}
MEASURES = tuple(one.name for one in fields(Measured))


def successes(history: History) -> dict[str, NDArray[np.int64]]:
    """When operations succeeded, sorted, by the node that was asked."""
    columns = history.columns
    succeeded = (columns.outcome == 0) & (columns.return_ns != NEVER)
    found: dict[str, NDArray[np.int64]] = {}
    for node in sorted({node for node, _host in columns.places if node}):
        places = [code for code, (name, _host) in enumerate(columns.places) if name == node]
        found[node] = np.sort(columns.return_ns[succeeded & np.isin(columns.place, places)])
    return found


def _longest_ms(times: NDArray[np.int64], start_ns: int, stop_ns: int) -> float:
    """The longest time between two successes within a span, its edges counted as such."""
    inside = times[(times >= start_ns) & (times <= stop_ns)]
    return float(np.diff(np.concatenate(([start_ns], inside, [stop_ns]))).max() / 1e6)


def measure(by_node: Mapping[str, NDArray[np.int64]], window: Window, wire: sqlite3.Connection) -> Measured:
    """Put together what clients saw (see ``successes``) and what the record of the wire has."""
    none = np.array([], dtype=np.int64)
    times = np.sort(np.concatenate([none, *by_node.values()]))
    after = times[times >= window.heal_ns]
    first_ns = min(int(after[0]), window.end_ns) if len(after) else window.end_ns
    group = _group(wire)
    before, healed, ended = (_newest_term(wire, group, at) for at in (window.cut_ns, window.heal_ns, window.end_ns))
    span = (group, window.cut_ns, window.end_ns)
    elections = "SELECT count(*), count(winner) FROM elections WHERE grp = ? AND start_ns BETWEEN ? AND ?"
    started, won = wire.execute(elections, span).fetchone()
    leaders = "SELECT count(*) FROM changes WHERE grp = ? AND time_ns BETWEEN ? AND ? AND what = 'leader'"
    return Measured(
        outage_ms=_longest_ms(times, window.cut_ns, window.heal_ns),
        outage_after_ms=_longest_ms(times, window.heal_ns, window.end_ns),
        worst_node_ms=max((_longest_ms(one, window.cut_ns, window.heal_ns) for one in by_node.values()), default=0.0),
        answered=int(((times >= window.cut_ns) & (times <= window.heal_ns)).sum()),
        first_answer_ms=(first_ns - window.heal_ns) / 1e6,
        terms=healed - before,
        terms_after=ended - healed,
        elections=started,
        won=won,
        leaders=wire.execute(leaders, span).fetchone()[0],
    )  # fmt: skip


def _group(wire: sqlite3.Connection) -> str:
    """The Raft group that the clients' writes go through: the one with the most appends."""
    most = "SELECT grp FROM messages WHERE kind = 'MsgApp' AND entries > 0 GROUP BY grp ORDER BY count(*) DESC LIMIT 1"
    row = wire.execute(most).fetchone()
    return str(row[0]) if row else ""


def _newest_term(wire: sqlite3.Connection, group: str, until_ns: int) -> int:
    newest = "SELECT max(CAST(value AS INTEGER)) FROM changes WHERE grp = ? AND what = 'term' AND time_ns <= ?"
    return int(wire.execute(newest, (group, until_ns)).fetchone()[0] or 0)
