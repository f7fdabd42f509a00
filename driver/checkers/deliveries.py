"""What a message broker promises: ``Deliveries`` (nothing lost, nothing invented) and ``DeliveryOrder`` (FIFO).

Both judge ``enqueue``, ``dequeue`` and ``drain`` with unique values, in O(n log n), as one queue a key.

- *lost*: an acknowledged value that nobody was given, although a whole drain after every enqueue found the queue empty.
  A value that a dequeue of unknown outcome may have taken cannot be told from a lost one: they are counted against each
  other.
- *unexpected*: a value that nobody enqueued, or whose enqueue certainly failed.
- *too-early*: a value delivered before its enqueue began.
- *duplicate*: a value delivered twice where at most once was promised (``at_most_once``), or twice without the broker's
  word that it was *redelivered*.
- *recovered* (harmless): a value whose enqueue had an unknown outcome, delivered. *redelivered* (harmless).
- *order*: b was delivered before a first was, although a's enqueue had returned before b's began.

After Jepsen's ``total-queue``; AMQP 0-9-1 on ``redelivered`` and on order (4.7, "Message Ordering Guarantees").
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.histories.model import NEVER, History, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Deliveries", "DeliveryOrder"]


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One value given to somebody. A drain's may have come at any time of it."""

    operation: Operation
    value: Any
    redelivered: bool
    at_most_once: bool
    place: int = 0

    @property
    def end_ns(self) -> int:
        return NEVER if self.operation.return_ns is None else self.operation.return_ns


def _deliveries(operations: list[Operation]) -> list[_Delivery]:
    found = []
    for one in operations:
        if one.outcome is not Outcome.OK or one.f not in ("dequeue", "drain"):
            continue
        extra = one.extra or {}
        once = bool(extra.get("at_most_once"))
        if one.f == "dequeue":
            if one.value is not None:
                found.append(_Delivery(one, one.value, bool(extra.get("redelivered")), once))
            continue
        marked = extra.get("redelivered")
        again = {freeze(value) for value in marked} if isinstance(marked, list) else set()
        values = one.value if isinstance(one.value, list | tuple) else ()
        found += [_Delivery(one, value, freeze(value) in again, once, place) for place, value in enumerate(values)]
    return found


def _whole_drains(operations: list[Operation]) -> list[Operation]:
    """Drains that found the queue empty at last (Jepsen's have no field ``whole`` and always do)."""
    return [
        one
        for one in operations
        if one.f == "drain" and one.outcome is Outcome.OK and (one.extra or {}).get("whole", True)
    ]


