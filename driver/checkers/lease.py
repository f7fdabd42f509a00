"""Leases: no key is gone while its lease was kept alive, and none lives long past its lease.

Operations, with a lease named by its id:
``f="grant"``, ``key`` the lease, ``value`` its time to live in seconds;
``f="keepalive"``, ``key`` the lease, ``value`` the time to live it got, in seconds (0: the lease is gone);
``f="left"``, ``key`` the lease, ``value`` the seconds that it has left (less than 0: the lease is gone);
``f="revoke"``, ``key`` the lease;
``f="attach"``, ``key`` a key, ``value`` what was written, ``extra`` ``{"lease": id}``;
``f="read"``, ``key`` a key, ``value`` what was there, null if it was gone;
any of them, ``extra`` ``{"term": t}``: the Raft term that the answer came with;
``f="write"`` or ``f="delete"`` of a key takes it from its lease: the key is not judged after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings, milliseconds
from raftmon.driver.histories.model import History, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Lease"]

SECOND_NS = 1_000_000_000
FOREVER = 2**63 - 1


@dataclass(slots=True)
class _Lease:
    """When a lease was certainly alive, and when certainly not.

    A server that confirms a renewal handled it after the call, so it promises life until at least call + time to live;
    it handled it before the return, so it promises no more than return + time to live. A renewal without an answer
    may be handled at any time: then nothing is certain about the end.
    """

    grant: Operation
    alive_until_ns: int
    dead_after_ns: int
    revokes: list[Operation] = field(default_factory=list)
    last_renewal: Operation | None = None

    @property
    def revoked_ns(self) -> int:
        """When it certainly was revoked."""
        return min((o.return_ns for o in self.revokes if o.return_ns is not None), default=FOREVER)

    @property
    def may_be_revoked_ns(self) -> int:
        """From when on it may have been."""
        return min((o.call_ns for o in self.revokes), default=FOREVER)


class _Elections:
    """When each term that answers told had certainly begun: the first return of an answer with it or a later one."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        seen = [
            (operation.return_ns, int(term))
            for operation in operations
            if operation.return_ns is not None and (term := (operation.extra or {}).get("term"))
        ]
        self.told = bool(seen)
        self._begun: list[tuple[int, int]] = []
        highest = min((term for _, term in seen), default=0)
        for return_ns, term in sorted(seen):
            if term > highest:
                self._begun.append((return_ns, term))
                highest = term

    def last_before(self, read: Operation) -> int | None:
        """The latest moment at which the last election that ``read`` knows of was over; None if it knows of none."""
        term = (read.extra or {}).get("term")
        known = [ns for ns, begun in self._begun if (begun <= term if term else ns <= (read.return_ns or FOREVER))]
        return max(known, default=None)


@dataclass(frozen=True, slots=True)
class _Lateness:
    """How long after its last possible end a lease may still be there."""

    grace_ns: int
    extend_ns: int
    elections: _Elections

    def end_ns(self, lease: _Lease, read: Operation) -> int:
        """When the lease was certainly over, by what ``read`` knows of elections; without the grace."""
        elected_ns = self.elections.last_before(read)
        if lease.dead_after_ns == FOREVER or elected_ns is None or elected_ns < lease.grant.call_ns:
            return lease.dead_after_ns
        whole_ns = int(float(lease.grant.value) * SECOND_NS) + self.extend_ns
        return max(lease.dead_after_ns, elected_ns + whole_ns)


class Lease:
    """Names: *gone-while-alive*, *outlives* (read more than ``grace_s`` after the lease's latest possible end),
    *survives-revoke*, *expired-early* (a keepalive or a question for the time left was answered "gone" while the lease
    was alive), *alive-after-revoke* (a keepalive succeeded after a revoke had), *left-too-long* (more time left than
    was granted, ``extend_s`` beside), *resurrected* (a key gone came back without a write), *duplicate-lease*.

    ``grace_s`` is how late a system may be in ending a lease: 5 s, or where answers tell their term 3 s (etcd looks for
    leases that ran out twice a second, and revokes them through Raft). A new leader of etcd gives every lease its whole
    time to live again, and ``extend_s`` beside (an election timeout; server/lease/lessor.go, ``Promote``). By the terms
    it shows when that happened, and leases may end so much later. ``details``: ``anomalies``, ``examples``, ``leases``,
    ``reads``.
    """

    stops_by_itself = True

    name = "lease"

    def __init__(self, grace_s: float | None = None, extend_s: float = 2.0) -> None:
        self._grace_s = grace_s
        self._extend_ns = int(extend_s * SECOND_NS)

    def check(self, history: History) -> Result:
        """Judge every lease of the history."""
        found = Findings()
        leases = _leases(history.operations, self._extend_ns / SECOND_NS, found)
        elections = _Elections(history.operations)
        grace_s = self._grace_s if self._grace_s is not None else 3.0 if elections.told else 5.0
        lateness = _Lateness(int(grace_s * SECOND_NS), self._extend_ns, elections)
        reads = 0
        for operations in history.by_key().values():
            reads += _check_key(operations, leases, lateness, found)
        return found.result(
            self.name,
            good=f"{reads} reads of keys under {len(leases)} leases: each there while alive, and gone in time",
            details={"leases": len(leases), "reads": reads},
            unknown=None if reads else "no key under a lease was read",
        )


