"""What the decoded wire (``messages.sqlite``) says of a run: Raft's invariants, and the clients against the log."""

from __future__ import annotations

import bisect
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from raftmon.adapters.systems import SYSTEMS
from raftmon.driver.checkers.base import Checker, Result, Valid
from raftmon.driver.checkers.extent import Extent, with_extent
from raftmon.driver.checkers.revision_reads import RevisionReads
from raftmon.driver.checkers.safe import check_safely
from raftmon.driver.checkers.wire.checker import Committed, Wire, same_text
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.driver.run_folder import RunFolder
from raftmon.driver.workloads.hooks import hooks
from raftmon.driver.workloads.workloads import workload as make_workload
from raftmon.monitor.raft.codecs.table import BUILT_IN
from raftmon.monitor.raft.conformance.rules import RULES
from raftmon.monitor.raft.database.store import open_store
from raftmon.monitor.raft.violations import INVARIANTS

__all__ = ["Invariants", "committed_puts", "unread_wire", "wire_results"]

_SHOWN = 5


class Invariants:
    """Raft's invariants as far as the wire shows them: valid where none was seen broken."""

    name = "invariants"

    def __init__(self, connection: sqlite3.Connection, *, unread_bytes: int = 0) -> None:
        """``unread_bytes``: those of the streams that could not be read as messages, or were never seen."""
        self._connection = connection
        self._unread_bytes = unread_bytes

    def check(self, history: History) -> Result:
        """Read the violations that the recorder found; the history does not matter.

        What it understood is counted in messages, and what was passed over in bytes (no message is indefinite).
        """
        result = self._judged()
        return with_extent(result, Extent(result.details["messages"], 0, self._unread_bytes), "messages", "bytes")

    def _judged(self) -> Result:
        rows = self._connection.execute("SELECT * FROM violations ORDER BY id").fetchall()
        (messages,) = self._connection.execute("SELECT count(*) FROM messages").fetchone()
        details = {
            "messages": messages,
            "violations": [
                {
                    "invariant": row["invariant"],
                    "sentence": row["sentence"],
                    "witnesses": orjson.loads(row["witnesses"]),
                }
                for row in rows[:_SHOWN]
            ],
            "broken": len(rows),
            "deviations": _deviations(self._connection),
        }
        if rows:
            name = rows[0]["invariant"]
            kind, means = ("rule", RULES[name]) if name in RULES else ("invariant", INVARIANTS.get(name, "unknown"))
            sentence = f"invalid: Raft {kind} {name} ({means}) violated: {rows[0]['sentence']}"
            return Result(Valid.NO, self.name, sentence, details)
        if not messages:
            return Result(Valid.UNKNOWN, self.name, "unknown: no Raft message was seen on the wire", details)
        return Result(Valid.YES, self.name, f"valid: no Raft invariant violated in {messages:,} messages", details)


def _deviations(connection: sqlite3.Connection) -> list[str]:
    """What the protocols on the wire may do that Raft as published does not; such a thing is no violation."""
    spoken = {row[0] for row in connection.execute("SELECT DISTINCT system FROM channels")}
    return [f"{codec.name}: {one}" for codec in BUILT_IN if codec.name in spoken for one in codec.deviations]


def _commit_times(connection: sqlite3.Connection) -> tuple[list[int], list[int]]:
    """(commit indexes, the time each was first seen), both rising."""
    indexes: list[int] = []
    times: list[int] = []
    highest = 0
    query = "SELECT time_ns, commit_index FROM messages WHERE kind IN ('MsgApp', 'MsgHeartbeat') ORDER BY id"
    for time_ns, commit in connection.execute(query):
        if commit > highest:
            highest = commit
            indexes.append(commit)
            times.append(time_ns)
    return indexes, times