class Deliveries:
    """``details``: ``anomalies``, ``examples``, ``enqueued``, ``delivered``, ``lost``."""

    name = "deliveries"

    def check(self, history: History) -> Result:
        """Judge the whole history as one queue a key."""
        found = Findings()
        totals = {"enqueued": 0, "delivered": 0, "lost": 0, "maybe_taken": 0}
        unknown = None
        for key, operations in history.by_key().items():
            unknown = self._one(key, operations, found, totals) or unknown
        again = found.counts.get("redelivered", 0)
        return found.result(
            self.name,
            good=f"{totals['enqueued']} acknowledged values, none lost, none invented; {totals['delivered']} "
            f"deliveries, {again} of them redelivered and marked so",
            details=totals,
            harmless=("recovered", "redelivered"),
            unknown=unknown,
        )

    def _one(self, key: Any, operations: list[Operation], found: Findings, totals: dict[str, int]) -> str | None:
        puts: dict[Any, list[Operation]] = defaultdict(list)
        for one in operations:
            if one.f == "enqueue":
                puts[freeze(one.value)].append(one)
        takes: dict[Any, list[_Delivery]] = defaultdict(list)
        for delivery in _deliveries(operations):
            takes[freeze(delivery.value)].append(delivery)
        for value, given in takes.items():
            self._delivered(key, puts.get(value, []), given, found)
            totals["delivered"] += len(given)
        acknowledged = [ops for ops in puts.values() if any(one.outcome is Outcome.OK for one in ops)]
        totals["enqueued"] += len(acknowledged)
        missing = [ops[0] for ops in acknowledged if freeze(ops[0].value) not in takes]
        return self._missing(key, operations, missing, found, totals)

    def _delivered(self, key: Any, put: list[Operation], given: list[_Delivery], found: Findings) -> None:
        first = min(given, key=lambda one: one.end_ns)
        possible = [one for one in put if one.outcome is not Outcome.FAIL]
        involved = [*put, *(one.operation for one in given)]
        if not possible:
            what = "whose enqueue certainly failed" if put else "which nobody enqueued"
            found.add("unexpected", f"{first.value!r} was delivered, {what}", involved, key=key)
            return
        if first.end_ns < min(one.call_ns for one in possible):
            found.add("too-early", f"{first.value!r} was delivered before it was enqueued", involved, key=key)
        if all(one.outcome is not Outcome.OK for one in possible):
            found.add("recovered", f"{first.value!r} was enqueued with an unknown outcome, and delivered", involved)
        if len(given) <= len(possible):
            return
        if any(one.at_most_once for one in given):
            sentence = f"{first.value!r} was delivered {len(given)} times, where at most once was promised"
            found.add("duplicate", sentence, involved, key=key)
        elif sum(not one.redelivered for one in given) > len(possible):
            sentence = f"{first.value!r} was delivered {len(given)} times, and the broker did not say so"
            found.add("duplicate", sentence, involved, key=key)
        else:
            found.add("redelivered", f"{first.value!r} was delivered {len(given)} times, marked redelivered", involved)

    def _missing(
        self, key: Any, operations: list[Operation], missing: list[Operation], found: Findings, totals: dict[str, int]
    ) -> str | None:
        """What was acknowledged and never delivered: lost, perhaps taken, or nobody knows."""
        if not missing:
            return None
        last_ns = max(one.return_ns or NEVER for one in missing)
        drained = [one for one in _whole_drains(operations) if one.call_ns >= last_ns]
        if not drained:
            return f"{len(missing)} acknowledged values of {key} were not delivered, and no whole drain came after them"
        once = any((one.extra or {}).get("at_most_once") for one in operations if one.f in ("dequeue", "drain"))
        maybe = sum(one.outcome is Outcome.INFO for one in operations if one.f in ("dequeue", "drain"))
        if once and maybe:
            endless = any(one.outcome is Outcome.INFO for one in operations if one.f == "drain")
            totals["maybe_taken"] += len(missing) if endless else min(maybe, len(missing))
            if endless or len(missing) <= maybe:
                return None
            missing = missing[: len(missing) - maybe] if maybe < len(missing) else missing
        totals["lost"] += len(missing)
        for one in missing:
            sentence = f"{one.value!r} was acknowledged and never delivered; a drain at the end found the queue empty"
            found.add("lost", sentence, [one, drained[0]], key=key)
        return None


class DeliveryOrder:
    """First deliveries follow the order of enqueues in real time. Redelivered values may come at any time.

    ``details``: ``anomalies``, ``examples``, ``compared`` (values whose order was looked at).
    """

    name = "delivery-order"

    def check(self, history: History) -> Result:
        """Judge the whole history as one queue a key."""
        found = Findings()
        compared = 0
        for key, operations in history.by_key().items():
            compared += self._one(key, operations, found)
        return found.result(
            self.name,
            good=f"{compared} values were delivered in the order in which they were enqueued",
            details={"compared": compared},
        )

    def _one(self, key: Any, operations: list[Operation], found: Findings) -> int:
        deliveries = _deliveries(operations)
        again = {freeze(one.value) for one in deliveries if one.redelivered}
        given: dict[Any, _Delivery] = {}
        for one in deliveries:
            value = freeze(one.value)
            if value not in given or one.end_ns < given[value].end_ns:
                given[value] = one
        rows = [
            (one, given[value])
            for one in operations
            if one.f == "enqueue" and one.outcome is Outcome.OK
            if (value := freeze(one.value)) in given and value not in again
        ]
        # For each b, of all a whose enqueue returned before b's began, the one that was delivered last.
        by_return = sorted(rows, key=lambda row: row[0].return_ns or NEVER)
        at, last = 0, None
        for put, delivery in sorted(rows, key=lambda row: row[0].call_ns):
            while at < len(by_return) and (by_return[at][0].return_ns or NEVER) < put.call_ns:
                if last is None or _later(by_return[at][1], last[1]):
                    last = by_return[at]
                at += 1
            if last is not None and _before(delivery, last[1]):
                sentence = (
                    f"{put.value!r} was delivered before {last[0].value!r}, though {last[0].value!r} had been "
                    f"acknowledged before {put.value!r} was sent"
                )
                involved = [put, last[0], delivery.operation, last[1].operation]
                found.add("order", sentence, involved, key=key)
        return len(rows)


def _before(one: _Delivery, other: _Delivery) -> bool:
    """Whether one certainly came before the other."""
    if one.operation is other.operation:
        return one.place < other.place
    return one.end_ns < other.operation.call_ns


def _later(one: _Delivery, other: _Delivery) -> bool:
    return (one.operation.call_ns, one.place) > (other.operation.call_ns, other.place)
