"""A set guarded by the system's own lock: two holders at once lose elements.

After Jepsen's tests of etcd's lock (2020). A client takes the lock, reads the set, waits, writes the set with one
element more, and gives the lock back. The lock is under a lease of ``ttl_s`` that nobody keeps alive: a client that is
held up longer than that has lost it and does not know. A share of the holds (``long``) lasts twice that time.

What happens then depends on the ``guard``: with ``fenced`` the set is written on condition that the lock is still
held, and nothing may be lost; with ``stored`` and ``memory`` the lock alone guards it, which a lock that can expire
cannot: an overlap is a finding about that use of locks, and the verdict says so.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any, NamedTuple

from raftmon.adapters.capabilities import Fence, Lock
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call, OperationResult
from raftmon.setup.errors import InputError

__all__ = ["LockWorkload"]

GUARDS = ("fenced", "stored", "memory")


class _Hold(NamedTuple):
    """What an addition needs beside the element: the set as read, the lock and its token, whether it is a long hold."""

    before: list[int]
    lock: str
    token: Any
    long: bool


class LockWorkload:
    """``locks`` locks, each over one set. ``guard`` says where the sets are: ``fenced`` or ``stored`` in the system,
    or in the ``memory`` of each client host. ``hold_ms`` passes between reading a set and adding to it, with the lock
    held; in a share ``long`` of the holds it is twice ``ttl_s``.
    """

    name = "lock"

    def __init__(
        self, *, locks: int = 2, guard: str = "fenced", ttl_s: float = 2.0, hold_ms: float = 2.0, long: float = 0.02
    ) -> None:
        if guard not in GUARDS:
            raise InputError(f"guard of the workload lock is {guard!r}: use {', '.join(GUARDS[:-1])} or {GUARDS[-1]}")
        if locks < 1:
            raise InputError(f"the workload lock has {locks} locks: give at least 1")
        if not 1 <= ttl_s <= 3600 or not 0 <= hold_ms <= 60_000:
            raise InputError(f"ttl_s={ttl_s:g}, hold_ms={hold_ms:g}: give 1 to 3600 s and 0 to 60000 ms")
        if not 0 <= long <= 1:
            raise InputError(f"long={long:g}: give the share of long holds, 0 to 1")
        self.needs: tuple[type, ...] = (Lock, Fence) if guard == "fenced" else (Lock,)
        self._locks, self._guard, self._ttl_s, self._hold_ms, self._long = locks, guard, ttl_s, hold_ms, long
        if guard == "memory" and locks != 1:
            raise InputError("a set in memory is guarded by one lock: give locks=1 with guard=memory")
        self._memory: list[int] = []

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return {
            "locks": self._locks,
            "guard": self._guard,
            "ttl_s": self._ttl_s,
            "hold_ms": self._hold_ms,
            "long": self._long,
        }

    def slot(self, slot: int, slots: int, random: Random) -> LockPlan:
        """The generator of one slot."""
        return LockPlan(slot, slots, random, self._locks, self._guard != "memory", self._long)

    def last_calls(self) -> list[Call]:
        """A read of every stored set; what was in a client host's memory is gone by then."""
        return [Call("read", f"set{number}", None) for number in range(self._locks if self._guard != "memory" else 0)]

    def pause_ms(self, call: Call) -> float:
        """The lock is held for a while before the set is changed."""
        if call.f != "add":
            return 0.0
        return 2000 * self._ttl_s if call.given.long else self._hold_ms

    def perform(self, client: Any, call: Call) -> Any:
        """Do one call."""
        if call.f == "acquire":
            return client.acquire(call.key, self._ttl_s)
        if call.f == "release":
            client.release(call.key, call.value)
            return getattr(client, "revision", None)
        if self._guard == "memory":
            return self._in_memory(call)
        if call.f == "read":
            return client.read(call.key) or []
        elements = [*call.given.before, call.value]
        if self._guard == "fenced":
            client.write_held(call.key, elements, call.given.lock, call.given.token)
        else:
            client.write(call.key, elements)
        return call.value

    def _in_memory(self, call: Call) -> OperationResult:
        """Each client host has its own set, which the completion names."""
        name = f"memory-{os.getpid()}"
        if call.f == "read":
            return OperationResult(list(self._memory), key=name)
        self._memory = [*call.given.before, call.value]
        return OperationResult(call.value, key=name)


class LockPlan:
    """One slot: acquire, read, add to what was read, release; sometimes a read without the lock."""

    def __init__(self, slot: int, slots: int, random: Random, locks: int, stored: bool, long: float) -> None:
        self._random = random
        self._locks = locks
        self._stored = stored
        self._share_long = long
        self._long = False
        self._next_element = slot
        self._slots = slots
        self._token: Any = None
        self._lock = 0
        self._held: list[int] = []
        self._step = "acquire"

    def next(self) -> Call:
        """The next step; whether one follows another hangs on how it ended."""
        guarded = f"set{self._lock}" if self._stored else None
        if self._step == "read":
            return Call("read", guarded, None)
        if self._step == "add":
            element = self._next_element
            self._next_element += self._slots
            hold = _Hold(self._held, f"lock{self._lock}", self._token, self._long)
            return Call("add", guarded, element, hold)
        if self._step == "release":
            return Call("release", f"lock{self._lock}", self._token)
        reads, which = self._random.random() < 0.2, self._random.random()
        self._long = self._random.random() < self._share_long
        self._lock = int(which * self._locks)
        if reads:
            return Call("read", f"set{self._lock}" if self._stored else None, None)
        return Call("acquire", f"lock{self._lock}", None)

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """After an unknown outcome the client is another, which holds nothing: the lease will end the lock."""
        if outcome is Outcome.INFO:
            self._step = "acquire"
        elif call.f == "acquire" and outcome is Outcome.OK:
            self._step, self._token = "read", result
        elif self._step == "read":  # with the lock; what could not be read is not written either
            self._step, self._held = ("add", result) if outcome is Outcome.OK else ("release", [])
        elif call.f == "add":
            self._step = "release"
        elif call.f == "release":
            self._step = "acquire"
