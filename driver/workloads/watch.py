"""Watchers on every node that must be told of every change once and in order, and writers elsewhere.

What is promised is etcd's (KV API guarantees): ordered, unique, reliable, atomic, resumable. A watcher follows all keys
for ``session_s``, then begins again behind the last change it was told of, often through another moment's connection,
so that resuming is tried as often as following. One session in six starts at a past or a future revision instead, and
a share of them is slow: the client pauses after each response, so that gRPC's and the server's buffers fill.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from random import Random
from typing import Any

from raftmon.adapters.capabilities import Revision, Watch, WatchResponses
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call, OperationResult
from raftmon.driver.workloads.keys import KeyChooser
from raftmon.setup.errors import InputError

__all__ = ["PREFIX", "WatchPlan", "WatchWorkload", "next_revision", "watch_call", "watched", "watchers_of"]

PREFIX = "k"
_AWAY = 1 / 6  # of the sessions start where the one before did not end
_FAR = 20  # revisions


class WatchWorkload:
    """The first slots watch (three of five, so that every node has a watcher), the others write ``keys`` keys.

    ``slow`` is the share of slow sessions, ``slow_ms`` the pause after each of their responses. ``choice`` and
    ``skew``: see keys.py.
    """

    name = "watch"
    needs: tuple[type, ...] = (Watch, Revision)

    def __init__(
        self,
        *,
        keys: int = 5,
        session_s: float = 1.0,
        slow: float = 0.25,
        slow_ms: float = 20.0,
        choice: str = "uniform",
        skew: float = 0.99,
    ) -> None:
        if not 0.01 <= session_s <= 60:
            raise InputError(f"session_s of the workload watch is {session_s:g}: give 0.01 to 60")
        if not 0 <= slow <= 1 or not 0 <= slow_ms <= 60_000:
            raise InputError(f"slow={slow:g}, slow_ms={slow_ms:g}: give a share of 0 to 1 and 0 to 60000 ms")
        self._parameters = {
            "keys": keys,
            "session_s": session_s,
            "slow": slow,
            "slow_ms": slow_ms,
            "choice": choice,
            "skew": skew,
        }
        self._slow, self._slow_s = slow, slow_ms / 1000
        self._keys = KeyChooser([f"{PREFIX}{number}" for number in range(keys)], choice, skew)
        self._session_s = session_s

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return dict(self._parameters)

    def slot(self, slot: int, slots: int, random: Random) -> WatchPlan:
        """The generator of one slot."""
        return WatchPlan(slot, slots, random, self._keys, self._slow, self._slow_s)

    def last_calls(self) -> list[Call]:
        """One watch of everything from the first revision on."""
        return [watch_call(1)]

    def perform(self, client: Any, call: Call) -> Any:
        """Do one call; a session that breaks in the middle has still told what it told."""
        if call.f == "watch":
            return watched(client, call, self._session_s)
        client.write(call.key, call.value)
        return OperationResult(call.value, {"revision": client.revision})


def watch_call(start_revision: int, pause_s: float = 0.0) -> Call:
    """A session that asks for every change from that revision on, and pauses after each response."""
    return Call("watch", None, {"start_revision": start_revision}, pause_s)


def watched(client: Any, call: Call, session_s: float) -> OperationResult:
    """Do one session."""
    start = call.value["start_revision"]
    if isinstance(client, WatchResponses):
        responses = list(client.watch_responses(PREFIX, start, session_s, pause_s=call.given or 0.0))
    else:
        responses = list(_in_responses(client.watch(PREFIX, start, session_s)))
    return OperationResult(responses, {"start_revision": start, "prev_kv": False})


def _in_responses(changes: Iterator[tuple[int, str, Any]]) -> Iterator[dict[str, Any]]:
    """One response a revision, where a system does not say what came together."""
    for revision, group in groupby(changes, key=lambda change: change[0]):
        events = [
            {"type": "delete" if value is None else "put", "key": key, "value": value, "revision": revision}
            for _, key, value in group
        ]
        yield {"revision": revision, "events": events}


def next_revision(responses: Any, start_revision: int) -> int:
    """Where the session after one with these responses begins."""
    revisions = [event["revision"] for response in responses or () for event in response["events"]]
    return max(revisions, default=start_revision - 1) + 1


def watchers_of(slots: int) -> int:
    """How many slots watch, the first ones: slots are dealt to nodes in turn, and one at least must write."""
    return min(-(-3 * slots // 5), slots - 1)


class WatchPlan:
    """One slot: a writer or a watcher."""

    def __init__(
        self, slot: int, slots: int, random: Random, keys: KeyChooser, slow: float = 0.0, slow_s: float = 0.0
    ) -> None:
        self._watches = slot < watchers_of(slots)
        self._slow, self._slow_s = slow, slow_s
        self._random = random
        self._keys = keys
        self._next_value = slot + 1
        self._slots = slots
        self._start_revision = 1

    def next(self) -> Call:
        """The next session, or a write of a value that is written once."""
        if self._watches:
            away, slow = self._random.random(), self._random.random()
            pause_s = self._slow_s if slow < self._slow else 0.0
            if away < _AWAY:  # half of them into the past, half into the future
                return watch_call(max(1, self._start_revision + (_FAR if away < _AWAY / 2 else -_FAR)), pause_s)
            return watch_call(self._start_revision, pause_s)
        value = self._next_value
        self._next_value += self._slots
        return Call("write", self._keys.choose(self._random.random()), value)

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Go on behind the last change."""
        if call.f != "watch" or outcome is not Outcome.OK:
            return
        if call.value["start_revision"] == self._start_revision:
            self._start_revision = next_revision(result, self._start_revision)
