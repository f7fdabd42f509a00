"""One client thread: takes calls from its plan, does each once, writes down how it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from raftmon.adapters.base import Client, Definite
from raftmon.driver.clients.latency import bucket
from raftmon.driver.histories.event_writer import EventWriter
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.histories.recordable import said, why_not_recordable
from raftmon.driver.workloads.base import Call, OperationResult, ThreadPlan, Workload
from raftmon.driver.workloads.hooks import hooks
from raftmon.driver.workloads.needs import check_client
from raftmon.setup.errors import InputError

__all__ = ["Counts", "StartSignal", "Worker"]

# A closed loop on a node that refuses at once would spin. The pause doubles with each refusal in a row.
FIRST_PAUSE_S = 0.001
LAST_PAUSE_S = 0.05
_SLICE_S = 0.1  # how long a sleeping thread may take to see that it shall stop


class StartSignal:
    """Starts and stops all threads of a host. Times are CLOCK_MONOTONIC ns."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._stopped = threading.Event()
        self.begin_ns = 0
        self.deadline_ns = 0

    def open(self, begin_ns: int, deadline_ns: int) -> None:
        """Let the threads begin at ``begin_ns``."""
        self.begin_ns, self.deadline_ns = begin_ns, deadline_ns
        self._opened.set()

    def stop(self) -> None:
        """No operation starts any more."""
        self._stopped.set()
        self._opened.set()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopped.is_set()

    def wait_open(self) -> bool:
        """Wait for ``open``, then until its time has come; False if it was stopped before."""
        self._opened.wait()
        return self.sleep_until(self.begin_ns)

    def sleep_until(self, due_ns: int) -> bool:
        """Sleep; False if it was stopped meanwhile."""
        while not self._stopped.is_set():
            left_s = (due_ns - time.monotonic_ns()) / 1e9
            if left_s <= 0:
                return True
            time.sleep(min(left_s, _SLICE_S))
        return False


class Counts:
    """What a thread saw; only its thread writes, others may read at any time."""

    __slots__ = ("buckets", "fail", "info", "last_ok_ns", "ok")

    def __init__(self) -> None:
        self.ok = self.fail = self.info = 0
        self.last_ok_ns = 0
        self.buckets: dict[int, int] = {}


