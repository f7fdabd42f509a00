"""Reads of a multi-version store against its log: at the revision that an answer tells, what did the key hold?

Operations: ``f="write"`` with ``extra`` ``{"revision": r}``, the revision it made; ``f="read"`` (linearizable) and
``f="read-local"`` (one node's own store) with ``{"revision": r}``, the store's revision when it was read;
``f="read-at"`` with ``{"revision": of the store, "at": the revision asked for}``. ``value`` null: the key was not
there. A (key, value) pair is written once.

The log is what acknowledged writes tell of their revisions. Where Raft's messages were read (``committed``), writes
whose outcome nobody told have their place in it too, and it can be said exactly which values a key can have held.
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Iterable, Sequence
from typing import Any

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.checkers.wire.words import Committed, same_text
from raftmon.driver.histories.model import History, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["RevisionReads"]

_KINDS = {"read": "read-differs", "read-at": "past-differs", "read-local": "local-differs"}
_WORDS = {"read": "a read", "read-at": "a read of the past", "read-local": "a local read"}
_NOWHERE = 2**62


class RevisionReads:
    """Names: *read-differs*, *past-differs*, *local-differs* (the key held another value at that revision),
    *changed* (two reads of one key at one revision gave two values), *failed-but-seen* (a write that was told to have
    failed was read), *never-written*, *revision-back* (a linearizable answer told an older revision than one that had
    returned before it was asked), *duplicate-revision* (two writes made one revision).

    ``committed`` are the puts that the wire shows, None where it shows none; with ``complete`` false (packets were not
    seen) what rests on an entry's absence makes the verdict unknown. ``details``: ``anomalies``, ``examples``,
    ``writes``, ``reads`` by kind.
    """

    stops_by_itself = True

    def __init__(self, committed: Iterable[Committed] | None = None, *, complete: bool = True) -> None:
        self.name = "revision-reads" if committed is None else "wire-reads"
        self._committed = None if committed is None else list(committed)
        self._complete = complete

    def check(self, history: History) -> Result:
        """Hold every read against the log."""
        found = Findings()
        writes = [one for one in history.operations if one.f == "write"]
        reads = [
            one
            for one in history.operations
            if one.f in _KINDS and one.outcome is Outcome.OK and _revision(one) is not None
        ]
        log = _ByRevision(writes) if self._committed is None else _ByIndex(writes, self._committed)
        writers = {(freeze(one.key), freeze(one.value)): one for one in writes}
        _duplicates(writes, found)
        _never_back([one for one in history.operations if one.f in ("write", "read", "read-at")], found)
        seen: dict[tuple[Any, int], Operation] = {}
        counts = dict.fromkeys(_KINDS, 0)
        for read in reads:
            counts[read.f] += 1
            _check(read, log, writers, seen, found)
        absent = tuple(name for name in _KINDS.values() if name in found.counts)
        unknown = None if reads else "no read told the revision that it was of"
        if self._committed == []:
            unknown = "no committed entry was seen on the wire"
        elif absent and not self._complete:
            unknown = f"the wire was not seen completely, and {found.examples[absent[0]][0].sentence}"
        told = ", ".join(f"{count} of {f}" for f, count in counts.items())
        where = "the revisions of the writes" if self._committed is None else "the log on the wire"
        return found.result(
            self.name,
            good=f"{told}: each what the key held at its revision, by {where}",
            details={"writes": len(writes), "reads": counts},
            harmless=absent if not self._complete or self._committed == [] else (),
            unknown=unknown,
        )


def _revision(read: Operation) -> int | None:
    """The revision that a read is of."""
    told = (read.extra or {}).get("at" if read.f == "read-at" else "revision")
    return told if isinstance(told, int) and not isinstance(told, bool) else None


def _made(write: Operation) -> int | None:
    told = (write.extra or {}).get("revision")
    return told if write.outcome is Outcome.OK and isinstance(told, int) else None


class _ByRevision:
    """The log as acknowledged writes tell it; a write of unknown outcome may stand anywhere."""

    def __init__(self, writes: Sequence[Operation]) -> None:
        self._changes: dict[Any, list[tuple[int, Any]]] = {}
        self._unknown: dict[Any, set[Any]] = {}
        for write in writes:
            key, revision = freeze(write.key), _made(write)
            if revision is not None:
                self._changes.setdefault(key, []).append((revision, freeze(write.value)))
            elif write.outcome is not Outcome.FAIL:
                self._unknown.setdefault(key, set()).add(freeze(write.value))
        for changes in self._changes.values():
            changes.sort(key=lambda change: change[0])

    def held(self, key: Any, revision: int) -> set[Any]:
        """What the key can have held at a revision."""
        changes = self._changes.get(key, [])
        place = bisect.bisect_right(changes, revision, key=lambda change: change[0])
        return {changes[place - 1][1] if place else None, *self._unknown.get(key, ())}


class _ByIndex:
    """The log on the wire. Acknowledged writes tie its indexes to revisions."""

    def __init__(self, writes: Sequence[Operation], committed: Sequence[Committed]) -> None:
        self._changes: dict[Any, list[tuple[int, Any]]] = {}
        places: dict[tuple[Any, Any], int] = {}
        for entry in sorted(committed, key=lambda entry: entry.index):
            pair = same_text(entry.key), same_text(entry.value)
            places.setdefault(pair, entry.index)
            self._changes.setdefault(pair[0], []).append((entry.index, pair[1]))
        ties = [(revision, write) for write in writes if (revision := _made(write)) is not None]
        known = [(revision, places.get((same_text(write.key), same_text(write.value)))) for revision, write in ties]
        self._ties = sorted((revision, index) for revision, index in known if index is not None)
        self._values = {same_text(write.value): freeze(write.value) for write in writes}

    def held(self, key: Any, revision: int) -> set[Any]:
        """What the key can have held at a revision: exactly one value where some write made that very revision."""
        place = bisect.bisect_right(self._ties, revision, key=lambda tie: tie[0])
        low = self._ties[place - 1][1] if place else 0
        exact = bool(place) and self._ties[place - 1][0] == revision
        high = low + 1 if exact else self._ties[place][1] if place < len(self._ties) else _NOWHERE
        changes = self._changes.get(same_text(key), [])
        first = bisect.bisect_right(changes, low, key=lambda change: change[0])
        last = bisect.bisect_left(changes, high, key=lambda change: change[0])
        texts = [change[1] for change in changes[max(0, first - 1) : max(first, last)]]
        values = {self._values.get(text, text) for text in texts}
        return values if first else {None, *values}


def _check(
    read: Operation,
    log: _ByRevision | _ByIndex,
    writers: dict[tuple[Any, Any], Operation],
    seen: dict[tuple[Any, int], Operation],
    found: Findings,
) -> None:
    revision = _revision(read)
    assert revision is not None
    key, value = freeze(read.key), freeze(read.value)
    write = writers.get((key, value))
    what = f"{_WORDS[read.f]} of {read.key} at revision {revision} gave {read.value!r}"
    if value is not None and write is None:
        found.add("never-written", f"{what}, which nobody wrote", [read], key=read.key)
        return
    if write is not None and write.outcome is Outcome.FAIL:
        found.add("failed-but-seen", f"{what}, whose write was told to have failed", [write, read], key=read.key)
        return
    other = seen.setdefault((key, revision), read)
    if freeze(other.value) != value:
        sentence = f"{what}, and {_WORDS[other.f]} at the same revision {other.value!r}"
        found.add("changed", sentence, [other, read], key=read.key)
    held = log.held(key, revision)
    if value not in held:
        words = " or ".join(sorted(repr(one) for one in held))
        ours = [read] if write is None else [write, read]
        found.add(_KINDS[read.f], f"{what}; the key held {words} then", ours, key=read.key)


def _duplicates(writes: Sequence[Operation], found: Findings) -> None:
    made: dict[int, Operation] = {}
    for write in writes:
        revision = _made(write)
        if revision is None:
            continue
        other = made.setdefault(revision, write)
        if other is not write:
            sentence = f"the writes of {other.value!r} and {write.value!r} both made revision {revision}"
            found.add("duplicate-revision", sentence, [other, write], key=write.key)


def _never_back(operations: Sequence[Operation], found: Findings) -> None:
    """Linearizable answers: none tells an older revision than an answer that had returned before it was asked for."""
    told = [one for one in operations if one.outcome is Outcome.OK and one.return_ns is not None]
    told = [one for one in told if isinstance((one.extra or {}).get("revision"), int)]
    told.sort(key=lambda one: one.call_ns)
    pending: list[tuple[int, int, int]] = []
    highest, cause = 0, -1
    for place, one in enumerate(told):
        assert one.extra is not None
        while pending and pending[0][0] < one.call_ns:
            _, revision, before = heapq.heappop(pending)
            if revision > highest:
                highest, cause = revision, before
        revision = one.extra["revision"]
        if revision < highest:
            sentence = f"{one.f} of {one.key} told revision {revision} after {highest} had been told"
            found.add("revision-back", sentence, [told[cause], one], key=one.key)
        heapq.heappush(pending, (one.return_ns or 0, revision, place))
