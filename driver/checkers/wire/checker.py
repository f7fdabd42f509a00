"""The wire against the clients: what Raft messages show to be committed, and what clients were told, must agree.

Takes the committed puts that were seen in Raft messages. Operations: ``f="write"``, ``key``, ``value``; ``f="cas"``,
``value`` [expected, new]; ``f="read"``, ``value`` what was seen, null if there was nothing. A (key, value) pair
should be written once; pairs written more often are left out of what needs to know which entry is meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.checkers.wire.order import check_order
from raftmon.driver.checkers.wire.words import Committed, same_text, written_value
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Committed", "Wire", "same_text"]


@dataclass(slots=True)
class Log:
    """The committed puts by index, and where each (key, value) and each key's changes stand."""

    entries: dict[int, Committed] = field(default_factory=dict)
    places: dict[tuple[Any, Any], list[int]] = field(default_factory=dict)
    of_key: dict[Any, list[int]] = field(default_factory=dict)


class Wire:
    """Names: *acked-not-committed* (no committed entry for an acknowledged write), *failed-but-committed*,
    *read-never-committed*, *committed-before-call*, *phantom-commit* (of a key the clients use, but of a value nobody
    wrote), *index-contradicted* (two entries committed at one index: State Machine Safety, Ongaro 2014, section 3.6),
    *cas-contradicted* (the entry before an acknowledged cas has not the expected value), *stale-read*, *future-read*,
    *order-contradicted* (writes one after the other, their entries the other way round).

    ``complete`` is false where the monitor did not see everything (attached late, packets lost): then what rests on
    an entry's absence makes the verdict unknown, not invalid. ``initial`` is what keys held before the first entry.
    ``details``: ``anomalies``, ``examples``, ``entries``, ``writes``, ``reads``, ``repeated`` (pairs left out).
    """

    name = "wire"
    functions = frozenset(("read", "write", "cas"))
    """What it judges; what is passed over besides has no entry on the wire to compare with."""

    def __init__(self, committed: Iterable[Committed], *, complete: bool = True, initial: Any = None) -> None:
        self._committed = committed
        self._complete = complete
        self._initial = same_text(initial)

    def check(self, history: History) -> Result:
        """Compare every read and write of the history with the log."""
        found = Findings()
        log = _log(self._committed, found)
        writes = [o for o in history.operations if o.f in ("write", "cas")]
        reads = [o for o in history.operations if o.f == "read" and o.outcome is Outcome.OK]
        writers: dict[tuple[Any, Any], list[Operation]] = {}
        for operation in writes:
            writers.setdefault(_pair(operation), []).append(operation)
        repeated = {pair for pair, many in writers.items() if len(many) > 1}
        repeated |= {pair for pair, indexes in log.places.items() if len(indexes) > 1}
        _check_writes(writers, log, repeated, found)
        for read in reads:
            value = same_text(read.value)
            if value != self._initial and (same_text(read.key), value) not in log.places:
                sentence = f"{read.key} was read as {read.value!r}, and no such entry was ever seen committed"
                found.add("read-never-committed", sentence, [read], key=read.key)
        _check_phantoms(log, writers, reads, found)
        if self._complete:
            check_order(log.entries, writes, reads, repeated, self._initial, found)
        missing = ("acked-not-committed", "read-never-committed")
        doubtful = [] if self._complete else [name for name in missing if name in found.counts]
        unknown = None
        if not log.entries:
            unknown, doubtful = "no committed entry was seen on the wire", list(missing)
        elif doubtful:
            unknown = f"the wire was not seen completely, and {found.examples[doubtful[0]][0].sentence}"
        elif not self._complete:
            unknown = "the wire was not seen completely; what was seen agrees with the clients"
        details = {"entries": len(log.entries), "writes": len(writes), "reads": len(reads), "repeated": len(repeated)}
        return found.result(
            self.name,
            good=_agreement(len(log.entries), writes, len(reads)),
            details=details,
            harmless=doubtful,
            unknown=unknown,
        )


