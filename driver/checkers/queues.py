"""Queues: ``enqueue``, ``dequeue`` and ``drain``, in FIFO order or in any.

``Queue(order="fifo")`` is exact in O(n log n) where values are unique and every dequeue ended (``fifo.py``), and else
searches for a linearization. ``Queue(order="any")`` judges an unordered queue (a bag) with
unique values exactly, in O(n log n): every dequeue needs its enqueue before it, no value comes twice, and an empty
answer needs a moment in its interval at which no value was certainly inside. (The intervals are those of Abdulla, Atig,
Godbole, Krishna and Vahanwala, "Efficient linearizability monitoring", PLDI 2025.)

A ``drain`` is a number of dequeues, each somewhere in its interval, as in Jepsen's ``total-queue``. A dequeue that
succeeded with null, or failed with no error or the error ``empty``, found the queue empty.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from raftmon.driver.checkers.base import ONLY_IF, Result, Valid
from raftmon.driver.checkers.fifo import Pair, overtaken
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.checkers.search.linearizable import Linearizable
from raftmon.driver.checkers.search.models import FifoQueue
from raftmon.driver.histories.model import NEVER, History, freeze
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.setup.errors import InputError

__all__ = ["ORDERS", "Queue", "TotalQueue", "expand_drains", "judged_as_bag", "needs_search", "pairs_of"]

ORDERS = ("fifo", "any")
FUNCTIONS = frozenset(("enqueue", "dequeue", "drain"))


def expand_drains(operations: Iterable[Operation]) -> list[Operation]:
    """Each drain as its dequeues; a failed dequeue whose error is ``empty`` as one that found nothing."""
    found = []
    for operation in operations:
        if operation.f == "drain":
            taken = operation.value if isinstance(operation.value, (list, tuple)) else ()
            if operation.outcome is not Outcome.FAIL:
                found += [dataclasses.replace(operation, f="dequeue", value=value) for value in taken]
        elif operation.f == "dequeue" and operation.outcome is Outcome.FAIL and _says_empty(operation.error):
            found.append(dataclasses.replace(operation, error=None))
        else:
            found.append(operation)
    return found


def _says_empty(error: str | None) -> bool:
    return error is not None and error.strip(":'\" ").lower() in ("empty", "exhausted")


class Queue:
    """``order`` is ``fifo`` or ``any``; raises InputError for another. ``details`` (any): ``anomalies``, ``examples``,
    ``enqueued``, ``dequeued``, ``unaccounted`` (acknowledged and not seen again: still inside, or lost).
    """

    stops_by_itself = True

    def __init__(self, order: str = "fifo") -> None:
        if order not in ORDERS:
            raise InputError(f"a queue has no order {order!r} (available: {', '.join(ORDERS)})")
        self.order = order
        self._search = Linearizable(FifoQueue())
        self.name = "fifo-queue" if order == "fifo" else "unordered-queue"

    def limited(self, timeout_s: float | None, memory_mb: float | None) -> Queue:
        """A copy whose search, where one is needed, has these limits."""
        made = copy.copy(self)
        made._search = self._search.limited(timeout_s, memory_mb)
        return made

    def explaining(self, explain_s: float) -> Queue:
        """A copy that may take so long to make a counterexample small."""
        made = copy.copy(self)
        made._search = self._search.explaining(explain_s)
        return made

    def check(self, history: History) -> Result:
        """Judge the whole history as one queue a key."""
        endless = [one for one in history.operations if one.f == "drain" and one.outcome is Outcome.INFO]
        shown = History(expand_drains(history.operations), problems=history.problems, meta=history.meta)
        if self.order == "fifo":
            result = self._fifo(shown)
            if result.valid is Valid.NO:
                result.sentence += " (as a FIFO queue: --checker queue:order=any judges it without regard to the order)"
        else:
            result = judged_as_bag(self.name, shown)
        if result.valid is Valid.NO and self._only_failures_say_empty(history):
            result.details[ONLY_IF] = (
                "dequeues failed as if the queue were empty while values were inside, and a queue whose dequeues may "
                "fail so (Jepsen's total-queue) is otherwise in order: name the checker if that is not allowed "
                "(--checker queue)"
            )
        if endless and result.valid is Valid.NO:
            result.valid = Valid.UNKNOWN
            result.sentence = (
                f"unknown: {len(endless)} drains never ended, and nobody knows what they took. Without them it would "
                f"be: {result.sentence}"
            )
        return result

    def _only_failures_say_empty(self, history: History) -> bool:
        """Whether all is well without the dequeues that failed."""
        kept = [one for one in history.operations if one.f != "dequeue" or one.outcome is not Outcome.FAIL]
        if len(kept) == len(history):
            return False
        shown = History(expand_drains(kept), problems=history.problems, meta=history.meta)
        again = self._fifo(shown) if self.order == "fifo" else judged_as_bag(self.name, shown)
        return again.valid is Valid.YES

    def _fifo(self, history: History) -> Result:
        """In polynomial time where values are unique and every dequeue ended; else by search."""
        if any(map(needs_search, history.by_key().values())):
            return replace(self._search, name=self.name).check(history)
        result = judged_as_bag(self.name, history)
        details = {**result.details, "model": "fifo-queue"}
        if result.valid is Valid.NO:
            return replace(result, details=details)
        found = Findings()
        for operations in history.by_key().values():
            pair = overtaken(pairs_of(operations))
            if pair is not None:
                behind, before = ([one for one in part if one is not None] for part in pair)
                what = "is still inside" if pair[0][1] is None else "was dequeued after it"
                found.add(
                    "overtaken",
                    f"{before[0].value!r} was enqueued after {behind[0].value!r}, and dequeued while that {what}",
                    [*behind, *before],
                    key=before[0].key,
                )
        good = f"valid: {len(history)} operations are linearizable as fifo-queue"
        return found.result(self.name, good=good, details=details)


class TotalQueue(Queue):
    """Jepsen's ``total-queue``: once the queue was drained, every acknowledged value must have come out.

    As ``Queue("any")``; besides, what is unaccounted for is *lost* where every drain and dequeue ended and the queue
    was drained after the last enqueue. A dequeue that failed says nothing, not even that the queue was empty.
    """

    def __init__(self) -> None:
        super().__init__("any")
        self.name = "total-queue"

    def check(self, history: History) -> Result:
        """Judge, and count what the drains did not bring."""
        kept = [one for one in history.operations if one.f != "dequeue" or one.outcome is not Outcome.FAIL]
        result = super().check(History(kept, problems=history.problems, meta=history.meta))
        missing = result.details["unaccounted"]
        if result.valid is not Valid.YES or not missing:
            return result
        puts = [one for one in history.operations if one.f == "enqueue" and one.outcome is not Outcome.FAIL]
        takes = [one for one in history.operations if one.f != "enqueue"]
        last_put = max((_end(one) for one in puts if one.outcome is Outcome.OK), default=0)
        drained = any(one.f == "drain" and one.outcome is Outcome.OK and one.call_ns > last_put for one in takes)
        unended = sum(one.outcome is Outcome.INFO for one in takes)
        named = ", ".join(map(repr, missing[:5])) + (", …" if len(missing) > 5 else "")
        if drained and not unended:
            result.valid = Valid.NO
            result.sentence = f"lost {len(missing)} acknowledged values that no dequeue or drain brought: {named}"
        else:
            why = f"{unended} dequeues never ended" if unended else "the queue was not drained after the last enqueue"
            result.valid = Valid.UNKNOWN
            result.sentence = f"unknown: {why}, so {len(missing)} values may be inside or lost: {named}"
        return result


def needs_search(operations: Iterable[Operation]) -> bool:
    """Whether a queue's values are not unique, or a dequeue may have taken nobody knows what."""
    values = [freeze(one.value) for one in operations if one.f == "enqueue" and one.outcome is not Outcome.FAIL]
    endless = any(one.f == "dequeue" and one.outcome is Outcome.INFO for one in operations)
    return endless or len(set(values)) < len(values)


