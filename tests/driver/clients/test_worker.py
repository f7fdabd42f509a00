import time

import orjson
import pytest

from raftmon.adapters.base import Definite, Indefinite
from raftmon.driver.clients.worker import StartSignal, Worker
from raftmon.driver.histories.event_writer import EventWriter
from raftmon.driver.workloads.base import slot_random
from raftmon.driver.workloads.register import RegisterWorkload

TOTAL = 4
SLOT = 1


class Script:
    """A system whose clients do what a list says, and which stops the worker when the list is empty."""

    def __init__(self, start_signal, steps):
        self.start_signal = start_signal
        self.steps = list(steps)
        self.calls = []
        self.connections = []

    def connect(self):
        if self.steps and self.steps[0] == "unreachable" and self.connections:
            self._step()
            raise OSError("no route")
        client = ScriptClient(self)
        self.connections.append(client)
        return client

    def _step(self):
        step = self.steps.pop(0)
        if not self.steps:
            self.start_signal.stop()
        return step


class ScriptClient:
    def __init__(self, script):
        self.script = script
        self.process = None
        self.closed = 0

    def read(self, key):
        if key == "raftmon-connect":
            return None
        return self.do("read", key)

    def write(self, key, value):
        self.do("write", key, value)

    def cas(self, key, expected, new):
        self.do("cas", key, expected, new)

    def do(self, *call):
        assert not self.closed
        self.script.calls.append((self.process, *call))
        step = self.script._step()
        if isinstance(step, Exception):
            raise step
        return step

    def close(self):
        self.closed += 1


def work(tmp_path, steps, arrivals=None, duration_s=60.0, begin_ns=None, weights=None):
    start_signal = StartSignal()
    script = Script(start_signal, steps)
    workload = RegisterWorkload(keys=2, **(weights or {"reads": 0, "writes": 1, "cas": 0}))
    writer = EventWriter(tmp_path / "h")
    worker = Worker(
        slot=SLOT,
        total_slots=TOTAL,
        node="n2",
        host="c1",
        connect=script.connect,
        workload=workload,
        plan=workload.slot(SLOT, TOTAL, slot_random("1", SLOT)),
        writer=writer,
        start_signal=start_signal,
        arrivals=arrivals,
    )
    begin_ns = begin_ns or time.monotonic_ns()
    start_signal.open(begin_ns, begin_ns + int(duration_s * 1e9))
    worker.start()
    worker.join(30)
    assert not worker.is_alive()
    if worker.failure:
        raise worker.failure
    writer.close()
    events = [orjson.loads(line) for line in (tmp_path / "h").read_bytes().splitlines()]
    return worker, script, events


def test_every_call_is_done_once_and_written_down_as_invoke_and_completion(tmp_path):
    _, script, events = work(tmp_path, [None, None, None])
    assert len(script.calls) == 3
    assert [event["type"] for event in events] == ["invoke", "ok"] * 3
    assert [call[-1] for call in script.calls] == [event["value"] for event in events[::2]]
    assert events[0]["node"] == "n2"
    assert events[0]["host"] == "c1"


@pytest.mark.parametrize("error", [Indefinite("gone"), ConnectionResetError("reset"), KeyError("an adapter's bug")])
def test_after_an_unknown_outcome_the_process_id_is_retired_and_the_connection_is_new(tmp_path, error):
    worker, script, events = work(tmp_path, [None, error, None])
    assert [event["type"] for event in events] == ["invoke", "ok", "invoke", "info", "invoke", "ok"]
    assert [event["process"] for event in events] == [1, 1, 1, 1, 5, 5]
    assert len(script.connections) == 2
    assert script.connections[0].closed == 1
    assert [call[0] for call in script.calls] == [1, 1, 5]
    assert worker.process == SLOT + TOTAL


def test_nothing_is_ever_sent_again_whatever_the_error(tmp_path):
    _, script, events = work(tmp_path, [Indefinite("?"), Definite("no"), RuntimeError("bug"), Indefinite("?"), None])
    values = [call[-1] for call in script.calls]
    assert len(values) == len(set(values)) == 5
    assert sum(event["type"] == "invoke" for event in events) == 5


def test_a_definite_failure_keeps_process_and_connection(tmp_path):
    _, script, events = work(tmp_path, [Definite("refused"), None])
    assert [(event["type"], event["process"]) for event in events] == [
        ("invoke", 1), ("fail", 1), ("invoke", 1), ("ok", 1),
    ]  # fmt: skip
    assert events[1]["error"] == "refused"
    assert len(script.connections) == 1


