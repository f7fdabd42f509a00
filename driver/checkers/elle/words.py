"""A cycle in words: each step says what one transaction saw or missed of the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raftmon.driver.checkers.elle.anomalies import Anomaly
from raftmon.driver.checkers.elle.cycles import Cycle
from raftmon.driver.checkers.elle.graph import Frozen, Kind, Reason
from raftmon.driver.checkers.elle.transactions import READ, Transaction, Transactions, show

__all__ = ["cycle_anomaly", "name_transaction"]


def name_transaction(transaction: Transaction) -> str:
    """How a sentence calls it: its index in the history, its process where it has no index."""
    operation = transaction.operation
    return (
        f"T{operation.index}" if operation.index >= 0 else f"T(process {operation.process} at {operation.call_ns} ns)"
    )


def cycle_anomaly(cycle: Cycle, graph: Frozen, reasons: Sequence[Reason], transactions: Transactions) -> Anomaly:
    """The anomaly a cycle is, with its steps as sentences."""
    live = transactions.live
    links = _joined(cycle, graph)
    steps = []
    for source, target, kind, edge in links:
        reason = reasons[edge] if kind in (Kind.WW, Kind.WR, Kind.RW) else (None, None, None)
        steps.append(_step(live[source], live[target], kind, reason))
    names = [name_transaction(live[source]) for source, _, _, _ in links]
    sentence = f"{cycle.name}: {' before '.join([*names, names[0]])}. " + "; ".join(steps)
    keys = [reasons[edge][0] for _, _, kind, edge in links if kind <= Kind.RW]
    return Anomaly(
        cycle.name,
        sentence,
        tuple(link[0] for link in links),
        key=keys[0] if keys else None,
        steps=tuple(steps),
        edges=tuple((source, target, kind.name.lower()) for source, target, kind, _ in links),
    )


def _joined(cycle: Cycle, graph: Frozen) -> list[tuple[int, int, Kind, int]]:
    """(source, target, kind, edge) for each step; real-time steps in a row are one, and so are process steps."""
    links: list[tuple[int, int, Kind, int]] = []
    for edge in cycle.edges:
        source, target, kind = int(graph.source[edge]), int(graph.target[edge]), Kind(int(graph.kind[edge]))
        if links and kind >= Kind.PROCESS and links[-1][2] == kind:
            source = links.pop()[0]
        links.append((source, target, kind, edge))
    if len(links) > 1 and links[0][2] == links[-1][2] >= Kind.PROCESS:
        source, _, kind, edge = links.pop()
        links[0] = (source, links[0][1], kind, edge)
    return links


def _step(source: Transaction, target: Transaction, kind: Kind, reason: Reason) -> str:
    a, b = name_transaction(source), name_transaction(target)
    key, earlier, later = reason
    if kind is Kind.WW:
        return f"{b} wrote {show(later)} to {show(key)} after {a}'s {show(earlier)}"
    if kind is Kind.WR:
        return f"{b} read {show(key)} as {_read_of(target, key)}, with {a}'s {show(earlier)}"
    if kind is Kind.RW:
        return f"{a} read {show(key)} as {_read_of(source, key)}, without {b}'s {show(later)}"
    if kind is Kind.PROCESS:
        return f"process {source.operation.process} ran {a} before {b}"
    gap_ns = target.operation.call_ns - (source.operation.return_ns or source.operation.call_ns)
    return f"{a} had returned {gap_ns / 1e6:.3f} ms before {b} was called"


def _read_of(transaction: Transaction, key: Any) -> str:
    for f, name, value in transaction.micro:
        if f == READ and name == key:
            return show(value)
    return "?"
