"""Locks: never two holders at once, by time and by the revisions (fencing tokens) the system hands out.

Operations, with ``key`` the lock's name; one process holds one lock at a time:
``f="acquire"``, ``value`` the fencing token (in etcd the create revision of the lock's key), null if there is none; or
a map with the token as ``fence`` (Hazelcast's tests; 0 is none);
``f="release"``, ``value`` the revision of the release, or null;
``f="guarded"``, ``value`` the token with which a protected resource accepted an action.

Other things are acquired and released too. Where a wrong history would be right as a reentrant lock, as a semaphore
(acquires that name their client and carry no token), or with values that are owners and no tokens, the result says so
(``ONLY_IF``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raftmon.driver.checkers.base import ONLY_IF, Result, Valid
from raftmon.driver.checkers.findings import Findings, milliseconds
from raftmon.driver.histories.model import History, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Hold", "Lock", "holds_of"]

FOREVER = 2**63 - 1


@dataclass(slots=True)
class Hold:
    """The time in which a process certainly held the lock: from the acquire's return to the release's call."""

    acquire: Operation
    release: Operation | None
    start_ns: int
    stop_ns: int
    depth: int = 1  # of a reentrant lock: how often its process acquired it

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The acquire, and the release if there was one."""
        return (self.acquire,) if self.release is None else (self.acquire, self.release)

    @property
    def token(self) -> int:
        """The acquire's fencing token; 0 without one."""
        return _token(self.acquire.value) or 0


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is acquired: ``shared`` by several, ``reentrant``, with ``tokens``; ``words`` says it."""

    reentrant: bool = False
    shared: bool = False
    tokens: bool = True
    words: tuple[str, ...] = ()


_MUTEX = _Kind()


class Lock:
    """Names: *overlap* (two processes held it at one time, with how long), *overlap-by-revision* (one got its token
    before the other's release, by revisions), *double-acquire*, *release-without-hold*, *duplicate-token*,
    *token-order* (a later acquire got a lower token), *stale-token-accepted* (a resource took a token after a higher).

    A lock that is never released is held for ever; with ``expires`` (locks under a lease) only until the call of its
    process's last ``guarded``. ``details``: ``anomalies``, ``examples``, ``acquires``, ``longest_overlap_ms``.
    """

    stops_by_itself = True

    name = "lock"

    def __init__(self, *, expires: bool = False) -> None:
        self._expires = expires

    def check(self, history: History) -> Result:
        """Judge every lock of the history."""
        result = self._judged(history, _MUTEX)
        if result.valid is Valid.NO:
            kind = _other_kind(history)
            if self._judged(history, kind).valid is Valid.YES:
                names = "; or ".join(kind.words)
                result.details[ONLY_IF] = (
                    f"this may be {names}. If it is a mutex (with tokens, where there are any) name the checker "
                    "(--checker lock)"
                )
            elif "overlap" in result.details["anomalies"]:
                result.sentence += " (as a mutex; --checker semaphore:permits=N judges a semaphore)"
        return result

    def _judged(self, history: History, kind: _Kind) -> Result:
        found = Findings()
        acquires = 0
        longest_ns = 0
        for operations in history.by_key().values():
            holds = holds_of(operations, found, expires=self._expires, reentrant=kind.reentrant)
            acquires += len(holds)
            if not kind.shared:
                longest_ns = max(longest_ns, _overlaps(holds, found, self._expires))
            if kind.tokens:
                _tokens(holds, found)
            _fences([o for o in operations if o.f == "guarded" and o.outcome is Outcome.OK], found)
        return found.result(
            self.name,
            good=f"{acquires} acquires, and never two holders at once",
            details={"acquires": acquires, "longest_overlap_ms": longest_ns / 1e6},
            unknown=None if acquires else "no lock was ever acquired",
        )


def _token(value: Any) -> int | None:
    """The fencing token of an acquire or a release."""
    if isinstance(value, Mapping):
        fence = value.get("fence")
        return fence if isinstance(fence, int) and fence > 0 else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _other_kind(history: History) -> _Kind:
    """What else the values allow it to be."""
    acquires = [one for one in history.operations if one.f == "acquire" and one.outcome is Outcome.OK]
    words = ["a reentrant lock"]
    shared = bool(acquires) and all(isinstance(one.value, Mapping) and _token(one.value) is None for one in acquires)
    if shared:
        words.append("a semaphore, since no acquire got a fencing token (--checker semaphore:permits=N)")
    tokens = not _are_owners(acquires)
    if not tokens:
        words.append("a lock whose values name owners")
    return _Kind(reentrant=True, shared=shared, tokens=tokens, words=tuple(words))


def _are_owners(acquires: Sequence[Operation]) -> bool:
    """Whether each process always gave the same value, another than the others, and some did so twice."""
    values: dict[tuple[int, Any], list[Any]] = {}
    for one in acquires:
        values.setdefault((one.process, freeze(one.key)), []).append(one.value)
    constant = all(set(map(freeze, given)) == {freeze(given[0])} for given in values.values())
    apart = len({(key, freeze(given[0])) for (_, key), given in values.items()}) == len(values)
    return constant and apart and any(len(given) > 1 for given in values.values())


def holds_of(
    operations: Sequence[Operation], found: Findings, *, expires: bool = False, reentrant: bool = False
) -> list[Hold]:
    """Each acquire of one lock with its release, by process; what does not fit together is added to ``found``."""
    open_holds: dict[int, Hold] = {}
    holds: list[Hold] = []
    for operation in operations:
        process = operation.process
        held = open_holds.get(process)
        if operation.f == "acquire" and operation.outcome is Outcome.OK:
            if held is not None and reentrant:
                held.depth += 1
                continue
            if held is not None and not expires:
                sentence = f"process {process} acquired the lock that it held already"
                found.add("double-acquire", sentence, [held.acquire, operation], key=operation.key)
                continue
            start_ns = operation.return_ns if operation.return_ns is not None else operation.call_ns
            hold = Hold(operation, None, start_ns, start_ns if expires else FOREVER)
            open_holds[process] = hold
            holds.append(hold)
        elif operation.f == "release" and operation.outcome is not Outcome.FAIL:
            if held is None:
                if operation.outcome is Outcome.OK:
                    sentence = f"process {process} released a lock that it did not hold"
                    found.add("release-without-hold", sentence, [operation], key=operation.key)
                continue
            held.depth -= 1
            if held.depth:
                continue
            held.release, held.stop_ns = operation, max(operation.call_ns, held.start_ns)
            del open_holds[process]
        elif held is not None and expires and operation.outcome is Outcome.OK:
            held.stop_ns = max(held.stop_ns, operation.call_ns)
    return holds


def _overlaps(holds: Sequence[Hold], found: Findings, expires: bool) -> int:
    """Reports each hold that starts within an earlier one; returns the longest overlap in ns."""
    longest_ns = 0
    current: Hold | None = None
    for hold in sorted(holds, key=lambda one: one.start_ns):
        if current is not None and hold.start_ns < current.stop_ns and hold.stop_ns > current.start_ns:
            stop_ns = min(hold.stop_ns, current.stop_ns)
            overlap_ns = 0 if stop_ns == FOREVER else stop_ns - hold.start_ns
            # a hold of no length within another is one too many; under a lease it may have ended before it was told of
            if overlap_ns or not expires or current.start_ns <= hold.acquire.call_ns:
                longest_ns = max(longest_ns, overlap_ns)
                span = "from then on" if stop_ns == FOREVER else f"for {milliseconds(overlap_ns)}"
                sentence = (
                    f"processes {current.acquire.process} and {hold.acquire.process} both held the lock {span}: "
                    f"from {hold.start_ns} ns to {'the end' if stop_ns == FOREVER else f'{stop_ns} ns'}"
                )
                found.add(
                    "overlap",
                    sentence,
                    [*current.operations, *hold.operations],
                    key=hold.acquire.key,
                    at_ns=hold.start_ns,
                    start_ns=hold.start_ns,
                    stop_ns=None if stop_ns == FOREVER else stop_ns,
                )
        if current is None or hold.stop_ns > current.stop_ns:
            current = hold
    return longest_ns


def _tokens(holds: Sequence[Hold], found: Findings) -> None:
    """Tokens are unique, grow in real time, and no token lies within another's hold."""
    with_token = [hold for hold in holds if _token(hold.acquire.value) is not None]
    by_token = sorted(with_token, key=lambda hold: hold.token)
    widest: tuple[int, Hold] | None = None
    for before, hold in zip([None, *by_token], by_token, strict=False):
        acquire, token = hold.acquire, hold.token
        if before is not None and before.token == token:
            sentence = f"processes {before.acquire.process} and {acquire.process} both got the token {token}"
            found.add("duplicate-token", sentence, [before.acquire, acquire], key=acquire.key)
        elif widest is not None and token < widest[0]:
            other = widest[1]
            sentence = (
                f"process {acquire.process} got the token {token} while process {other.acquire.process} held the lock "
                f"from revision {other.token} to {widest[0]}"
            )
            found.add("overlap-by-revision", sentence, [*other.operations, acquire], key=acquire.key)
        ended = hold.release is not None and hold.release.outcome is Outcome.OK
        released = _token(hold.release.value) if hold.release is not None and ended else None
        if released is not None and (widest is None or released > widest[0]):
            widest = (released, hold)
    latest: Hold | None = None  # of those that had returned, the one with the highest token
    returns = sorted(with_token, key=lambda hold: hold.start_ns)
    place = 0
    for hold in sorted(with_token, key=lambda one: one.acquire.call_ns):
        while place < len(returns) and returns[place].start_ns < hold.acquire.call_ns:
            if latest is None or returns[place].token > latest.token:
                latest = returns[place]
            place += 1
        if latest is not None and hold.token < latest.token:
            sentence = f"token {hold.token} was handed out after token {latest.token}"
            found.add("token-order", sentence, [latest.acquire, hold.acquire], key=hold.acquire.key)


def _fences(accepted: Sequence[Operation], found: Findings) -> None:
    """A resource that saw a token must refuse every lower one from then on."""
    known = [operation for operation in accepted if _token(operation.value) is not None]
    returns = sorted(known, key=lambda operation: operation.return_ns or operation.call_ns)
    highest: Operation | None = None
    place = 0
    for operation in known:
        while place < len(returns) and (returns[place].return_ns or returns[place].call_ns) < operation.call_ns:
            if highest is None or returns[place].value > highest.value:
                highest = returns[place]
            place += 1
        if highest is not None and operation.value < highest.value:
            sentence = f"the resource accepted token {operation.value} after token {highest.value}"
            found.add("stale-token-accepted", sentence, [highest, operation], key=operation.key)