def _agreement(entries: int, writes: list[Operation], reads: int) -> str:
    """Attempts are told apart from what was acknowledged: a refused compare-and-set commits nothing."""
    of = Counter(operation.outcome for operation in writes)
    attempts = f"{of[Outcome.OK]} acknowledged writes, {of[Outcome.FAIL]} refused, {of[Outcome.INFO]} without an answer"
    return f"the log on the wire ({entries} committed entries) agrees with the clients: {attempts}, {reads} reads"


def _pair(operation: Operation) -> tuple[Any, Any]:
    return same_text(operation.key), same_text(written_value(operation))


def _log(committed: Iterable[Committed], found: Findings) -> Log:
    log = Log()
    for given in committed:
        entry = replace(given, key=same_text(given.key), value=same_text(given.value))
        other = log.entries.setdefault(entry.index, entry)
        if (other.term, other.key, other.value) != (entry.term, entry.key, entry.value):
            sentence = (
                f"two entries were committed at index {entry.index}: {other.key} = {other.value} of term {other.term} "
                f"and {entry.key} = {entry.value} of term {entry.term}"
            )
            found.add("index-contradicted", sentence, key=entry.key, at_ns=max(entry.time_ns, other.time_ns))
        elif entry.time_ns < other.time_ns:
            log.entries[entry.index] = entry
    for index in sorted(log.entries):
        entry = log.entries[index]
        log.places.setdefault((entry.key, entry.value), []).append(index)
        log.of_key.setdefault(entry.key, []).append(index)
    return log


def _check_writes(
    writers: dict[tuple[Any, Any], list[Operation]], log: Log, repeated: set[tuple[Any, Any]], found: Findings
) -> None:
    for pair, operations in writers.items():
        indexes = log.places.get(pair, [])
        acknowledged = [operation for operation in operations if operation.outcome is Outcome.OK]
        if len(acknowledged) > len(indexes):
            operation = acknowledged[-1]
            sentence = f"{operation.f} of {pair[1]} to {pair[0]} was acknowledged, and its entry was not seen committed"
            found.add("acked-not-committed", sentence, [operation], key=operation.key)
        if indexes and all(operation.outcome is Outcome.FAIL for operation in operations):
            sentence = f"{operations[0].f} of {pair[1]} to {pair[0]} failed, yet index {indexes[0]} commits it"
            found.add("failed-but-committed", sentence, operations[:1], key=operations[0].key)
        if pair in repeated or not indexes:
            continue
        entry, operation = log.entries[indexes[0]], operations[0]
        if entry.time_ns < operation.call_ns:
            sentence = f"{pair[0]} = {pair[1]} was committed at index {entry.index} before its {operation.f} was called"
            found.add("committed-before-call", sentence, [operation], key=operation.key, at_ns=entry.time_ns)
        if operation.f == "cas" and operation.outcome is Outcome.OK:
            _check_cas(operation, entry, log, found)


def _check_cas(operation: Operation, entry: Committed, log: Log, found: Findings) -> None:
    indexes = log.of_key[entry.key]
    place = indexes.index(entry.index)
    if not place:
        return  # what the key held before, the wire does not tell
    before, expected = log.entries[indexes[place - 1]], same_text(operation.value[0])
    if before.value != expected:
        sentence = (
            f"cas of {operation.key} from {expected} to {entry.value} was acknowledged, but index {before.index} "
            f"had set it to {before.value}, and index {entry.index} follows"
        )
        found.add("cas-contradicted", sentence, [operation], key=operation.key)


def _check_phantoms(
    log: Log, writers: dict[tuple[Any, Any], list[Operation]], reads: Sequence[Operation], found: Findings
) -> None:
    keys = {key for key, _ in writers} | {same_text(read.key) for read in reads}
    for (key, value), indexes in log.places.items():
        if key in keys and value is not None and (key, value) not in writers:
            entry = log.entries[indexes[0]]
            sentence = f"{key} = {value} was committed at index {entry.index}, and no client wrote it"
            found.add("phantom-commit", sentence, key=key, at_ns=entry.time_ns)