def pairs_of(operations: Iterable[Operation]) -> list[Pair]:
    """Each enqueue that may have happened with the dequeue of its value."""
    listed = list(operations)
    takes = {
        freeze(one.value): one
        for one in listed
        if one.f == "dequeue" and one.outcome is Outcome.OK and one.value is not None
    }
    return [
        (one, takes.get(freeze(one.value))) for one in listed if one.f == "enqueue" and one.outcome is not Outcome.FAIL
    ]


def judged_as_bag(name: str, history: History) -> Result:
    """Values come out that went in, each once and not too early, and none is inside when it is found empty."""
    found = Findings()
    enqueued = dequeued = 0
    unaccounted: list[Any] = []
    doubtful = ""
    for operations in history.by_key().values():
        puts: dict[Any, list[Operation]] = defaultdict(list)
        takes: dict[Any, list[Operation]] = defaultdict(list)
        empties, unknown_takes = [], 0
        for one in operations:
            if one.f == "enqueue" and one.outcome is not Outcome.FAIL:
                puts[freeze(one.value)].append(one)
                enqueued += one.outcome is Outcome.OK
            elif one.f == "dequeue":
                if one.outcome is Outcome.INFO:
                    unknown_takes += 1
                elif one.outcome is Outcome.OK and one.value is not None:
                    takes[freeze(one.value)].append(one)
                    dequeued += 1
                elif one.outcome is Outcome.OK or one.error is None:
                    empties.append(one)
        for value, taken in takes.items():
            _matched(taken, puts.get(value, []), found)
        repeated = any(len(ops) > 1 for ops in puts.values())
        if empties and (repeated or unknown_takes):
            doubtful = "a dequeue found the queue empty, and values were enqueued twice or dequeues never ended"
        elif empties:
            _empty(empties, puts, takes, found)
        unaccounted += [
            one.value
            for value, ops in puts.items()
            for one in ops[len(takes.get(value, ())) :]
            if one.outcome is Outcome.OK
        ]
    return found.result(
        name,
        good=f"{dequeued} of {enqueued} acknowledged values were dequeued, each once and none before it was enqueued; "
        f"{len(unaccounted)} were not seen again",
        details={"enqueued": enqueued, "dequeued": dequeued, "unaccounted": unaccounted[:100]},
        unknown=doubtful or None,
    )