def committed_puts(
    connection: sqlite3.Connection, history: History, unpack: Callable[[Any], Any] = lambda value: value
) -> Iterator[Committed]:
    """Every put whose entry was committed as far as the wire shows, in order of the log.

    Two terms may have proposed an entry for one place of the log: the later one stands, as a leader has everything
    that was committed before (Leader Completeness). The put of a cas is a transaction's first branch: it took place
    only where the clients say so, since its entry looks the same either way.
    """
    indexes, times = _commit_times(connection)
    took_place = _cas_that_took_place(history)
    query = """
        SELECT log_index, max(term) AS term, operation, key, value, value_size FROM entries
        WHERE operation IN ('put', 'txn_put') AND log_index > 0 GROUP BY log_index, part ORDER BY log_index
    """
    newest = dict(connection.execute("SELECT log_index, max(term) FROM entries GROUP BY log_index").fetchall())
    for log_index, term, operation, key, value, size in connection.execute(query):
        place = bisect.bisect_left(indexes, log_index)
        if place == len(indexes) or newest[log_index] != term or (value is not None and len(value) != size):
            continue
        text = _written(value, unpack)
        if operation == "put" or (key, text) in took_place:
            yield Committed(term, log_index, key, text, times[place])


def _written(value: bytes | None, unpack: Callable[[Any], Any]) -> Any:
    """What a client wrote, as text: the etcd adapter stores JSON, and ``unpack`` undoes what the workload did."""
    try:
        return same_text(None if value is None else unpack(orjson.loads(value)))
    except orjson.JSONDecodeError:
        return same_text(value)


def _cas_that_took_place(history: History) -> set[tuple[Any, Any]]:
    """(key, new value) of every cas that was acknowledged, or unknown and its value seen by a read."""
    unknown: set[tuple[Any, Any]] = set()
    sure: set[tuple[Any, Any]] = set()
    seen: set[tuple[Any, Any]] = set()
    for operation in history:
        if operation.f == "cas":
            pair = _new_value(operation)
            (sure if operation.outcome is Outcome.OK else unknown if operation.outcome is Outcome.INFO else set()).add(
                pair
            )
            if operation.has_seen:
                seen.add((same_text(operation.key), same_text(operation.seen)))
        elif operation.f == "read" and operation.outcome is Outcome.OK:
            seen.add((same_text(operation.key), same_text(operation.value)))
    return sure | (unknown & seen)


def _new_value(operation: Operation) -> tuple[Any, Any]:
    value = operation.value
    return same_text(operation.key), same_text(
        value[1] if isinstance(value, list | tuple) and len(value) == 2 else None
    )


def unread_wire(counters: dict[str, Any] | None, system: str) -> str | None:
    """What the box says where Raft of a built-in system should have been decoded and no message was; None if not so.

    ``counters`` is the content of ``monitor.json``. Without a record of messages none was asked for.
    """
    recorder = (counters or {}).get("recorder") or {}
    messages = (recorder.get("sinks") or {}).get("messages")
    known = SYSTEMS.get(system)
    if known is None or not known.raft_is_read or messages is None or messages.get("messages"):
        return None
    return (
        f"0 Raft messages decoded in {recorder.get('packets', 0):,} packets: Raft's invariants were not checked; "
        f"this version or configuration of {system} may use a protocol that raftmon cannot read"
    )


def wire_results(folder: RunFolder, history: History, workload: str) -> list[Result]:
    """The wire's own verdicts; none where nothing was decoded.

    The comparison with the clients is for registers, reads and reckon's uniform work on etcd, whose entries are read
    down to the key.
    """
    path = folder.path / "messages.sqlite"
    counters = folder.load("monitor.json") or {}
    seen = ((counters.get("recorder") or {}).get("sinks") or {}).get("messages") or {}
    if not path.exists() or not seen.get("messages"):
        return []
    connection = open_store(path)
    try:
        unread_bytes = sum(int(seen.get(name) or 0) for name in ("unparsed_bytes", "hole_bytes"))
        checkers: list[Checker] = [Invariants(connection, unread_bytes=unread_bytes)]
        has_puts = connection.execute("SELECT 1 FROM entries WHERE operation = 'put' LIMIT 1").fetchone()
        if workload in ("register", "uniform", "reads") and has_puts:
            # Of long values only the beginning is kept: they cannot be compared, so what is absent proves nothing.
            cut = connection.execute("SELECT 1 FROM entries WHERE length(value) != value_size LIMIT 1").fetchone()
            unpack = hooks(make_workload(workload)).unpacked
            complete = not cut and not any(seen.get(name) for name in ("unparsed_bytes", "hole_bytes", "lost_at_join"))
            puts = list(committed_puts(connection, history, unpack))
            checkers.append(Wire(puts, complete=complete))
            if workload == "reads":
                checkers.append(RevisionReads(puts, complete=complete))
        return [check_safely(checker, history) for checker in checkers]
    finally:
        connection.close()
