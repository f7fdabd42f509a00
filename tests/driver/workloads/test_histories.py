"""What every workload records on an honest store is what its checkers understand, and they find nothing wrong.

The same workloads on a store that loses or tears something are found out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from raftmon.adapters.base import Definite
from raftmon.driver.checkers.asked_for import checkers_for
from raftmon.driver.checkers.base import Valid
from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import OperationResult, slot_random
from raftmon.driver.workloads.hooks import hooks
from raftmon.driver.workloads.workloads import WORKLOADS, workload
from tests.driver.workloads.fake_store import FakeStore

SLOTS = 4
QUICK: dict[str, dict[str, Any]] = {"lease": {"pause_ms": 0.0}, "lock": {"hold_ms": 0.0}}


def record(
    name: str,
    path,
    parameters: dict[str, Any],
    spoil: Callable[[FakeStore, int], None],
    rounds: int = 60,
    make: type[FakeStore] = FakeStore,
):
    """Let the slots take turns on one store, one operation at a time, as a history file."""
    work = workload(name, parameters)
    store = make()
    clients = [store.peer() for _ in range(SLOTS)]
    plans = [work.slot(slot, SLOTS, slot_random("seed", slot)) for slot in range(SLOTS)]
    hooks(work).prepare(clients[0])
    events: list[dict[str, Any]] = []

    def event(process: int, kind: str, call, value: Any, **more: Any) -> None:
        at = len(events)
        base = {"index": at, "time_ns": at * 1000, "process": process, "type": kind, "f": call.f, "key": call.key}
        events.append({**base, "value": value, "node": "n1", "host": "c1", **more})

    def do(process: int, call, client: FakeStore, observe: Callable[..., None]) -> None:
        event(process, "invoke", call, call.value)
        try:
            done = work.perform(client, call)
        except Definite as error:
            event(process, "fail", call, call.value, error=str(error))
            observe(call, Outcome.FAIL, error.seen)
            return
        told = done if isinstance(done, OperationResult) else OperationResult(done)
        call = call._replace(key=call.key if told.key is None else told.key)
        event(process, "ok", call, told.value, **(told.extra or {}))
        observe(call, Outcome.OK, told.value)

    for turn in range(rounds):
        for slot in range(SLOTS):
            do(slot, plans[slot].next(), clients[slot], plans[slot].observe)
        spoil(store, turn)
    for call in hooks(work).last_calls():
        do(1000, call, clients[0], lambda *_: None)
    path.write_bytes(b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in events))
    return read_history(path)


def verdicts(name: str, history) -> dict[str, Valid]:
    return {checker.name: checker.check(history).valid for checker in checkers_for(name)}


@pytest.mark.parametrize("name", list(WORKLOADS))
def test_on_an_honest_store_every_checker_is_content(name: str, tmp_path):
    history = record(name, tmp_path / "history.jsonl", QUICK.get(name, {}), lambda store, turn: None)
    assert not history.problems
    found = verdicts(name, history)
    assert set(found.values()) == {Valid.YES}, found


@pytest.mark.parametrize("name", list(WORKLOADS))
def test_no_operation_sleeps_while_it_is_timed(name: str, tmp_path, monkeypatch: pytest.MonkeyPatch):
    def sleep(seconds: float) -> None:
        raise AssertionError(f"{name} slept {seconds:g} s inside an operation")

    monkeypatch.setattr("time.sleep", sleep)
    history = record(name, tmp_path / "history.jsonl", {}, lambda store, turn: None)
    assert len(history) > 60


def lose_newest_element(store: FakeStore, turn: int) -> None:
    if turn == 30:
        for key, value in store.data.items():
            if isinstance(value, list) and value:
                store.data[key] = value[:-1]


def lose_money(store: FakeStore, turn: int) -> None:
    if turn == 30:
        store.data["b0"] = 0
        store.data["b1"] = 0


def lose_a_write(store: FakeStore, turn: int) -> None:
    if turn == 30:
        store.data.clear()


def lose_an_event(store: FakeStore, turn: int) -> None:
    if turn == 30:
        del store.log[len(store.log) // 2]


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("set", lose_newest_element),
        ("append", lose_newest_element),
        ("lock", lose_newest_element),
        ("bank", lose_money),
        ("register", lose_a_write),
        ("uniform", lose_a_write),
        ("watch", lose_an_event),
        ("mixed", lose_a_write),
    ],
)
def test_a_store_that_loses_something_is_found_out(name: str, spoil, tmp_path):
    parameters = {**QUICK.get(name, {}), **({"write_ratio": 0.5} if name == "uniform" else {})}
    history = record(name, tmp_path / "history.jsonl", parameters, spoil)
    assert Valid.NO in verdicts(name, history).values()


def test_two_holders_of_a_lock_are_found_out(tmp_path):
    class NoLock(FakeStore):
        def acquire(self, name: str, ttl_s: float) -> int:
            self.locks.pop(name, None)
            return super().acquire(name, ttl_s)

        def release(self, name: str, token: Any) -> None:
            self.locks[name] = token
            super().release(name, token)

    history = record("lock", tmp_path / "history.jsonl", {"hold_ms": 0.0}, lambda store, turn: None, make=NoLock)
    assert Valid.NO in verdicts("lock", history).values()


def test_a_key_that_goes_while_its_lease_is_alive_is_found_out(tmp_path):
    def lose_leased_keys(store: FakeStore, turn: int) -> None:
        if turn == 10:
            store.data.clear()

    history = record("lease", tmp_path / "history.jsonl", {"pause_ms": 0.0}, lose_leased_keys)
    assert verdicts("lease", history)["lease"] is Valid.NO


class Expiring(FakeStore):
    """Its locks are lost at once, as after a hold that is longer than the lease."""

    def read(self, key: str) -> Any:
        found = super().read(key)
        self.locks.clear()
        return found


class Unfenced(Expiring):
    """It writes whoever holds the lock."""

    def write_held(self, key: str, value: Any, name: str, token: Any) -> None:
        self.write(key, value)


@pytest.mark.parametrize(("make", "right"), [(Expiring, True), (Unfenced, False)])
def test_a_lock_that_is_lost_costs_nothing_where_the_write_is_fenced(tmp_path, make, right):
    history = record("lock", tmp_path / "history.jsonl", {"locks": 1}, lambda store, turn: None, make=make)
    failed = [one for one in history.operations if one.f in ("add", "release") and one.outcome is Outcome.FAIL]
    assert failed
    assert (Valid.NO in verdicts("lock", history).values()) is not right


def test_leases_are_kept_alive_by_several_clients_too(tmp_path):
    history = record("lease", tmp_path / "history.jsonl", {"pause_ms": 0.0}, lambda store, turn: None, rounds=200)
    owner = {one.key: one.process for one in history.operations if one.f == "grant"}
    keepers = {one.process != owner[one.key] for one in history.operations if one.f == "keepalive"}
    assert keepers == {True, False}
    assert len(owner) >= 4 * SLOTS