class Worker(threading.Thread):
    """A slot. ``process`` is its present process id: ``slot``, and ``total_slots`` more after every unknown outcome."""

    def __init__(
        self,
        *,
        slot: int,
        total_slots: int,
        node: str,
        host: str,
        connect: Callable[[], Client],
        workload: Workload,
        plan: ThreadPlan,
        writer: EventWriter,
        start_signal: StartSignal,
        arrivals: Iterator[int] | None,
    ) -> None:
        super().__init__(name=f"slot-{slot}", daemon=True)
        self.slot = slot
        self.process = slot
        self.node = node
        self.counts = Counts()
        self.connected = threading.Event()
        self.failure: BaseException | None = None
        self.connect_error = ""
        self._total_slots = total_slots
        self._where = {"node": node, "host": host}
        self._connect = connect
        self._workload = workload
        self._hooks = hooks(workload)
        self._plan = plan
        self._put = writer.put
        self._start_signal = start_signal
        self._arrivals = arrivals
        self._client: Client | None = None

    def run(self) -> None:
        """The thread's body. A failure that is raftmon's own ends up in ``failure``."""
        try:
            if self._first_connection() and self._start_signal.wait_open():
                if self._arrivals is None:
                    self._closed_loop()
                else:
                    self._open_loop(self._arrivals)
            self._hang_up()
        except BaseException as error:
            self.failure = error

    def _first_connection(self) -> bool:
        """Connect and prove it by a read outside the workload's keys; reads change nothing, so this may be repeated."""
        while not self._start_signal.stopped:
            try:
                self._client = self._connect()
                self._name_process(self._client)
                self._client.read("raftmon-connect")
                check_client(self._workload, self._client)
                if self.slot == 0:
                    self._hooks.prepare(self._client)
                self.connected.set()
                return True
            except InputError:
                raise
            except Exception as error:
                self.connect_error = f"{type(error).__name__}: {error}"
                self._hang_up()
                time.sleep(_SLICE_S)
        return False

    def _closed_loop(self) -> None:
        pause_s = 0.0
        while not self._start_signal.stopped:
            now_ns = time.monotonic_ns()
            if now_ns >= self._start_signal.deadline_ns:
                break
            call = self._plan.next()
            pause_ms = self._hooks.pause_ms(call)
            if pause_ms > 0:
                due_ns = now_ns + round(pause_ms * 1e6)
                if due_ns >= self._start_signal.deadline_ns or not self._start_signal.sleep_until(due_ns):
                    break
                now_ns = time.monotonic_ns()
            if self._one(call, now_ns, None):
                pause_s = 0.0
            else:
                pause_s = min(max(FIRST_PAUSE_S, 2 * pause_s), LAST_PAUSE_S)
                time.sleep(pause_s)

    def _open_loop(self, arrivals: Iterator[int]) -> None:
        for after_ns in arrivals:
            due_ns = self._start_signal.begin_ns + after_ns
            if due_ns >= self._start_signal.deadline_ns or not self._start_signal.sleep_until(due_ns):
                break
            now_ns = time.monotonic_ns()
            if now_ns >= self._start_signal.deadline_ns:
                break
            self._one(self._plan.next(), now_ns, due_ns)

    def _one(self, call: Call, call_ns: int, due_ns: int | None) -> bool:
        """One operation, sent once. Returns whether the node did its work (a cas that found another value counts)."""
        f, key, process, asked = call.f, call.key, self.process, call
        invoked = self._where if due_ns is None else {**self._where, "due_ns": due_ns}
        self._put(call_ns, process, "invoke", f, key, call.value, invoked)
        result: Any = call.value
        seen: Any = None
        served = True
        more: dict[str, Any] = {}
        try:
            client = self._client if self._client is not None else self._reconnect()
            result = seen = self._workload.perform(client, call)
            if type(result) is OperationResult:
                more = result.extra or {}
                if result.key is not None:  # chosen by the system: the plan shall know it too
                    key = result.key
                    call = call._replace(key=key)
                result = seen = result.value
            outcome = Outcome.OK
        except Definite as error:
            outcome = Outcome.FAIL
            more = {"error": said(error)}
            served = error.has_seen
            if served:
                seen = more["seen"] = error.seen
        except Exception as error:
            outcome = Outcome.INFO
            served = False
            more = {"error": said(error)}
        return_ns = time.monotonic_ns()
        wrong = why_not_recordable(result) or (why_not_recordable([key, more]) if more else None)
        if wrong is not None:  # it was done, perhaps; what came back is not known
            outcome, served, result, key = Outcome.INFO, False, asked.value, asked.key
            more = {"error": f"the adapter returned what no history can hold: {wrong}"}
        self._put(return_ns, process, outcome.value, f, key, result, more)
        self._account(call, outcome, seen, return_ns, return_ns - (call_ns if due_ns is None else due_ns))
        return served

    def _account(self, call: Call, outcome: Outcome, seen: Any, return_ns: int, latency_ns: int) -> None:
        counts = self.counts
        if outcome is Outcome.OK:
            counts.ok += 1
            counts.last_ok_ns = return_ns
            number = bucket(latency_ns)
            counts.buckets[number] = counts.buckets.get(number, 0) + 1
        elif outcome is Outcome.FAIL:
            counts.fail += 1
        else:
            counts.info += 1
            self._retire()
        self._plan.observe(call, outcome, seen)

    def _retire(self) -> None:
        """After an unknown outcome: a new process id, and a new connection that nothing old can come out of."""
        self._hang_up()
        self.process += self._total_slots

    def _reconnect(self) -> Client:
        try:
            self._client = self._connect()
        except Exception as error:
            raise Definite(f"no connection, nothing was sent: {error}") from error
        self._name_process(self._client)
        return self._client

    def _name_process(self, client: Any) -> None:
        if hasattr(client, "process"):  # a client may want to know, for its own log
            client.process = self.process

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                client.close()
            except Exception as error:  # an adapter that breaks its promise shall not end the run
                self.connect_error = f"close: {error}"