def _leases(operations: Iterable[Operation], extend_s: float, found: Findings) -> dict[Any, _Lease]:
    leases: dict[Any, _Lease] = {}
    for operation in operations:
        name = freeze(operation.key)
        if operation.f == "grant" and operation.outcome is Outcome.OK:
            if name in leases:
                other = leases[name].grant
                sentence = f"the lease {operation.key} was granted twice"
                found.add("duplicate-lease", sentence, [other, operation], key=operation.key)
                continue
            leases[name] = _Lease(operation, 0, 0)
            _renew(leases[name], operation)
        elif operation.f == "revoke" and operation.outcome is not Outcome.FAIL and name in leases:
            leases[name].revokes.append(operation)
        elif operation.f == "keepalive" and name in leases:
            _keepalive(leases[name], operation, found)
        elif operation.f == "left" and name in leases and operation.outcome is Outcome.OK:
            _left(leases[name], operation, extend_s, found)
    return leases


def _renew(lease: _Lease, operation: Operation) -> None:
    span_ns = int(float(operation.value) * SECOND_NS)
    return_ns = operation.call_ns if operation.return_ns is None else operation.return_ns
    if operation.call_ns + span_ns > lease.alive_until_ns:
        lease.alive_until_ns, lease.last_renewal = operation.call_ns + span_ns, operation
    lease.dead_after_ns = max(lease.dead_after_ns, return_ns + span_ns)


def _keepalive(lease: _Lease, operation: Operation, found: Findings) -> None:
    if operation.outcome is Outcome.INFO:
        lease.dead_after_ns = FOREVER
        return
    if operation.outcome is not Outcome.OK:
        return
    if not operation.value:
        _told_gone(lease, operation, found)
        return
    if lease.revoked_ns < operation.call_ns:
        sentence = f"the lease {operation.key} was kept alive after it had been revoked"
        found.add("alive-after-revoke", sentence, [*lease.revokes, operation], key=operation.key)
    _renew(lease, operation)


def _told_gone(lease: _Lease, operation: Operation, found: Findings) -> None:
    """The system says that the lease is gone: was it promised to be alive?"""
    granted_ns = lease.grant.return_ns
    if granted_ns is None or operation.call_ns < granted_ns:
        return  # it may have come before the grant was done
    return_ns = operation.call_ns if operation.return_ns is None else operation.return_ns
    if return_ns < min(lease.alive_until_ns, lease.may_be_revoked_ns):
        left = milliseconds(lease.alive_until_ns - return_ns)
        sentence = f"the lease {operation.key} was answered to be gone with {left} still promised"
        found.add("expired-early", sentence, [lease.last_renewal or lease.grant, operation], key=operation.key)


def _left(lease: _Lease, operation: Operation, extend_s: float, found: Findings) -> None:
    if not isinstance(operation.value, (int, float)):
        return
    if operation.value <= 0:
        if operation.value < 0:  # 0 may be the whole seconds of what is left
            _told_gone(lease, operation, found)
        return
    if operation.value > float(lease.grant.value) + extend_s:
        sentence = f"the lease {operation.key} has {operation.value:g} s left and was granted {lease.grant.value:g} s"
        found.add("left-too-long", sentence, [lease.grant, operation], key=operation.key)


def _check_key(operations: Sequence[Operation], leases: dict[Any, _Lease], lateness: _Lateness, found: Findings) -> int:
    """Judges the reads of one key from its (only) attachment on; returns how many there were."""
    attach = next((o for o in operations if o.f == "attach" and o.outcome is Outcome.OK), None)
    lease = None if attach is None else leases.get(freeze((attach.extra or {}).get("lease")))
    if attach is None or lease is None or attach.return_ns is None:
        return 0
    changes = [
        operation
        for operation in operations
        if operation is not attach
        and operation.f in ("write", "delete", "attach", "cas")
        and operation.outcome is not Outcome.FAIL
        and not (operation.return_ns is not None and operation.return_ns < attach.call_ns)
    ]
    until_ns = min((operation.call_ns for operation in changes), default=FOREVER)
    reads = 0
    gone: Operation | None = None
    for read in operations:
        if read.f != "read" or read.outcome is not Outcome.OK or read.return_ns is None:
            continue
        if read.call_ns <= attach.return_ns or read.return_ns >= until_ns:
            continue
        reads += 1
        if read.value is None:
            _gone(read, attach, lease, found)
            if gone is None or read.return_ns < (gone.return_ns or 0):
                gone = read
        else:
            _there(read, attach, lease, gone, lateness, found)
    return reads


def _gone(read: Operation, attach: Operation, lease: _Lease, found: Findings) -> None:
    end_ns = min(lease.alive_until_ns, lease.may_be_revoked_ns)
    if read.return_ns is not None and read.return_ns < end_ns:
        left = milliseconds(lease.alive_until_ns - read.return_ns)
        sentence = f"{read.key} was gone with {left} still promised to its lease {lease.grant.key}"
        renewal = lease.last_renewal or lease.grant
        found.add("gone-while-alive", sentence, [attach, renewal, read], key=read.key, at_ns=read.return_ns)


def _there(
    read: Operation, attach: Operation, lease: _Lease, gone: Operation | None, lateness: _Lateness, found: Findings
) -> None:
    if gone is not None and gone.return_ns is not None and gone.return_ns < read.call_ns:
        sentence = f"{read.key} was gone, and came back without a write"
        found.add("resurrected", sentence, [attach, gone, read], key=read.key)
    if lease.revoked_ns < read.call_ns:
        late = milliseconds(read.call_ns - lease.revoked_ns)
        sentence = f"{read.key} was there {late} after its lease {lease.grant.key} had been revoked"
        found.add("survives-revoke", sentence, [attach, *lease.revokes, read], key=read.key)
    elif (end_ns := lateness.end_ns(lease, read)) != FOREVER and end_ns + lateness.grace_ns < read.call_ns:
        late = milliseconds(read.call_ns - end_ns)
        sentence = f"{read.key} was there {late} after the last possible end of its lease {lease.grant.key}"
        found.add("outlives", sentence, [attach, lease.last_renewal or lease.grant, read], key=read.key)
