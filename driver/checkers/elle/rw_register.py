"""Transactions that read and write registers: their version orders must be inferred (Elle, section 4).

Every value is written to a key at most once, so a value names its writer. A key's versions are ordered by: null comes
first; a transaction that read v and then wrote w puts v before w; and, where the user vouches for it, real time or
process order on each key (``linearizable_keys``, ``sequential_keys``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.checkers.elle.anomalies import Anomalies, Anomaly
from raftmon.driver.checkers.elle.graph import Edges, Kind
from raftmon.driver.checkers.elle.ordering import process_edges, realtime_pairs
from raftmon.driver.checkers.elle.transactions import WRITE, Transactions, show
from raftmon.driver.checkers.elle.versions import first_cycle, without_implied

__all__ = ["analyse_rw_register"]

MAX_INITIAL_PAIRS = 400  # on each side: readers of null x first known versions


@dataclass(slots=True)
class _Key:
    """All that is known of one key."""

    writer: dict[Any, int] = field(default_factory=dict)  # value -> live transaction
    aborted: dict[Any, int] = field(default_factory=dict)  # value -> aborted transaction
    intermediate: set[Any] = field(default_factory=set)  # values that their own transaction overwrote
    readers: dict[Any, list[int]] = field(default_factory=dict)  # value -> transactions that read it from outside
    touched: dict[int, list[Any]] = field(default_factory=dict)  # transaction -> [first version, last version]
    order: dict[Any, set[Any]] = field(default_factory=dict)  # value -> later values


def analyse_rw_register(
    transactions: Transactions, found: Anomalies, *, linearizable_keys: bool = False, sequential_keys: bool = False
) -> Edges:
    """Finds all that needs no cycle (into ``found``), and returns the dependencies.

    Names: duplicate-writes (an assumption broken, not an anomaly), internal, garbage-read, G1a, G1b, dirty-update,
    lost-update, cyclic-versions.
    """
    keys = _gather(transactions, found)
    edges = Edges()
    operations = [transaction.operation for transaction in transactions.live]
    for name, key in keys.items():
        _read_uncommitted(name, key, transactions, found)
        _lost_updates(name, key, transactions, found)
        if linearizable_keys:
            _order_by(key, realtime_pairs(operations, sorted(key.touched)))
        if sequential_keys:
            touching = sorted(key.touched)
            source, target = process_edges([operations[number] for number in touching])
            _order_by(key, ([touching[s] for s in source], [touching[t] for t in target]))
        cycle = first_cycle(key.order)
        if cycle:
            text = " before ".join(map(show, cycle))
            sentence = f"the versions of {show(name)} have no order: {text}"
            numbers = tuple(dict.fromkeys(key.writer[value] for value in cycle if value in key.writer))
            found.add(Anomaly("cyclic-versions", sentence, numbers, key=name))
            key.order = {}
        _dependencies(name, key, transactions, edges)
    return edges


def _gather(transactions: Transactions, found: Anomalies) -> dict[Any, _Key]:
    keys: dict[Any, _Key] = {}
    for number, aborted in enumerate(transactions.aborted):
        for f, name, value in aborted.micro:
            if f == WRITE:
                keys.setdefault(name, _Key()).aborted[value] = number
    for number, transaction in enumerate(transactions.live):
        current: dict[Any, Any] = {}  # key -> what a read must show now
        own: dict[Any, Any] = {}  # key -> the last value written here
        for f, name, value in transaction.micro:
            key = keys.get(name)
            if key is None:
                key = keys[name] = _Key()
            if f == WRITE:
                _written(number, name, key, value, own, found)
                if name in current and name not in own and current[name] != value:
                    key.order.setdefault(current[name], set()).add(value)
                own[name] = current[name] = value
            elif transaction.known_reads:
                if name not in current:
                    key.readers.setdefault(value, []).append(number)
                elif current[name] != value:
                    sentence = (
                        f"read {show(name)} as {show(value)} where its own earlier steps imply {show(current[name])}"
                    )
                    found.add(Anomaly("internal", sentence, (number,), key=name))
                current[name] = value
            else:
                continue
            span = key.touched.setdefault(number, [value, value])
            span[1] = current[name]
    return keys


def _written(number: int, name: Any, key: _Key, value: Any, own: dict[Any, Any], found: Anomalies) -> None:
    if value in key.writer or value in key.aborted or value is None:
        sentence = f"{show(value)} was written to {show(name)} more than once, so its writer cannot be told"
        if value is None:
            sentence = f"null was written to {show(name)}, which cannot be told from the initial state"
        found.add(Anomaly("duplicate-writes", sentence, (number, key.writer.get(value, number)), key=name))
    key.writer[value] = number
    if name in own:
        key.intermediate.add(own[name])
        key.order.setdefault(own[name], set()).add(value)


def _read_uncommitted(name: Any, key: _Key, transactions: Transactions, found: Anomalies) -> None:
    for value, readers in key.readers.items():
        if value in key.intermediate:
            outside = [number for number in readers if number != key.writer[value]]
            if outside:
                sentence = f"read {show(name)} as {show(value)}, which its transaction had overwritten before it ended"
                found.add(Anomaly("G1b", sentence, (key.writer[value], outside[0]), key=name))
        if value in key.writer:
            if key.writer[value] in readers:
                sentence = f"read {show(name)} as {show(value)}, which it wrote only afterwards"
                found.add(Anomaly("internal", sentence, (key.writer[value],), key=name))
            continue
        if value is None:
            continue
        if value not in key.aborted:
            sentence = f"read {show(name)} as {show(value)}, which nobody wrote"
            found.add(Anomaly("garbage-read", sentence, (readers[0],), key=name))
            continue
        sentence = f"read {show(name)} as {show(value)}, whose write certainly failed"
        found.add(Anomaly("G1a", sentence, (readers[0],), (key.aborted[value],), name))
        writers = set(key.writer.values())
        for number in readers:
            if number in writers and transactions.live[number].known_reads:
                sentence = f"wrote {show(name)} after reading {show(value)}, whose write certainly failed"
                found.add(Anomaly("dirty-update", sentence, (number,), (key.aborted[value],), name))
                break


def _lost_updates(name: Any, key: _Key, transactions: Transactions, found: Anomalies) -> None:
    writers = {number for number in key.writer.values() if transactions.live[number].known_reads}
    for value, readers in key.readers.items():
        both = [number for number in readers if number in writers]
        if len(both) > 1:
            sentence = f"{len(both)} transactions read {show(name)} as {show(value)}, and each wrote it"
            found.add(Anomaly("lost-update", sentence, tuple(both[:5]), key=name))


def _order_by(key: _Key, pairs: tuple[list[int], list[int]]) -> None:
    """What ran first on this key has the earlier version."""
    for source, target in zip(*pairs, strict=True):
        earlier, later = key.touched[source][1], key.touched[target][0]
        if earlier != later and later is not None:
            key.order.setdefault(earlier, set()).add(later)
        elif later is None and earlier is not None:  # null came back: let the cycle show it
            key.order.setdefault(earlier, set()).add(None)
            key.order.setdefault(None, set()).add(earlier)


def _dependencies(name: Any, key: _Key, transactions: Transactions, edges: Edges) -> None:
    for value, readers in key.readers.items():
        writer = key.writer.get(value)
        if writer is not None:
            for number in readers:
                edges.add(writer, number, Kind.WR, name, value, None)
    order = without_implied(key.order)
    followed = {value for later in order.values() for value in later}
    for earlier, laters in order.items():
        for later in laters:
            target = key.writer.get(later)
            if target is None or earlier is None:
                continue
            source = key.writer.get(earlier)
            if source is not None:
                edges.add(source, target, Kind.WW, name, earlier, later)
            for number in key.readers.get(earlier, ()):
                edges.add(number, target, Kind.RW, name, earlier, later)
    live = transactions.live
    initial = sorted(key.readers.get(None, ()), key=lambda number: -live[number].operation.call_ns)
    observed = key.readers.keys() | followed
    first = [
        (number, value)
        for value, number in key.writer.items()
        if (value not in followed or value in order.get(None, ())) and (live[number].known_reads or value in observed)
    ]
    first.sort(key=lambda pair: live[pair[0]].operation.return_ns or 0)
    if len(initial) * len(first) > MAX_INITIAL_PAIRS**2:
        initial, first = initial[:MAX_INITIAL_PAIRS], first[:MAX_INITIAL_PAIRS]
    for writer, value in first:
        for number in initial:
            edges.add(number, writer, Kind.RW, name, None, value)
