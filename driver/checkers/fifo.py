"""FIFO queues with unique values, exactly, in O(n log n).

A complete history of unique values is one of a FIFO queue exactly if it is one of a bag (``queues.py``: every dequeue
has its enqueue before it, none comes twice, an empty answer has a moment at which nothing was certainly inside) and no
value was *overtaken*: enqueued, to the end, before another's enqueue began, and dequeued (or left inside) after the
other's dequeue had ended. (Henzinger, Sezgin and Vafeiadis, CONCUR 2013; Bouajjani, Emmi, Enea and Hamza, ICALP 2015;
Abdulla, Atig, Godbole, Krishna and Vahanwala, PLDI 2025.)
"""

from __future__ import annotations

from collections.abc import Sequence

from raftmon.driver.histories.model import NEVER
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["overtaken"]

Pair = tuple[Operation, Operation | None]
"""An enqueue and the dequeue of its value, None while it is inside."""


def overtaken(pairs: Sequence[Pair]) -> tuple[Pair, Pair] | None:
    """The first pair (in order of enqueue) that overtook another: (the one left behind, the one that overtook)."""
    ended = sorted((pair for pair in pairs if _end(pair[0]) < NEVER and _counts(pair)), key=lambda pair: _end(pair[0]))
    latest: Pair | None = None  # of those enqueued so far, the one whose dequeue began last
    place = 0
    for pair in sorted(pairs, key=lambda pair: pair[0].call_ns):
        while place < len(ended) and _end(ended[place][0]) < pair[0].call_ns:
            if latest is None or _taken(ended[place]) > _taken(latest):
                latest = ended[place]
            place += 1
        if latest is not None and pair[1] is not None and _end(pair[1]) < _taken(latest):
            return latest, pair
    return None


def _counts(pair: Pair) -> bool:
    """An enqueue of unknown outcome whose value nobody saw may never have happened."""
    return pair[0].outcome is Outcome.OK or pair[1] is not None


def _taken(pair: Pair) -> int:
    return NEVER if pair[1] is None else pair[1].call_ns


def _end(operation: Operation) -> int:
    return NEVER if operation.return_ns is None or operation.outcome is Outcome.INFO else operation.return_ns
