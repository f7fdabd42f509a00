"""Keys that live as long as their lease is kept alive, and no longer.

Each client goes through lives of a lease: grant it, attach a key that was never used, keep it alive for a while and
read the key (its own and its neighbours', through its own node), then revoke the lease or let it run out, and read
until the key must be gone.
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.adapters.base import Definite
from raftmon.adapters.capabilities import Lease
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call, OperationResult
from raftmon.setup.errors import InputError

__all__ = ["LeaseWorkload"]


class LeaseWorkload:
    """``ttl_s`` is asked for (the system may give more), ``renewals`` the keep-alives of a life, ``pause_ms`` passes
    between operations, ``revoked`` is the share of leases that are revoked.
    """

    name = "lease"
    needs: tuple[type, ...] = (Lease,)

    def __init__(self, *, ttl_s: int = 2, renewals: int = 5, pause_ms: float = 50.0, revoked: float = 0.5) -> None:
        if not 1 <= ttl_s <= 3600 or not 0 <= renewals <= 1000:
            raise InputError(f"ttl_s={ttl_s}, renewals={renewals}: give 1 to 3600 s and 0 to 1000 renewals")
        if not 0 <= revoked <= 1 or not 0 <= pause_ms <= 60_000:
            raise InputError(f"revoked={revoked:g}, pause_ms={pause_ms:g}: give a share of 0 to 1 and 0 to 60000 ms")
        self._ttl_s, self._renewals, self._pause_ms, self._revoked = ttl_s, renewals, pause_ms, revoked

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return {
            "ttl_s": self._ttl_s,
            "renewals": self._renewals,
            "pause_ms": self._pause_ms,
            "revoked": self._revoked,
        }

    def slot(self, slot: int, slots: int, random: Random) -> LeasePlan:
        """The generator of one slot."""
        return LeasePlan(slot, slots, random, self._renewals, self._revoked)

    def pause_ms(self, call: Call) -> float:
        """Before every operation, as leases are about time."""
        return self._pause_ms

    def perform(self, client: Any, call: Call) -> Any:
        """Do one call."""
        if call.f == "grant":
            granted = client.grant(self._ttl_s)
            return OperationResult(granted.ttl_s, key=granted.lease)
        if call.f == "attach":
            client.write_leased(call.key, call.value["value"], call.value["lease"])
            return OperationResult(call.value["value"], {"lease": call.value["lease"]})
        if call.f == "keepalive":
            try:
                return client.keep_alive(call.key)
            except Definite as error:
                if not error.has_seen:  # refused, which says nothing of the lease
                    raise
                return 0
        if call.f == "revoke":
            client.revoke(call.key)
            return None
        return client.read(call.key)


class LeasePlan:
    """One slot: life after life of a lease, a key each."""

    def __init__(self, slot: int, slots: int, random: Random, renewals: int, revoked: float) -> None:
        self._random = random
        self._slot, self._slots = slot, slots
        self._renewals, self._revoked = renewals, revoked
        self._life = 0
        self._lease: Any = None
        self._left: list[str] = []

    def next(self) -> Call:
        """The next step of this life."""
        draw = self._random.random()
        if self._lease is None:
            return Call("grant", None, None)
        step = self._left[0]
        if step == "attach":
            return Call("attach", self._key(self._slot), {"value": self._life, "lease": self._lease})
        if step in ("keepalive", "revoke"):
            return Call(step, self._lease, None)
        whose = self._slot if step == "own" else int(draw * self._slots)
        return Call("read", self._key(whose), None)

    def _key(self, slot: int) -> str:
        return f"lease-{slot}-{self._life}"

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """One step further; a life whose grant or attachment is in doubt is left."""
        if call.f == "grant":
            if outcome is Outcome.OK:
                self._life += 1
                self._lease = call.key
                self._begin()
            return
        self._left.pop(0)
        if not self._left or (call.f == "attach" and outcome is not Outcome.OK):
            self._lease = None

    def _begin(self) -> None:
        revoked = self._random.random() < self._revoked
        kept = ["own", "keepalive", "any"] * self._renewals
        ended = ["revoke", "own", "any", "own"] if revoked else ["own", "any"] * 60
        self._left = ["attach", "own", *kept, *ended]
