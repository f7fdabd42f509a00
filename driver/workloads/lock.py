"""A set guarded by the system's own lock, and nothing else: two holders at once lose elements.

After Jepsen's tests of etcd's lock (2020). A client takes the lock, reads the set, waits, writes the set with one
element more, and gives the lock back. The lock is under a lease of ``ttl_s`` that nobody keeps alive: a client that is
held up longer than that has lost it and does not know, so a lock that can expire cannot guard anything by itself. Such
an overlap is a finding about that use of locks; the verdict says so.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

from raftmon.adapters.capabilities import Lock
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call, OperationResult
from raftmon.setup.errors import InputError

__all__ = ["LockWorkload"]

GUARDS = ("stored", "memory")


class LockWorkload:
    """``locks`` locks, each over one set. ``guard`` says where the sets are: ``stored`` in the system, or in the
    ``memory`` of each client host. ``hold_ms`` passes between reading a set and adding to it, with the lock held.
    """

    name = "lock"
    needs: tuple[type, ...] = (Lock,)

    def __init__(self, *, locks: int = 1, guard: str = "stored", ttl_s: float = 2.0, hold_ms: float = 2.0) -> None:
        if guard not in GUARDS:
            raise InputError(f"guard of the workload lock is {guard!r}: use {' or '.join(GUARDS)}")
        if locks < 1:
            raise InputError(f"the workload lock has {locks} locks: give at least 1")
        if not 1 <= ttl_s <= 3600 or not 0 <= hold_ms <= 60_000:
            raise InputError(f"ttl_s={ttl_s:g}, hold_ms={hold_ms:g}: give 1 to 3600 s and 0 to 60000 ms")
        self._locks, self._guard, self._ttl_s, self._hold_ms = locks, guard, ttl_s, hold_ms
        if guard == "memory" and locks != 1:
            raise InputError("a set in memory is guarded by one lock: leave locks=1 with guard=memory")
        self._memory: list[int] = []

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return {"locks": self._locks, "guard": self._guard, "ttl_s": self._ttl_s, "hold_ms": self._hold_ms}

    def slot(self, slot: int, slots: int, random: Random) -> LockPlan:
        """The generator of one slot."""
        return LockPlan(slot, slots, random, self._locks, self._guard == "stored")

    def last_calls(self) -> list[Call]:
        """A read of every stored set; what was in a client host's memory is gone by then."""
        return [Call("read", f"set{number}", None) for number in range(self._locks if self._guard == "stored" else 0)]

    def pause_ms(self, call: Call) -> float:
        """The lock is held for a while before the set is changed."""
        return self._hold_ms if call.f == "add" else 0.0

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
        client.write(call.key, [*call.given, call.value])
        return call.value

    def _in_memory(self, call: Call) -> OperationResult:
        """Each client host has its own set, which the completion names."""
        name = f"memory-{os.getpid()}"
        if call.f == "read":
            return OperationResult(list(self._memory), key=name)
        self._memory = [*call.given, call.value]
        return OperationResult(call.value, key=name)


class LockPlan:
    """One slot: acquire, read, add to what was read, release; sometimes a read without the lock."""

    def __init__(self, slot: int, slots: int, random: Random, locks: int, stored: bool) -> None:
        self._random = random
        self._locks = locks
        self._stored = stored
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
            return Call("add", guarded, element, self._held)
        if self._step == "release":
            return Call("release", f"lock{self._lock}", self._token)
        reads, which = self._random.random() < 0.2, self._random.random()
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