def test_a_failed_cas_says_what_it_saw_and_the_next_one_expects_it(tmp_path):
    weights = {"reads": 0, "writes": 0, "cas": 1}
    _, script, events = work(tmp_path, [Definite("other", seen=99, has_seen=True)] * 8, weights=weights)
    assert all(event["seen"] == 99 for event in events if event["type"] == "fail")
    assert script.calls[-1][3] == 99


def test_what_was_read_is_the_value_of_the_ok_event(tmp_path):
    _, _, events = work(tmp_path, [17, None], weights={"reads": 1, "writes": 0, "cas": 0})
    assert [event["value"] for event in events] == [None, 17, None, None]


def test_without_a_connection_nothing_was_sent_so_the_operation_failed(tmp_path):
    _, script, events = work(tmp_path, [Indefinite("?"), "unreachable", None])
    assert [event["type"] for event in events] == ["invoke", "info", "invoke", "fail", "invoke", "ok"]
    assert "no connection" in events[3]["error"]
    assert len(script.calls) == 2


def test_no_operation_starts_after_the_deadline(tmp_path):
    past_ns = time.monotonic_ns() - 10_000_000_000
    _, script, events = work(tmp_path, [None], begin_ns=past_ns, duration_s=1.0)
    assert events == []
    assert script.calls == []


def test_an_open_loop_counts_latency_from_when_the_operation_should_have_started(tmp_path):
    late_ns = 5_000_000_000
    begin_ns = time.monotonic_ns() - late_ns
    worker, _, events = work(tmp_path, [None, None], arrivals=iter([0, 1_000_000]), begin_ns=begin_ns)
    invoked = [event for event in events if event["type"] == "invoke"]
    assert [event["due_ns"] - begin_ns for event in invoked] == [0, 1_000_000]
    assert all(event["time_ns"] - event["due_ns"] >= late_ns - 1_000_000 for event in invoked)
    from raftmon.driver.clients.latency import bucket_ms

    assert all(bucket_ms(number) > 4500 for number in worker.counts.buckets)
    assert sum(worker.counts.buckets.values()) == 2


def test_counts_are_of_outcomes(tmp_path):
    worker, _, _ = work(tmp_path, [None, Definite("no"), Indefinite("?"), None])
    assert (worker.counts.ok, worker.counts.fail, worker.counts.info) == (2, 1, 1)


HOLDS_ITSELF: list = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


class Wordless:
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "nan, which JSON does not have"),
        ([1, {"a": float("inf")}], "inf, which JSON does not have"),
        (HOLDS_ITSELF, "no JSON value (Recursion limit reached)"),
        (1 << 64, "an integer beyond 64 bits"),
        ({"a": [1 << 80]}, "no JSON value"),
        ("\ud800", "no JSON value"),
        (Wordless(), "no JSON value"),
        ("x" * (1 << 20), "1,048,578 bytes long, more than 1,048,576"),
    ],
)
def test_a_value_that_no_history_can_hold_makes_the_operation_unknown_and_says_why(tmp_path, value, words):
    _, _, events = work(tmp_path, [value, 7], weights={"reads": 1, "writes": 0, "cas": 0})
    assert [event["type"] for event in events] == ["invoke", "info", "invoke", "ok"]
    assert words in events[1]["error"]
    assert events[1]["error"].startswith("the adapter returned what no history can hold: ")
    assert events[3]["value"] == 7


@pytest.mark.parametrize(
    "value", [0, -(1 << 63), (1 << 64) - 1, 0.5, "ä", [1, "b", None], {"a": {"b": []}}, None, True]
)
def test_ordinary_values_are_written_down_as_they_are(tmp_path, value):
    _, _, events = work(tmp_path, [value, 7], weights={"reads": 1, "writes": 0, "cas": 0})
    assert events[1]["type"] == "ok"
    assert events[1]["value"] == value


def test_an_error_that_no_history_can_hold_is_written_down_as_far_as_it_can_be(tmp_path):
    _, _, events = work(tmp_path, [Definite("a\ud800b"), Definite("y" * 20_000), None])
    assert [event["type"] for event in events[1::2]] == ["fail", "fail", "ok"]
    assert events[1]["error"] == "a?b"
    assert len(events[3]["error"]) == 10_000
