"""Gathers the evidence for an anomaly from a run's folder: its history, messages.sqlite and events.jsonl."""

from __future__ import annotations

import pickletools
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from raftmon.driver.blame.evidence import Evidence, LogEntry, Restart, ViolatingMessage, Witnessed
from raftmon.driver.checkers.base import Result
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.monitor.raft.conformance.rules import RULES
from raftmon.monitor.raft.violations import INVARIANTS

__all__ = ["MOST_OPERATIONS", "collect", "restarts_of"]

MOST_OPERATIONS = 12
LAST_READS = range(1_000_000_000, 2_000_000_000)
"""Process ids of the last reads (``raftmon.driver.run.final_reads``)."""
_MOST_ENTRIES = 50
_LED = "kind IN ('MsgApp', 'MsgHeartbeat', 'MsgSnap')"
_POWER_CUT = re.compile(r"(?:^|[:;] )(n\d+|[A-Za-z][\w.-]*) lost (?!nothing)(.+?)(?=; |$)")


def collect(
    result: Result,
    history: History,
    wire: sqlite3.Connection | None,
    events: Sequence[Mapping[str, Any]],
    stores: Mapping[str, str],
    zero_ns: int,
) -> Evidence:
    """Everything about one *invalid* result. ``stores``: what each node said of its store, in words."""
    named = tuple(result.counterexample.operations) if result.counterexample is not None else ()
    key = result.counterexample.key if result.counterexample is not None else None
    violation = (result.details.get("violations") or [None])[0]
    rule = violation["invariant"] if violation else None
    group = None if wire is None else _group(wire)
    held = (
        {**_last_reads(history, key), **(stores if result.checker == "stores" else {})} if key is not None else stores
    )
    return Evidence(
        checker=result.checker,
        sentence=result.sentence,
        key=key,
        operations=tuple(_witnessed(one, wire, group) for one in named[:MOST_OPERATIONS]),
        rule=rule,
        broken=violation["sentence"] if violation else "",
        messages=tuple(
            ViolatingMessage(one["time_ns"], one["first_packet"], one["sentence"])
            for one in (violation or {}).get("witnesses", ())
        ),
        means=RULES.get(rule, INVARIANTS.get(rule, "")) if rule else "",
        restarts=tuple(restarts_of(events, wire, group)),
        stores=held,
        differ=result.checker == "stores",
        copies=tuple(_copies(wire, events)),
        wire=wire is not None and group is not None,
        zero_ns=zero_ns,
    )


def _group(wire: sqlite3.Connection) -> str | None:
    """The Raft group that clients' writes go through: the one with the most appends, None if nothing was decoded."""
    most = "SELECT grp FROM messages WHERE kind = 'MsgApp' AND entries > 0 GROUP BY grp ORDER BY count(*) DESC LIMIT 1"
    row = wire.execute(most).fetchone()
    return None if row is None else str(row[0])


def _witnessed(operation: Operation, wire: sqlite3.Connection | None, group: str | None) -> Witnessed:
    if wire is None or group is None:
        return Witnessed(operation)
    if operation.f == "read":
        return _served(operation, wire, group)
    value = operation.value
    if operation.f == "cas" and isinstance(value, (tuple, list)) and len(value) == 2:
        value = value[1]
    entries = tuple(_entries(wire, group, operation, value))
    grows = operation.f in ("add", "append")  # what is written later may hold it too: a set, a list
    return Witnessed(operation, entries[:1] if grows else entries)


