"""What a workload tells beyond a value reaches the history, and what it needs is looked for before it begins."""

from __future__ import annotations

import time

import orjson
import pytest

from raftmon.adapters.base import Definite
from raftmon.driver.clients.worker import StartSignal, Worker
from raftmon.driver.histories.event_writer import EventWriter
from raftmon.driver.workloads.base import slot_random
from raftmon.driver.workloads.workloads import workload
from raftmon.setup.errors import InputError
from tests.driver.workloads.fake_store import FakeStore


class Store(FakeStore):
    """A store that closes the gate after so many operations."""

    def __init__(self, shared=None):
        super().__init__(shared)
        self.left, self.start_signal, self.refusals = 10, None, 0

    def _count(self):
        self.left -= 1
        if self.left == 0:
            self.start_signal.stop()

    def read(self, key):
        if key != "raftmon-connect":
            self._count()
        return super().read(key)

    def write(self, key, value):
        super().write(key, value)
        self._count()

    def grant(self, ttl_s):
        self._count()
        return super().grant(ttl_s)

    def read_many(self, keys):
        if self.refusals:
            self.refusals -= 1
            raise Definite("not yet")
        self._count()
        return super().read_many(keys)

    def close(self):
        pass


def work(tmp_path, name, store, slot=0, **parameters):
    start_signal = StartSignal()
    store.start_signal = start_signal
    made = workload(name, parameters)
    writer = EventWriter(tmp_path / "history.jsonl")
    worker = Worker(
        slot=slot,
        total_slots=2,
        node="n1",
        host="c1",
        connect=lambda: store,
        workload=made,
        plan=made.slot(slot, 2, slot_random("1", slot)),
        writer=writer,
        start_signal=start_signal,
        arrivals=None,
    )
    start_signal.open(0, time.monotonic_ns() + 60_000_000_000)
    worker.run()
    writer.close()
    lines = (tmp_path / "history.jsonl").read_bytes().splitlines()
    return worker, [orjson.loads(line) for line in lines]


def test_a_pause_lies_between_operations_and_not_in_one(tmp_path):
    pause_ms = 20.0
    _worker, events = work(tmp_path, "lease", Store(), pause_ms=pause_ms)
    assert len(events) >= 10
    returned_ns = None
    for event in events:
        if event["type"] == "invoke":
            assert returned_ns is None or event["time_ns"] - returned_ns >= pause_ms * 1e6
        else:
            returned_ns = event["time_ns"]


def test_an_ok_event_bears_what_was_told_beside_the_value(tmp_path):
    worker, events = work(tmp_path, "watch", Store(), slot=1)
    assert worker.failure is None
    written = [event for event in events if event["type"] == "ok"]
    assert [event["revision"] for event in written] == list(range(2, 2 + len(written)))


def test_a_key_that_the_system_chose_is_told_with_the_completion_and_to_the_plan(tmp_path):
    worker, events = work(tmp_path, "lease", Store(), pause_ms=0.0)
    assert worker.failure is None
    asked, granted = events[:2]
    assert (asked["f"], asked["key"]) == ("grant", None)
    assert (granted["type"], granted["key"], granted["value"]) == ("ok", 1, 2.0)
    attached = next(event for event in events if event["f"] == "attach" and event["type"] == "ok")
    assert attached["lease"] == 1


def test_slot_0_prepares_the_store_and_tries_again_until_it_could(tmp_path):
    store = Store()
    store.refusals = 2
    worker, _ = work(tmp_path, "bank", store)
    assert worker.failure is None
    assert store.data["b0"] is not None


def test_other_slots_prepare_nothing(tmp_path):
    store = Store()
    work(tmp_path, "bank", store, slot=1)
    assert "b0" not in store.data


def test_a_client_that_lacks_what_the_workload_needs_ends_the_worker_with_a_sentence(tmp_path):
    class Plain:
        def read(self, key):
            return None

        def close(self):
            pass

    start_signal = StartSignal()
    made = workload("bank")
    worker = Worker(
        slot=0,
        total_slots=1,
        node="n1",
        host="c1",
        connect=Plain,
        workload=made,
        plan=made.slot(0, 1, slot_random("1", 0)),
        writer=EventWriter(tmp_path / "history.jsonl"),
        start_signal=start_signal,
        arrivals=None,
    )
    worker.run()
    assert isinstance(worker.failure, InputError)
    with pytest.raises(InputError, match="lacks transactions"):
        raise worker.failure