def _matched(taken: list[Operation], put: list[Operation], found: Findings) -> None:
    """Each dequeue of one value needs its own enqueue that began before it ended."""
    if len(taken) > len(put):
        what = "which nobody enqueued" if not put else f"more often than it was enqueued ({len(taken)} of {len(put)})"
        found.add("unexpected" if not put else "duplicate", f"{taken[0].value!r} was dequeued, {what}", [*put, *taken])
        return
    ends = sorted(taken, key=_end)
    begins = sorted(put, key=lambda one: one.call_ns)
    for take, enqueue in zip(ends, begins, strict=False):
        if _end(take) < enqueue.call_ns:
            found.add("too-early", f"{take.value!r} was dequeued before it was enqueued", [take, enqueue])
            return


def _end(operation: Operation) -> int:
    return NEVER if operation.return_ns is None or operation.outcome is Outcome.INFO else operation.return_ns


def _empty(
    empties: list[Operation],
    puts: dict[Any, list[Operation]],
    takes: dict[Any, list[Operation]],
    found: Findings,
) -> None:
    """An empty answer needs a moment in its interval at which no value was certainly inside (unique values)."""
    inside = []
    for value, (put, *_) in puts.items():
        taken = takes.get(value)
        begin, end = _end(put), (taken[0].call_ns if taken else NEVER)
        if begin < end:
            inside.append((begin, end, put))
    inside.sort(key=lambda row: row[:2])
    merged: list[tuple[int, int, Operation]] = []
    for begin, end, put in inside:  # open intervals: two that only touch leave the moment between them
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]), merged[-1][2])
        else:
            merged.append((begin, end, put))
    for one in empties:
        for begin, end, put in merged:
            if begin < one.call_ns and _end(one) < end:
                sentence = f"a dequeue found it empty though {put.value!r} or what followed was certainly inside"
                found.add("empty", sentence, [put, one])
                break
