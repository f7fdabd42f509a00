"""Everything at once: registers, transactions on lists and watches, on one store and one log.

Register operations go to keys ``k…``, transactions to lists ``a…``; watchers follow the registers. Each kind is
judged by its own checker, so that a fault shows which is there only when several kinds of work share a log.
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.adapters.capabilities import Revision, Transactions, Watch
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.append import AppendPlan, AppendWorkload
from raftmon.driver.workloads.base import Call, OperationResult, ThreadPlan
from raftmon.driver.workloads.register import RegisterWorkload
from raftmon.driver.workloads.watch import next_revision, watch_call, watched
from raftmon.setup.errors import InputError

__all__ = ["MixedWorkload"]


class MixedWorkload:
    """``transactions`` is the share of operations that are transactions; one slot of ``watchers_every`` watches.

    ``keys``, ``choice`` and ``skew`` are those of the registers; the default is Zipf, so that some keys are contended.
    """

    name = "mixed"
    needs: tuple[type, ...] = (Transactions, Watch, Revision)

    def __init__(
        self,
        *,
        keys: int = 5,
        transactions: float = 0.3,
        watchers_every: int = 5,
        session_s: float = 1.0,
        choice: str = "zipf",
        skew: float = 0.99,
    ) -> None:
        if not 0 <= transactions <= 1:
            raise InputError(f"transactions of the workload mixed is {transactions:g}: give a share from 0 to 1")
        if watchers_every < 2 or not 0.01 <= session_s <= 60:
            raise InputError(f"watchers_every={watchers_every}, session_s={session_s:g}: give 2 or more, 0.01 to 60 s")
        self._registers = RegisterWorkload(keys=keys, choice=choice, skew=skew)
        self._lists = AppendWorkload(keys=3)
        self._transactions, self._watchers_every, self._session_s = transactions, watchers_every, session_s
        self._parameters = {
            "keys": keys,
            "transactions": transactions,
            "watchers_every": watchers_every,
            "session_s": session_s,
            "choice": choice,
            "skew": skew,
        }

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return dict(self._parameters)

    def slot(self, slot: int, slots: int, random: Random) -> ThreadPlan:
        """The generator of one slot: the last of every ``watchers_every`` watches."""
        if slot % self._watchers_every == self._watchers_every - 1:
            return _Watcher()
        registers = self._registers.slot(slot, slots, Random(random.random()))
        return _Worker(random, self._transactions, registers, self._lists.slot(slot, slots, Random(random.random())))

    def last_calls(self) -> list[Call]:
        """The last calls of all kinds."""
        return [*self._registers.last_calls(), *self._lists.last_calls(), watch_call(1)]

    def perform(self, client: Any, call: Call) -> Any:
        """Do one call; changes tell their revision, so that watches can be held against them."""
        if call.f == "watch":
            return watched(client, call, self._session_s)
        if call.f == "txn":
            return self._lists.perform(client, call)
        value = self._registers.perform(client, call)
        return value if call.f == "read" else OperationResult(value, {"revision": client.revision})


class _Worker:
    def __init__(self, random: Random, transactions: float, registers: ThreadPlan, lists: AppendPlan) -> None:
        self._random, self._transactions = random, transactions
        self._registers, self._lists = registers, lists

    def next(self) -> Call:
        """A transaction or a register's operation."""
        return (self._lists if self._random.random() < self._transactions else self._registers).next()

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Passed on to the generator it came from."""
        (self._lists if call.f == "txn" else self._registers).observe(call, outcome, result)


class _Watcher:
    def __init__(self) -> None:
        self._start_revision = 1

    def next(self) -> Call:
        """The next session."""
        return watch_call(self._start_revision)

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Go on behind the last change."""
        if outcome is Outcome.OK:
            self._start_revision = next_revision(result, self._start_revision)
