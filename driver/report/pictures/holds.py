"""Locks: who held each when, with the times of two holders marked. Leases: what was promised, and what reads found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raftmon.driver.checkers.findings import Findings
from raftmon.driver.checkers.lock import Hold, holds_of
from raftmon.driver.histories.model import freeze
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.driver.report.pictures.frame import Frame, examples_of, frame_of

__all__ = ["lease_picture", "lock_picture"]

_MOST_LOCKS, _MOST_HOLDS, _MOST_PROCESSES = 3, 300, 14
_MOST_LEASES, _MOST_READS = 12, 300
_NS = 1_000_000_000


def lock_picture(operations: Sequence[Operation], result: Mapping[str, Any], zero_ns: int | None) -> str:
    """A picture for each of the first locks, those that findings are about first."""
    examples = examples_of(result)
    locks: dict[Any, list[Operation]] = {freeze(one.get("key")): [] for one in examples}
    for operation in operations:
        if operation.f in ("acquire", "release", "guarded"):
            locks.setdefault(freeze(operation.key), []).append(operation)
    drawn = [_lock(mine, [e for e in examples if freeze(e.get("key")) == key], zero_ns) for key, mine in locks.items()]
    shown = [one for one in drawn if one]
    more = (
        f'<p class="hint">{len(shown) - _MOST_LOCKS} more locks are not drawn.</p>' if len(shown) > _MOST_LOCKS else ""
    )
    return "".join(shown[:_MOST_LOCKS]) + more


def _lock(operations: Sequence[Operation], examples: Sequence[Mapping[str, Any]], zero_ns: int | None) -> str:
    holds = holds_of(operations, Findings(), expires=any(one.f == "guarded" for one in operations))
    total = len(holds)
    if total > _MOST_HOLDS:
        first_ns = min((at for one in examples if isinstance(at := one.get("at_ns"), int)), default=holds[0].start_ns)
        place = sum(hold.start_ns < first_ns for hold in holds)
        start = max(0, min(place - _MOST_HOLDS // 2, total - _MOST_HOLDS))
        holds = holds[start : start + _MOST_HOLDS]
    frame = frame_of([one for hold in holds for one in hold.operations], zero_ns)
    if frame is None:
        return ""
    rows: dict[int, float] = {}
    bad = {index for example in examples for index in example.get("operations") or ()}
    for process in sorted({hold.acquire.process for hold in holds})[:_MOST_PROCESSES]:
        rows[process] = frame.row(f"process {process}")
    for hold in holds:
        if hold.acquire.process in rows:
            _hold(frame, rows[hold.acquire.process], hold, bad)
    for example in examples:
        from_ns, to_ns = example.get("start_ns"), example.get("stop_ns")
        if example.get("name") == "overlap" and isinstance(from_ns, int) and from_ns < frame.axis.end_ns:
            until_ns = min(to_ns, frame.axis.end_ns) if isinstance(to_ns, int) else frame.axis.end_ns
            frame.band(from_ns, until_ns, str(example.get("sentence")))
    shown = "" if total == len(holds) else f", {len(holds)} of them drawn"
    trouble = ", red bands: two holders" if any(one.get("name") == "overlap" for one in examples) else ""
    return frame.svg(
        f"lock {operations[0].key if operations else ''}: {total} times held{shown}",
        f"bars: certainly held; numbers: tokens; faint: asking or unreleased{trouble}",
    )


def _hold(frame: Frame, y: float, hold: Hold, bad: set[Any]) -> None:
    who = f"process {hold.acquire.process}" + (f" at {hold.acquire.node}" if hold.acquire.node else "")
    token = "" if hold.acquire.value is None else str(hold.acquire.value)
    stop_ns = min(hold.stop_ns, frame.axis.end_ns)
    frame.bar(y, hold.acquire.call_ns, hold.start_ns, "asking", f"{who} asks for the lock")
    kind = "wrong" if hold.acquire.index in bad else "held"
    released = "" if hold.release is not None else ", never released"
    frame.bar(y, hold.start_ns, stop_ns, kind, f"{who} holds the lock, token {token or 'none'}{released}", token)


def lease_picture(operations: Sequence[Operation], result: Mapping[str, Any], zero_ns: int | None) -> str:
    """Each lease a row: the time promised, renewals, the revoke, and what reads of its key found."""
    examples = examples_of(result)
    bad = {(example.get("operations") or [None])[-1] for example in examples}  # what came against the promise is last
    leases = [one for one in operations if one.f == "grant" and one.outcome is Outcome.OK]
    keys = {
        freeze((one.extra or {}).get("lease")): freeze(one.key) for one in operations if one.f == "attach" and one.extra
    }
    wrong = {freeze(one.get("key")) for one in examples}
    leases.sort(key=lambda one: freeze(one.key) not in wrong and keys.get(freeze(one.key)) not in wrong)
    drawn = leases[:_MOST_LEASES]
    ids = {freeze(one.key) for one in drawn} | {keys.get(freeze(one.key)) for one in drawn} - {None}
    mine = [one for one in operations if freeze(one.key) in ids]
    frame = frame_of(mine, zero_ns, _ends(mine))
    if frame is None:
        return ""
    for grant in drawn:
        _lease(frame, grant, keys.get(freeze(grant.key)), mine, bad)
    shown = "" if len(drawn) == len(leases) else f", {len(drawn)} drawn, odd ones first"
    return frame.svg(
        f"{len(leases)} {'lease' if len(leases) == 1 else 'leases'}{shown}",
        "bars: the life that was promised; lines: renewals and revokes; filled: the key was there, hollow: gone, "
        "cross: against the promise",
    )


def _ends(operations: Sequence[Operation]) -> list[int]:
    """Until when the drawn leases' last promise may be shown: at most a third more than what was seen."""
    calls = [one.call_ns for one in operations]
    spans = [
        one.call_ns + int(one.value * _NS)
        for one in operations
        if one.f in ("grant", "keepalive") and isinstance(one.value, int | float)
    ]
    return [min(max(spans), max(calls) + (max(calls) - min(calls)) // 3)] if spans and calls else []


def _lease(frame: Frame, grant: Operation, key: Any, operations: Sequence[Operation], bad: set[Any]) -> None:
    y = frame.row(f"lease {grant.key}")
    for from_ns, until_ns in _promised(grant, operations):
        frame.bar(y, from_ns, min(until_ns, frame.axis.end_ns), "held", f"alive for {(until_ns - from_ns) / 1e9:.3f} s")
    reads = 0
    for one in operations:
        name, at_ns = freeze(one.key), one.return_ns or one.call_ns
        if one.outcome is not Outcome.OK:
            continue
        if name == freeze(grant.key) and one.f in ("keepalive", "revoke"):
            gone = one.f == "keepalive" and not one.value
            said = "keepalive answered: the lease is gone" if gone else f"{one.f} {one.value or ''}"
            frame.mark(y, at_ns, "bad" if one.index in bad else "at", said)
        elif key is not None and name == key and one.f == "read" and reads < _MOST_READS:
            reads += 1
            shape = "bad" if one.index in bad else "no" if one.value is None else "yes"
            frame.mark(y, at_ns, shape, f"read: {'gone' if one.value is None else one.value}")


def _promised(grant: Operation, operations: Sequence[Operation]) -> list[list[int]]:
    """[from, until] of the times in which the lease was promised to live, by calls and times to live."""
    found: list[list[int]] = []
    for one in operations:
        renews = one.f in ("grant", "keepalive") and freeze(one.key) == freeze(grant.key) and one.outcome is Outcome.OK
        if renews and isinstance(one.value, int | float) and one.value:
            until_ns = one.call_ns + int(one.value * _NS)
            if found and one.call_ns <= found[-1][1]:
                found[-1][1] = max(found[-1][1], until_ns)
            else:
                found.append([one.call_ns, until_ns])
    return found