def _entries(wire: sqlite3.Connection, group: str, operation: Operation, value: Any) -> Iterable[LogEntry]:
    """The places in the log with what an operation wrote, sent for the first time after it was called."""
    text = orjson.dumps(value, default=str)
    said = re.compile(rb"(?<![0-9A-Za-z_.-])" + re.escape(text.strip(b'"')) + rb"(?![0-9A-Za-z_])")
    query = """
        SELECT e.log_index, e.term, m.source, min(m.time_ns) AS first_ns, m.first_packet, e.key, e.value
        FROM entries e JOIN messages m ON m.id = e.message
        WHERE m.grp = ?1 AND e.log_index > 0 AND m.time_ns >= ?2
            AND (e.key = ?3 OR (e.key IS NULL AND e.value IS NOT NULL AND instr(e.value, CAST(?3 AS BLOB))))
        GROUP BY e.log_index, e.term ORDER BY e.log_index LIMIT 2000
    """
    found = 0
    for row in wire.execute(query, (group, operation.call_ns, str(operation.key))):
        blob = row["value"] if isinstance(row["value"], bytes) else str(row["value"] or "").encode()
        if not (
            _pickled(blob, operation.key, value) or said.search(_payload(blob, str(operation.key).encode(), row["key"]))
        ):
            continue
        at_ns = _quorum_ns(wire, group, row["log_index"], row["source"], row["first_ns"])
        known = at_ns is not None or _answers_known(wire, group, row["source"])
        yield LogEntry(
            row["log_index"], row["term"], str(row["source"]), row["first_ns"], at_ns, row["first_packet"], known
        )
        found += 1
        if found >= _MOST_ENTRIES:
            return


def _payload(blob: bytes, key: bytes, typed: str | None) -> bytes:
    """The part of an entry's bytes in which a value may stand: behind the key, and behind headers like NATS'."""
    if typed is not None:
        return blob
    rest = blob[blob.find(key) + len(key) :]
    headers = rest.rfind(b"\r\n\r\n")
    return rest[headers + 4 :] if headers >= 0 else rest


def _pickled(blob: bytes, key: object, value: object) -> bool:
    """Whether bytes are a pickled command (PySyncObj's) that names a key and ends with a value. Nothing is loaded."""
    if not blob.startswith(b"\x80"):
        return False
    atoms: list[object] = []
    try:
        for operation, argument, _place in pickletools.genops(blob):
            if "UNICODE" in operation.name or "INT" in operation.name or operation.name.startswith("LONG"):
                atoms.append(argument)
    except ValueError:
        return False  # cut off: only the beginning of an entry is recorded
    return key in atoms[:-1] and atoms[-1] == value


