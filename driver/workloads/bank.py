"""Money moved between accounts: however it is moved, every reader must see the same sum.

After Jepsen's ``bank``; it shows broken snapshots and lost updates. The first client of a run opens the accounts
before anybody works. A transfer reads both accounts at one moment and writes both if neither has changed.
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.capabilities import Transactions
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call
from raftmon.setup.errors import InputError

__all__ = ["BankWorkload"]


class BankWorkload:
    """``accounts`` accounts ``b0``… with ``balance`` each; transfers of up to ``most``; ``reads`` is a share."""

    name = "bank"
    needs: tuple[type, ...] = (Transactions,)

    def __init__(self, *, accounts: int = 8, balance: int = 100, most: int = 10, reads: float = 0.4) -> None:
        if accounts < 2:
            raise InputError(f"the workload bank has {accounts} accounts: give at least 2")
        if balance < 1 or most < 1:
            raise InputError(f"the workload bank moves up to {most} of {balance}: give at least 1 of each")
        if not 0 < reads < 1:
            raise InputError(f"the share of reads in the workload bank is {reads:g}: give more than 0, less than 1")
        self._accounts = [f"b{number}" for number in range(accounts)]
        self._balance, self._most, self._reads = balance, most, reads

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return {
            "accounts": len(self._accounts),
            "balance": self._balance,
            "most": self._most,
            "reads": self._reads,
        }

    def slot(self, slot: int, slots: int, random: Random) -> BankPlan:
        """The generator of one slot."""
        return BankPlan(random, self._accounts, self._most, self._reads)

    def prepare(self, client: Any) -> None:
        """Open the accounts; nothing happens where they are open already. May be repeated."""
        held = client.read_many(self._accounts)
        if all(balance is None for balance in held.values()):
            client.transact(held, dict.fromkeys(self._accounts, self._balance))

    def last_calls(self) -> list[Call]:
        """One read of all accounts."""
        return [Call("read", None, None)]

    def perform(self, client: Any, call: Call) -> Any:
        """Do one call."""
        if call.f == "read":
            return client.read_many(self._accounts)
        source, target, amount = (call.value[name] for name in ("from", "to", "amount"))
        try:
            before = client.read_many([source, target])
        except Indefinite as error:  # nothing has been written yet
            raise Definite(f"the accounts could not be read: {error}") from error
        if any(balance is None for balance in before.values()):
            raise Definite(f"{source} or {target} is not there")
        if before[source] < amount:
            raise Definite(f"{source} has only {before[source]}", seen=None, has_seen=True)
        client.transact(before, {source: before[source] - amount, target: before[target] + amount})
        return call.value


class BankPlan:
    """One slot's calls; they depend on nothing that is seen."""

    def __init__(self, random: Random, accounts: list[str], most: int, reads: float) -> None:
        self._random, self._accounts, self._most, self._reads = random, accounts, most, reads

    def next(self) -> Call:
        """A read of all accounts, or a transfer between two."""
        if self._random.random() < self._reads:
            return Call("read", None, None)
        source, target = self._random.sample(self._accounts, 2)
        amount = 1 + int(self._random.random() * self._most)
        return Call("transfer", None, {"from": source, "to": target, "amount": amount})

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Nothing is remembered."""
