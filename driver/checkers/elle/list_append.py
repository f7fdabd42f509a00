"""Transactions that append to lists: a read of a list shows the whole order of its versions (Elle, section 3).

Every element is appended at most once, so an element names its writer. The longest read of a key is its version
order; from it follow the dependencies: who overwrote whom (ww), who read whom (wr), who missed whom (rw).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.checkers.elle.anomalies import Anomalies, Anomaly
from raftmon.driver.checkers.elle.graph import Edges, Kind
from raftmon.driver.checkers.elle.transactions import APPEND, READ, Transactions, show

__all__ = ["analyse_list_append"]

MAX_UNSEEN_PAIRS = 400  # on each side: appends nobody read x readers of the longest list


@dataclass(slots=True)
class _Key:
    """All that is known of one key."""

    writer: dict[Any, int] = field(default_factory=dict)  # element -> live transaction
    aborted: dict[Any, int] = field(default_factory=dict)  # element -> aborted transaction
    intermediate: set[Any] = field(default_factory=set)  # elements that their own transaction appended after
    reads: list[tuple[int, list[Any]]] = field(default_factory=list)  # every read
    external: list[tuple[int, list[Any]]] = field(default_factory=list)  # first of its transaction, before any append
    odd: list[tuple[int, list[Any]]] = field(default_factory=list)  # external reads that are no prefix of the trace
    trace: list[Any] = field(default_factory=list)  # the version order


def analyse_list_append(transactions: Transactions, found: Anomalies) -> Edges:
    """Finds all that needs no cycle (into ``found``), and returns the dependencies.

    Names: duplicate-appends (an assumption broken, not an anomaly), internal, duplicate-elements, incompatible-order,
    garbage-read, G1a, G1b, dirty-update, lost-update.
    """
    keys = _gather(transactions, found)
    edges = Edges()
    for name, key in keys.items():
        _choose_trace(name, key, found)
        _read_uncommitted(name, key, found)
        _lost_updates(name, key, transactions, found)
        _dependencies(name, key, transactions, edges)
    return edges


def _gather(transactions: Transactions, found: Anomalies) -> dict[Any, _Key]:
    keys: dict[Any, _Key] = {}
    for number, aborted in enumerate(transactions.aborted):
        for f, name, value in aborted.micro:
            if f == APPEND:
                keys.setdefault(name, _Key()).aborted[value] = number
    for number, transaction in enumerate(transactions.live):
        own: dict[Any, list[Any]] = {}  # appended so far
        whole: dict[Any, list[Any]] = {}  # what a read of the key must show now
        for f, name, value in transaction.micro:
            key = keys.get(name)
            if key is None:
                key = keys[name] = _Key()
            if f == READ:
                if transaction.known_reads:
                    key.reads.append((number, value))
                    if name not in own and name not in whole:
                        key.external.append((number, value))
                    _internal(number, name, value, own.get(name), whole.get(name), found)
                    whole[name] = value
                continue
            if value in key.writer or value in key.aborted:
                found.add(
                    Anomaly(
                        "duplicate-appends",
                        f"{show(value)} was appended to {show(name)} more than once, so its writer cannot be told",
                        (number, key.writer.get(value, number)),
                        key=name,
                    )
                )
            key.writer[value] = number
            if own.get(name):
                key.intermediate.add(own[name][-1])
            own.setdefault(name, []).append(value)
            if name in whole:
                whole[name] = [*whole[name], value]
        if transaction.known_reads and own:
            _future_reads(number, transaction.micro, found)
    return keys


def _internal(
    number: int, name: Any, value: list[Any], own: list[Any] | None, whole: list[Any] | None, found: Anomalies
) -> None:
    """A read must show what the same transaction read and appended before."""
    if whole is not None:
        if value != whole:
            sentence = f"read {show(name)} as {show(value)} where its own earlier steps imply {show(whole)}"
            found.add(Anomaly("internal", sentence, (number,), key=name))
    elif own and value[-len(own) :] != own:
        sentence = f"read {show(name)} as {show(value)}, which does not end in its own appends {show(own)}"
        found.add(Anomaly("internal", sentence, (number,), key=name))


def _future_reads(number: int, micro: Sequence[tuple[str, Any, Any]], found: Anomalies) -> None:
    """A read must not show what the same transaction appends only later."""
    later: set[tuple[Any, Any]] = set()
    for f, name, value in reversed(micro):
        if f == APPEND:
            later.add((name, value))
        elif later and any((name, element) in later for element in value):
            sentence = f"read {show(name)} as {show(value)}, with an element it appended only afterwards"
            found.add(Anomaly("internal", sentence, (number,), key=name))


def _choose_trace(name: Any, key: _Key, found: Anomalies) -> None:
    """The longest read without a repeated element; every other read must be a prefix of it."""
    by_length = sorted(key.reads, key=lambda read: len(read[1]), reverse=True)
    longest_reader = -1
    for number, value in by_length:
        if len(set(value)) == len(value):
            key.trace, longest_reader = value, number
            break
    trace, odd = key.trace, False
    for number, value in key.reads:
        if trace[: len(value)] == value:
            continue
        if len(set(value)) != len(value):
            twice = next(element for place, element in enumerate(value) if element in value[:place])
            sentence = f"read {show(name)} as {show(value)}, with {show(twice)} in it more than once"
            found.add(Anomaly("duplicate-elements", sentence, (number,), key=name))
            odd = True
        else:
            sentence = (
                f"{show(name)} was read as {show(value)} and as {show(trace)}: neither is a beginning of the other"
            )
            found.add(Anomaly("incompatible-order", sentence, (longest_reader, number), key=name))
            odd = True
    if odd:
        key.odd = [(number, value) for number, value in key.external if trace[: len(value)] != value]
        key.external = [(number, value) for number, value in key.external if trace[: len(value)] == value]


def _read_uncommitted(name: Any, key: _Key, found: Anomalies) -> None:
    """Elements read that nobody committed, and lists read between two appends of one transaction."""
    for number, value in [*key.external, *key.odd]:
        last = value[-1] if value else None
        if last in key.intermediate and key.writer[last] != number:
            sentence = (
                f"read {show(name)} as {show(value)}, and {show(last)} was not the last that its transaction appended"
            )
            found.add(Anomaly("G1b", sentence, (key.writer[last], number), key=name))
    bad = {element for element in key.trace if element not in key.writer}
    for _, value in key.odd:
        bad.update(element for element in value if element not in key.writer)
    for element in bad:
        number, value = min((read for read in key.reads if element in read[1]), key=lambda read: len(read[1]))
        if element in key.aborted:
            sentence = f"read {show(name)} as {show(value)}, with {show(element)}, whose append certainly failed"
            found.add(Anomaly("G1a", sentence, (number,), (key.aborted[element],), name))
        else:
            sentence = f"read {show(name)} as {show(value)}, with {show(element)}, which nobody appended"
            found.add(Anomaly("garbage-read", sentence, (number,), key=name))
    dirty = None
    for element in key.trace:
        if element in key.aborted and element not in key.writer:
            dirty = element
        elif dirty is not None and element in key.writer:
            sentence = (
                f"appended {show(element)} to {show(name)} on top of {show(dirty)}, whose append certainly failed"
            )
            found.add(Anomaly("dirty-update", sentence, (key.writer[element],), (key.aborted[dirty],), name))
            dirty = None


def _lost_updates(name: Any, key: _Key, transactions: Transactions, found: Anomalies) -> None:
    """Two committed transactions that read the same version and both wrote."""
    writers = {number for number in key.writer.values() if transactions.live[number].known_reads}
    groups: dict[tuple[Any, ...] | int, list[int]] = {}
    for number, value in key.external:
        if number in writers:
            groups.setdefault(len(value), []).append(number)
    for number, value in key.odd:
        if number in writers:
            groups.setdefault(tuple(value), []).append(number)
    for group in groups.values():
        if len(group) > 1:
            value = next(v for n, v in [*key.external, *key.odd] if n == group[0])
            sentence = f"{len(group)} transactions read {show(name)} as {show(value)}, and each appended to it"
            found.add(Anomaly("lost-update", sentence, tuple(group[:5]), key=name))


def _dependencies(name: Any, key: _Key, transactions: Transactions, edges: Edges) -> None:
    trace, writer = key.trace, key.writer
    # following[i] is the first element from place i on whose transaction may have committed
    following: list[Any] = [None] * (len(trace) + 1)
    known = [element in writer for element in trace]
    for place in range(len(trace) - 1, -1, -1):
        following[place] = place if known[place] else following[place + 1]
    preceding: list[Any] = [None] * (len(trace) + 1)
    for place in range(len(trace)):
        preceding[place + 1] = place if known[place] else preceding[place]
        before = preceding[place]
        if known[place] and before is not None:
            edges.add(writer[trace[before]], writer[trace[place]], Kind.WW, name, trace[before], trace[place])
    at_end: list[int] = []
    for number, value in key.external:
        length = len(value)
        last, after = preceding[length], following[length]
        if last is not None:
            edges.add(writer[trace[last]], number, Kind.WR, name, trace[last], None)
        if after is not None:
            edges.add(number, writer[trace[after]], Kind.RW, name, None, trace[after])
        else:
            at_end.append(number)
    for number, value in key.odd:  # no part of the version order, but their last element was read all the same
        if value and value[-1] in writer:
            edges.add(writer[value[-1]], number, Kind.WR, name, value[-1], None)
    _unseen(name, key, preceding[len(trace)], at_end, transactions, edges)


def _unseen(
    name: Any, key: _Key, last: int | None, at_end: list[int], transactions: Transactions, edges: Edges
) -> None:
    """Committed appends that no read shows come after every version that was read.

    Where both sides are many, those are taken that are most likely to contradict: the earliest unseen appends to
    return and the latest readers to be called.
    """
    live = transactions.live
    in_trace = set(key.trace)
    unseen = {
        number: element
        for element, number in key.writer.items()
        if element not in in_trace and live[number].known_reads
    }
    if not unseen:
        return
    earliest = sorted(unseen, key=lambda number: live[number].operation.return_ns or 0)
    latest = sorted(at_end, key=lambda number: -live[number].operation.call_ns)
    if len(earliest) * len(latest) > MAX_UNSEEN_PAIRS**2:
        earliest, latest = earliest[:MAX_UNSEEN_PAIRS], latest[:MAX_UNSEEN_PAIRS]
    for number in earliest:
        element = unseen[number]
        if last is not None:
            edges.add(key.writer[key.trace[last]], number, Kind.WW, name, key.trace[last], element)
        for reader in latest:
            edges.add(reader, number, Kind.RW, name, None, element)
