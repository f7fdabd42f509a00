"""Two or more systems under the same experiment, side by side: what the clients saw and what the wire showed.

Made for the observation of Jensen, Howard and Mortier ("Examining Raft's behaviour during partial network failures",
HAOC 2021): after a partial partition, etcd without pre-vote has an outage when the partition heals, because the
follower that was cut off comes back with a higher term; with pre-vote it has not.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.model import NEVER, History
from raftmon.driver.results.results import Results
from raftmon.driver.run_folder import RESULTS, RunFolder
from raftmon.monitor.raft.database.store import open_store
from raftmon.setup.errors import InputError

__all__ = ["Observation", "observe"]

AFTER_S = 10.0
"""How long after the heal an outage or a new term is put down to it."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One run, as far as the comparison goes.

    ``outage_at_heal_ms``: the longest time without any successful operation that began in the 10 s after the first
    fault's heal. ``term_jump``: how much the newest term on the wire rose between just before the fault and 10 s after
    the heal; ``cut_off_terms``: how much it rose while the fault was on. ``leader_changes``: new leaders seen on the
    wire in the 10 s after the heal.
    """

    verdict: str
    longest_gap_before_ms: float
    outage_at_heal_ms: float
    term_jump: int
    cut_off_terms: int
    leader_changes: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def _gaps_ms(history: History, start_ns: int, stop_ns: int) -> float:
    """The longest time between successes (of any client) that lies in the span, its edges counted as successes."""
    columns = history.columns
    returned = columns.return_ns[(columns.outcome == 0) & (columns.return_ns != NEVER)]
    inside = np.sort(returned[(returned >= start_ns) & (returned <= stop_ns)])
    edges = np.concatenate(([start_ns], inside, [stop_ns]))
    return float(np.diff(edges).max() / 1e6)


def _newest_term(connection: sqlite3.Connection, until_ns: int) -> int:
    row = connection.execute(
        "SELECT max(CAST(value AS INTEGER)) FROM changes WHERE what = 'term' AND time_ns <= ?", (until_ns,)
    ).fetchone()
    return int(row[0] or 0)


def observe(folder: RunFolder) -> Observation:
    """Look at one run with one fault. Raises InputError if it has none that was done, or no decoded messages."""
    results = Results.from_json(folder.load(RESULTS) or {})
    began_ns, ended_ns = results.facts.began_ns, results.facts.ended_ns
    done = [fault for fault in results.facts.faults if fault["did"] and fault["stop_ns"]]
    if not done or began_ns is None or ended_ns is None:
        raise InputError(f"no fault was done and healed in {folder.path}: nothing can be compared")
    start_ns, heal_ns = done[0]["start_ns"], done[0]["stop_ns"]
    after_ns = min(heal_ns + round(AFTER_S * 1e9), ended_ns)
    history = read_history(folder.path)
    connection = open_store(folder.path / "messages.sqlite")
    try:
        before, healed, after = (_newest_term(connection, at_ns) for at_ns in (start_ns, heal_ns, after_ns))
        changes = connection.execute(
            "SELECT count(*) FROM changes WHERE what = 'leader' AND time_ns BETWEEN ? AND ?", (heal_ns, after_ns)
        ).fetchone()[0]
    finally:
        connection.close()
    return Observation(
        verdict=results.valid.value,
        longest_gap_before_ms=_gaps_ms(history, began_ns, start_ns),
        outage_at_heal_ms=_gaps_ms(history, heal_ns, after_ns),
        term_jump=after - before,
        cut_off_terms=healed - before,
        leader_changes=int(changes),
    )
