"""Transactions that append to lists and read them, for Elle (Kingsbury and Alvaro, "Elle", VLDB 2020).

A transaction is a list of micro-operations ``["append", key, element]`` and ``["r", key, null]``. It is done as
optimistic transactions are: all its keys are read at one moment, the appends are worked out, and everything is written
if no key has changed. Every element is appended once. A list that has ``length`` elements is left for a new one.
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.capabilities import Transactions
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call
from raftmon.setup.errors import InputError

__all__ = ["AppendPlan", "AppendWorkload", "do_transaction"]


class AppendWorkload:
    """``keys`` lists are worked on at a time, ``most`` micro-operations a transaction, half of them reads."""

    name = "append"
    needs: tuple[type, ...] = (Transactions,)

    def __init__(self, *, keys: int = 5, most: int = 4, length: int = 32) -> None:
        for name, value in (("keys", keys), ("most", most), ("length", length)):
            if value < 1:
                raise InputError(f"{name} of the workload append is {value}: give at least 1")
        self._keys, self._most, self._length = keys, most, length

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return {"keys": self._keys, "most": self._most, "length": self._length}

    def slot(self, slot: int, slots: int, random: Random) -> AppendPlan:
        """The generator of one slot."""
        return AppendPlan(slot, slots, random, self._keys, self._most, self._length)

    def last_calls(self) -> list[Call]:
        """Reads of the first lists, which are complete by then."""
        return [Call("txn", None, [["r", f"a{number}", None]]) for number in range(self._keys)]

    def perform(self, client: Any, call: Call) -> Any:
        """Do one transaction."""
        return do_transaction(client, call.value)


def do_transaction(client: Any, micro: list[list[Any]]) -> list[list[Any]]:
    """Do a transaction on a client with ``Transactions``; returns the micro-operations with what was read.

    Raises Definite if a key changed meanwhile or could not be read, Indefinite if the write's fate is unknown.
    """
    keys = list(dict.fromkeys(key for _, key, _ in micro))
    try:
        before = client.read_many(keys)
    except Indefinite as error:  # nothing has been written yet
        raise Definite(f"the lists could not be read: {error}") from error
    now = {key: list(value or []) for key, value in before.items()}
    written: dict[str, Any] = {}
    done = []
    for f, key, value in micro:
        if f == "append":
            now[key] = [*now[key], value]
            written[key] = now[key]
            done.append([f, key, value])
        else:
            done.append([f, key, now[key]])
    if written:
        client.transact(before, written)
    return done


class AppendPlan:
    """One slot's transactions. Which lists are worked on follows from how long those were that it has read."""

    def __init__(self, slot: int, slots: int, random: Random, keys: int, most: int, length: int) -> None:
        self._random = random
        self._next_element = slot + 1
        self._slots = slots
        self._active = list(range(keys))
        self._most = most
        self._length = length

    def next(self) -> Call:
        """1 to ``most`` micro-operations on distinct lists or the same."""
        micro: list[list[Any]] = []
        for _ in range(1 + int(self._random.random() * self._most)):
            reads = self._random.random() < 0.5
            key = f"a{self._active[int(self._random.random() * len(self._active))]}"
            if reads:
                micro.append(["r", key, None])
            else:
                micro.append(["append", key, self._next_element])
                self._next_element += self._slots
        return Call("txn", None, micro)

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Replace lists that are full; all slots name the next one alike."""
        if outcome is not Outcome.OK:
            return
        for f, key, value in result:
            number = int(key[1:])
            if f == "r" and value is not None and len(value) >= self._length and number in self._active:
                self._active[self._active.index(number)] = number + len(self._active)