def _others_needed(wire: sqlite3.Connection, group: str) -> int:
    """How many nodes beside the leader make a quorum with it, of those that were seen."""
    (count,) = wire.execute("SELECT count(DISTINCT source) FROM messages WHERE grp = ?", (group,)).fetchone()
    return max(int(count) // 2, 1)


def _quorum_ns(wire: sqlite3.Connection, group: str, index: int, leader: str, since_ns: int) -> int | None:
    """When a quorum had acknowledged an index to its leader, as the answers passed."""
    query = """
        SELECT min(time_ns) FROM messages WHERE grp = ?1 AND kind = 'MsgAppResp' AND NOT reject AND target = ?2
            AND log_index >= ?3 AND time_ns >= ?4 AND delivered IS NOT 0 GROUP BY source
    """
    times = sorted(row[0] for row in wire.execute(query, (group, leader, index, since_ns)))
    need = _others_needed(wire, group)
    return int(times[need - 1]) if len(times) >= need else None


def _answers_known(wire: sqlite3.Connection, group: str, leader: str) -> bool:
    """Whether the record has answers to this leader that say how far the others are."""
    query = """
        SELECT 1 FROM messages
        WHERE grp = ? AND kind = 'MsgAppResp' AND NOT reject AND target = ? AND log_index > 0 LIMIT 1
    """
    return wire.execute(query, (group, leader)).fetchone() is not None


def _served(operation: Operation, wire: sqlite3.Connection, group: str) -> Witnessed:
    """Who led for a read, and whether that node still heard from a quorum: by answers to it that arrived."""
    at_ns = operation.return_ns or operation.call_ns
    node = operation.node
    led = f"SELECT max(term) FROM messages WHERE grp = ?1 AND source = ?2 AND {_LED} AND time_ns <= ?3"
    own = wire.execute(led, (group, node, at_ns)).fetchone()[0]
    newest = f"SELECT max(term) FROM messages WHERE grp = ?1 AND {_LED} AND time_ns <= ?2"
    top = wire.execute(newest, (group, at_ns)).fetchone()[0]
    if node is None or own is None or top is None or own >= top:
        return Witnessed(operation, leader=node if own is not None and own == top else None)
    query = """
        SELECT max(time_ns) FROM messages WHERE grp = ?1 AND target = ?2 AND time_ns <= ?3 AND delivered IS NOT 0
            AND kind IN ('MsgAppResp', 'MsgHeartbeatResp') GROUP BY source
    """
    heard = sorted((row[0] for row in wire.execute(query, (group, node, at_ns))), reverse=True)
    need = _others_needed(wire, group)
    since = int(heard[need - 1]) if len(heard) >= need else None
    return Witnessed(operation, leader=node, served_without_quorum_ns=since)


def restarts_of(
    events: Iterable[Mapping[str, Any]], wire: sqlite3.Connection | None, group: str | None
) -> Iterable[Restart]:
    """Every node that ended and began again, with what the wire shows of its log and term before and after."""
    down: dict[str, int] = {}
    lost: dict[str, str] = {}
    found: list[Restart] = []
    for event in events:
        name, node = event.get("event"), str(event.get("node", ""))
        if name == "node killed":
            down[node] = int(event["time_ns"])
        elif name == "fault started" and "power cut" in str(event.get("effect", "")):
            lost.update(_POWER_CUT.findall(str(event["effect"])))
        elif name == "node started" and node in down:
            found.append(_restart(node, down.pop(node), int(event["time_ns"]), lost.pop(node, None), wire, group))
    return found


def _restart(
    node: str, down_ns: int, up_ns: int, lost: str | None, wire: sqlite3.Connection | None, group: str | None
) -> Restart:
    if wire is None or group is None:
        return Restart(node, down_ns, up_ns, lost=lost)
    own = "grp = ?1 AND source = ?2 AND kind IN ('MsgVote', 'MsgApp', 'MsgHeartbeat', 'MsgSnap')"
    acked = "SELECT max(log_index) FROM messages WHERE grp = ?1 AND source = ?2 AND time_ns < ?3 AND "
    followed = wire.execute(f"{acked} kind = 'MsgAppResp' AND NOT reject", (group, node, down_ns)).fetchone()[0]
    led = wire.execute(f"{acked} kind = 'MsgApp'", (group, node, down_ns)).fetchone()[0]
    term = wire.execute(f"SELECT max(term) FROM messages WHERE {own} AND time_ns < ?3", (group, node, down_ns))
    after = f"SELECT term, kind, log_index FROM messages WHERE {own} AND time_ns > ?3 ORDER BY id LIMIT 1"
    said = wire.execute(after, (group, node, up_ns)).fetchone()
    return Restart(
        node,
        down_ns,
        up_ns,
        log_before=max((one for one in (followed, led) if one is not None), default=None),
        log_after=said["log_index"] if said is not None and said["kind"] in ("MsgVote", "MsgApp") else None,
        term_before=term.fetchone()[0],
        term_after=said["term"] if said is not None else None,
        lost=lost,
    )


def _last_reads(history: History, key: object) -> dict[str, str]:
    """What each node answered when everything was read once more at the end."""
    found = {}
    for one in history.by_key().get(key, []):
        if one.process in LAST_READS and one.f == "read" and one.node is not None and one.outcome is Outcome.OK:
            text = repr(one.value)
            found[one.node] = text if len(text) <= 60 else f"{text[:57]}…"
    return found


def _copies(wire: sqlite3.Connection | None, events: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Messages that arrived again or were written by nobody, by the hand of rules or of ``ctl deliver``."""
    if wire is not None:
        query = """
            SELECT kind, count(*) FROM messages
            WHERE verdict LIKE '%duplicate %' OR verdict LIKE '%replay %' OR verdict LIKE '%forge %' GROUP BY kind
        """
        for kind, count in wire.execute(query):
            yield f"rules copied or forged {count} {kind}"
    again = [str(event.get("text", "")) for event in events if event.get("event") == "message-delivered-again"]
    if again:
        yield f"{len(again)} recorded messages were delivered again, the first: {again[0]}"
