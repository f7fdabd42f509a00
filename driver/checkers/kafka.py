"""Logs like Kafka's: every acknowledged record is polled in order, once written at one offset (Jepsen's ``kafka``).

Operations, as Jepsen and Maelstrom record them: ``send``, ``poll`` and ``txn`` with ``value`` a list of
``["send", key, value]`` (invoked, or indefinite), ``["send", key, [offset, value]]`` (acknowledged; a null offset is
not known) and
``["poll", {key: [[offset, value], …]}]``; ``assign`` and ``subscribe`` choose what a process polls next, and may
jump; ``crash`` ends a client. Values are unique a key.

A process polls on where it ended, so between two offsets that it polled one after the other there is none that
anybody knows of. Offsets themselves may have gaps (Kafka's transactions leave marks in them). After ``assign`` it may
start anywhere; after ``subscribe`` partitions wander between processes, so that only the inside of one poll is judged.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.checkers.words import value_text
from raftmon.driver.histories.model import History, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Kafka"]

_JUMPS = frozenset(("assign", "subscribe"))
_Places = dict[tuple[Any, Any], tuple[int, Operation]]  # (process, key) -> (offset, by which operation)


@dataclass(slots=True)
class _Log:
    """One key: who said what of an offset, and where a value was seen."""

    at: dict[int, dict[Any, Operation]] = field(default_factory=dict)  # offset -> value -> first who said so
    offsets: dict[Any, dict[int, Operation]] = field(default_factory=dict)  # value -> offset -> first who said so
    acknowledged: dict[int, Operation] = field(default_factory=dict)
    polled: dict[int, Operation] = field(default_factory=dict)
    failed: dict[Any, Operation] = field(default_factory=dict)
    tried: Counter[Any] = field(default_factory=Counter)  # value -> how many sends of it may have happened
    last_polled: int = -1

    def note(self, offset: int, value: Any, operation: Operation) -> None:
        self.at.setdefault(offset, {}).setdefault(value, operation)
        self.offsets.setdefault(value, {}).setdefault(offset, operation)


class Kafka:
    """Names: *lost-write*, *inconsistent-offsets*, *duplicate*, *poll-skip*, *nonmonotonic-poll*,
    *nonmonotonic-send*, *aborted-read*, *garbage-read*. ``details``: ``anomalies``, ``examples``, ``records``,
    ``polled``, ``unseen`` (acknowledged behind all that was polled: still to come, or lost).
    """

    stops_by_itself = True

    name = "kafka"

    def check(self, history: History) -> Result:
        """Judge the logs of all keys."""
        found = Findings()
        logs: dict[Any, _Log] = {}
        for operation in history.operations:
            _gather(operation, logs)
        for key, log in logs.items():
            _judge_log(key, log, found)
        _judge_polls(history, logs, found)
        unseen = {key: sum(o > log.last_polled for o in log.acknowledged) for key, log in logs.items()}
        missing = sum(o < log.last_polled and o not in log.polled for log in logs.values() for o in log.acknowledged)
        records = sum(len(log.acknowledged) for log in logs.values())
        polled = sum(len(log.polled) for log in logs.values())
        unknown = None
        if missing:
            unknown = (
                f"unknown: {missing} acknowledged records were never polled, though later ones were: lost or left out"
            )
        elif not any(log.at for log in logs.values()):
            unknown = "unknown: no record was acknowledged or polled"
        elif not polled:
            unknown = f"unknown: {records} records were acknowledged and none was polled, so nobody knows what is there"
        return found.result(
            self.name,
            good=f"valid: {records} records acknowledged on {len(logs)} logs, {polled} records polled, none lost, "
            "twice or out of order",
            details={
                "records": records,
                "polled": polled,
                "indefinite": sum(one.outcome is Outcome.INFO for one in history.operations),
                "unseen": {str(key): count for key, count in unseen.items() if count},
            },
            unknown=unknown,
        )


def _parts(operation: Operation) -> Iterator[tuple[str, Any, Any]]:
    """("send", key, [offset, value] or value) and ("poll", key, records), of the micro-operations it has."""
    for part in operation.value if isinstance(operation.value, list | tuple) else ():
        if not isinstance(part, list | tuple) or not part:
            continue
        if part[0] == "send" and len(part) == 3:
            yield "send", _log_name(part[1]), part[2]
        elif part[0] == "poll" and len(part) == 2 and isinstance(part[1], Mapping):
            for key, records in part[1].items():
                yield "poll", _log_name(key), records


def _log_name(key: Any) -> Any:
    """A key as both forms have it: those of a map are texts, whatever they were."""
    return str(key) if isinstance(key, int | str) else freeze(key)


def _sent(thing: Any) -> Any:
    """The value of a send whose offset nobody knows."""
    unplaced = isinstance(thing, list | tuple) and len(thing) == 2 and thing[0] is None
    return freeze(thing[1] if unplaced else thing)


def _record(thing: Any) -> tuple[int, Any] | None:
    if isinstance(thing, list | tuple) and len(thing) == 2 and isinstance(thing[0], int):
        return thing[0], freeze(thing[1])
    return None


def _gather(operation: Operation, logs: dict[Any, _Log]) -> None:
    for kind, key, thing in _parts(operation):
        log = logs.setdefault(key, _Log())
        record = _record(thing) if kind == "send" else None
        if kind == "send" and (operation.outcome is not Outcome.OK or record is None):
            value = record[1] if record else _sent(thing)
            if operation.outcome is Outcome.FAIL:
                log.failed[value] = operation
            else:
                log.tried[value] += 1
        elif record is not None:
            log.note(*record, operation)
            log.tried[record[1]] += 1
            log.acknowledged.setdefault(record[0], operation)
        elif kind == "poll" and operation.outcome is Outcome.OK:
            for offset, value in filter(None, map(_record, thing or ())):
                log.note(offset, value, operation)
                log.polled.setdefault(offset, operation)
                log.last_polled = max(log.last_polled, offset)


def _judge_log(key: Any, log: _Log, found: Findings) -> None:
    name = value_text(key)
    for offset, values in log.at.items():
        if len(values) > 1:
            both = " and ".join(map(value_text, list(values)[:2]))
            found.add("inconsistent-offsets", f"offset {offset} of {name} holds both {both}", values.values(), key=key)
    for value, offsets in log.offsets.items():
        if len(offsets) > 1 and log.tried[value] < 2:
            places = " and ".join(map(str, list(offsets)[:2]))
            found.add("duplicate", f"{value_text(value)} is in {name} at offsets {places}", offsets.values(), key=key)
        offset, reader = next(iter(offsets.items()))
        if value not in log.tried:
            aborted = log.failed.get(value)
            words = f"offset {offset} of {name} was polled as {value_text(value)}, "
            if aborted is not None:
                found.add("aborted-read", f"{words}whose send certainly failed", [aborted, reader], key=key)
            else:
                found.add("garbage-read", f"{words}which nobody sent", [reader], key=key)


def _judge_polls(history: History, logs: dict[Any, _Log], found: Findings) -> None:
    """Each process polls and sends forward, and skips nothing known; after an assign it may start anywhere."""
    known = {key: sorted(log.at) for key, log in logs.items()}
    polled: _Places = {}
    sent: _Places = {}
    wandering: set[Any] = set()
    for operation in sorted(history.operations, key=lambda one: one.call_ns):
        if operation.f == "subscribe":
            wandering.add(operation.process)
        elif operation.f == "assign":
            wandering.discard(operation.process)
        if operation.f in _JUMPS or operation.process in wandering:
            polled = {pair: at for pair, at in polled.items() if pair[0] != operation.process}
        if operation.outcome is not Outcome.OK:
            continue
        for kind, key, thing in _parts(operation):
            pair = (operation.process, key)
            if kind == "poll":
                for offset, _ in filter(None, map(_record, thing or ())):
                    _forward(pair, offset, operation, polled, logs[key], known[key], found)
            elif (record := _record(thing)) is not None:
                before = sent.get(pair)
                if before is not None and record[0] <= before[0]:
                    words = f"sent to {value_text(key)} at offset {record[0]} after its send at offset {before[0]}"
                    found.add("nonmonotonic-send", f"a process {words}", _each(before[1], operation), key=key)
                sent[pair] = (record[0], operation)


def _forward(
    pair: tuple[Any, Any],
    offset: int,
    operation: Operation,
    polled: _Places,
    log: _Log,
    known: list[int],
    found: Findings,
) -> None:
    """One record polled by a process, after what it polled before of the same log."""
    before, key, name = polled.get(pair), pair[1], value_text(pair[1])
    polled[pair] = (offset, operation)
    if before is None:
        return
    if offset <= before[0]:
        words = f"a process polled offset {offset} of {name} after offset {before[0]}"
        found.add("nonmonotonic-poll", words, _each(before[1], operation), key=key)
        return
    missed = _between(known, before[0], offset)
    if missed is None:
        return
    other = next(iter(log.at[missed].values()))
    words = f"a process polled offset {offset} of {name} right after {before[0]}, and not {missed}, which "
    involved = _each(other, before[1], operation)
    if missed in log.polled:
        found.add("poll-skip", f"{words}was polled otherwise", involved, key=key)
    else:
        found.add("lost-write", f"{words}was acknowledged and never polled", involved, key=key)


def _each(*operations: Operation) -> list[Operation]:
    return list({id(one): one for one in operations}.values())


def _between(offsets: list[int], low: int, high: int) -> int | None:
    """The first of the sorted ``offsets`` above ``low`` and below ``high``."""
    place = bisect_right(offsets, low)
    return offsets[place] if place < len(offsets) and offsets[place] < high else None
