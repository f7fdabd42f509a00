"""Keys that live as long as their lease is kept alive, and no longer; several leases a client, renewed by all.

Each client goes through lives of ``leases`` leases: grant them, attach a key that was never used to each, and tell the
others which they are (a key ``leases-SLOT``). Then it keeps some of them alive itself, while others are kept alive only
by clients that read what it told, through their own nodes: so leases are renewed through several nodes, and none hangs
on one that is paused or cut off. At the end it revokes some, lets the others run out, and reads their keys until they
are gone.
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.adapters.base import Definite
from raftmon.adapters.capabilities import Lease, LeaseTimes
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call, OperationResult
from raftmon.setup.errors import InputError

__all__ = ["LeasePlan", "LeaseWorkload"]

_LAST_READS = 60
"""How often the key of a lease that runs out is read at most."""


class LeaseWorkload:
    """``leases`` a client; ``ttl_s`` is asked for (the system may give more); ``renewals`` rounds of keep-alives in a
    life; ``pause_ms`` passes between operations; ``revoked`` is the share of leases that are revoked.
    """

    name = "lease"
    needs: tuple[type, ...] = (Lease, LeaseTimes)

    def __init__(
        self, *, leases: int = 4, ttl_s: int = 2, renewals: int = 5, pause_ms: float = 30.0, revoked: float = 0.5
    ) -> None:
        if not 1 <= leases <= 1000:
            raise InputError(f"leases={leases}: give 1 to 1000 leases a client")
        if not 1 <= ttl_s <= 3600 or not 0 <= renewals <= 1000:
            raise InputError(f"ttl_s={ttl_s}, renewals={renewals}: give 1 to 3600 s and 0 to 1000 renewals")
        if not 0 <= revoked <= 1 or not 0 <= pause_ms <= 60_000:
            raise InputError(f"revoked={revoked:g}, pause_ms={pause_ms:g}: give a share of 0 to 1 and 0 to 60000 ms")
        self._leases, self._ttl_s, self._renewals = leases, ttl_s, renewals
        self._pause_ms, self._revoked = pause_ms, revoked

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return {
            "leases": self._leases,
            "ttl_s": self._ttl_s,
            "renewals": self._renewals,
            "pause_ms": self._pause_ms,
            "revoked": self._revoked,
        }

    def slot(self, slot: int, slots: int, random: Random) -> LeasePlan:
        """The generator of one slot."""
        return LeasePlan(slot, slots, random, self._leases, self._renewals, self._revoked)

    def pause_ms(self, call: Call) -> float:
        """Before every operation, as leases are about time."""
        return self._pause_ms

    def perform(self, client: Any, call: Call) -> Any:
        """Do one call; its ``extra`` has the Raft term that the answer came with, where the system tells it."""
        value, extra, key = self._do(client, call)
        term = getattr(client, "term", 0)
        return OperationResult(value, {**extra, **({"term": term} if term else {})}, key)

    def _do(self, client: Any, call: Call) -> tuple[Any, dict[str, Any], Any]:
        if call.f == "grant":
            granted = client.grant(self._ttl_s)
            return granted.ttl_s, {}, granted.lease
        if call.f == "attach":
            client.write_leased(call.key, call.value["value"], call.value["lease"])
            return call.value["value"], {"lease": call.value["lease"]}, None
        if call.f == "keepalive":
            try:
                return client.keep_alive(call.key), {}, None
            except Definite as error:
                if not error.has_seen:  # refused, which says nothing of the lease
                    raise
                return 0, {}, None
        if call.f == "left":
            return client.time_to_live(call.key), {}, None
        if call.f == "revoke":
            client.revoke(call.key)
            return None, {}, None
        if call.f == "write":
            client.write(call.key, call.value)
            return call.value, {}, None
        return client.read(call.key), {}, None


class LeasePlan:
    """One slot: life after life of several leases, a key each.

    A lease with an even number is kept alive by this slot itself, one with an odd number by the others, where there
    are others.
    """

    def __init__(self, slot: int, slots: int, random: Random, leases: int, renewals: int, revoked: float) -> None:
        self._random = random
        self._slot, self._slots = slot, slots
        self._leases, self._renewals, self._revoked = leases, renewals, revoked
        self._life = 0
        self._held: dict[int, Any] = {}
        """Number in this life -> lease."""
        self._others: list[Any] = []
        """What another slot told of its leases: [lease, key] each."""
        self._left: list[tuple[str, int]] = []

    def next(self) -> Call:
        """The next step of this life."""
        draw = self._random.random()
        if not self._left:
            self._begin()
        while True:
            step, number = self._left[0]
            call = self._call(step, number, draw)
            if call is not None:
                return call
            self._left.pop(0)
            if not self._left:
                self._begin()

    def _call(self, step: str, number: int, draw: float) -> Call | None:
        """None for a step that has nothing to do it to."""
        if step == "grant":
            return Call("grant", None, None)
        if step == "tell":
            told = [[lease, self._key(held)] for held, lease in self._held.items()]
            return Call("write", f"leases-{self._slot}", told)
        if step == "look":
            other = (self._slot + 1 + int(draw * (self._slots - 1))) % self._slots
            return Call("read", f"leases-{other}", None) if self._slots > 1 else None
        if step in ("help", "peer"):
            if not self._others:
                return None
            lease, key = self._others[int(draw * len(self._others))]
            return Call("keepalive", lease, None) if step == "help" else Call("read", key, None)
        if number not in self._held:
            return None
        if step == "attach":
            lease = self._held[number]
            return Call("attach", self._key(number), {"value": self._life, "lease": lease})
        if step in ("keepalive", "left", "revoke"):
            return Call(step, self._held[number], None)
        return Call("read", self._key(number), None)

    def _key(self, number: int) -> str:
        return f"lease-{self._slot}-{self._life}-{number}"

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """One step further; a lease whose grant or attachment is in doubt is left."""
        step, number = self._left.pop(0)
        if step == "grant" and outcome is Outcome.OK:
            self._held[number] = call.key
        elif step == "attach" and outcome is not Outcome.OK:
            self._held.pop(number, None)
        elif step == "look" and outcome is Outcome.OK:
            self._others = result or []
        elif step == "last" and outcome is Outcome.OK and result is None:
            self._held.pop(number, None)  # its key is gone: nothing more to be read

    def _begin(self) -> None:
        self._life += 1
        self._held = {}
        numbers = range(self._leases)
        self._left = [(step, number) for number in numbers for step in ("grant", "attach")]
        self._left.append(("tell", 0))
        for _ in range(self._renewals):
            helped = [("help", 0) if number % 2 and self._slots > 1 else ("keepalive", number) for number in numbers]
            read = [("own", self._random.randrange(self._leases)), ("peer", 0)]
            read.append(("left", self._random.randrange(self._leases)))
            steps = [*helped, *read]
            self._random.shuffle(steps)
            self._left += [("look", 0), *steps]
        for number in numbers:
            if self._random.random() < self._revoked:
                self._left += [("revoke", number), ("own", number)]
        for _ in range(_LAST_READS):
            self._left += [step for number in numbers for step in (("last", number), ("help", 0))]
