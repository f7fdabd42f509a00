"""One client host: its threads, and the lines it exchanges with the driver.

On stdin, JSON lines: ``{"op": "begin", "at_ns": …, "duration_s": …}`` and ``{"op": "stop"}``; the end of stdin is a
stop too. On stdout, JSON lines: ``connected`` once, ``stats`` every 500 ms (counts since the start, and latencies since
the last line), ``done`` at the end, ``error`` where raftmon itself failed. Times are CLOCK_MONOTONIC ns.
"""

from __future__ import annotations

import functools
import gc
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson

from raftmon.adapters.base import Adapter
from raftmon.adapters.hooks import hooks
from raftmon.adapters.systems import system
from raftmon.driver.clients.arrivals import arrivals_ns
from raftmon.driver.clients.config import HostConfig
from raftmon.driver.clients.worker import StartSignal, Worker
from raftmon.driver.histories.event_writer import EventWriter
from raftmon.driver.workloads.base import slot_random
from raftmon.driver.workloads.workloads import workload
from raftmon.setup.errors import EXIT_INTERNAL, RaftmonError

__all__ = ["run_host"]

FLUSH_S = 0.04
STATS_NS = 500_000_000
GRACE_S = 0.5  # beyond the operations' own time-out
_MAX_LINE = 1 << 16


def run_host(config: HostConfig) -> int:
    """Do all that ``config`` says; returns the exit status. Ends the process where a client thread hangs."""
    output = os.dup(1)
    os.dup2(2, 1)  # what an adapter prints goes to the log and not between our lines
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver says when to stop
    adapter = system(config.plan.system, config.plan.options)
    hooks(adapter).use_folder(Path(config.folder))
    writer = EventWriter(Path(config.history), config.host_number, config.hosts)
    start_signal = StartSignal()
    workers = _workers(config, adapter, writer, start_signal)
    gc.freeze()  # imports and set-up are not garbage
    gc.set_threshold(50_000, 20, 100)
    host = _Host(config, writer, start_signal, workers, output)
    try:
        status = host.run()
    except RaftmonError as error:
        host.say({"event": "error", "error": str(error)})
        status = error.exit_status
    except Exception:
        host.say({"event": "error", "error": traceback.format_exc()})
        status = EXIT_INTERNAL
    if any(worker.is_alive() for worker in workers):  # in C code, past its time-out: nothing can join it
        sys.stderr.flush()
        os._exit(status)
    return status


def _workers(config: HostConfig, adapter: Adapter, writer: EventWriter, start_signal: StartSignal) -> list[Worker]:
    work = workload(config.plan.workload, config.plan.parameters)
    nodes = {node.name: node for node in config.nodes}
    made = []
    for slot in config.slots:
        arrivals: Iterator[int] | None = None
        if config.plan.rate is not None:
            random = Random(f"{config.plan.seed}/{slot}/arrivals")
            arrivals = arrivals_ns(config.plan.arrival, config.plan.rate, slot, config.plan.slots, random)
        name = config.targets[slot]
        made.append(
            Worker(
                slot=slot,
                total_slots=config.plan.slots,
                node=name,
                host=config.host,
                connect=functools.partial(adapter.connect, nodes[name], config.plan.op_timeout_s),
                workload=work,
                plan=work.slot(slot, config.plan.slots, slot_random(config.plan.seed, slot)),
                writer=writer,
                start_signal=start_signal,
                arrivals=arrivals,
            )
        )
    return made


class _Host:
    """The main thread: reads orders, flushes events, says how it goes."""

    def __init__(
        self, config: HostConfig, writer: EventWriter, start_signal: StartSignal, workers: list[Worker], output: int
    ) -> None:
        self._config = config
        self._output = output
        self._writer = writer
        self._start_signal = start_signal
        self._workers = workers
        self._selector = selectors.DefaultSelector()
        self._selector.register(0, selectors.EVENT_READ)
        os.set_blocking(0, False)
        self._input = b""
        self._said_ns = time.monotonic_ns()
        self._said_buckets: dict[int, int] = {}
        self._begun = False

    def say(self, message: dict[str, Any]) -> None:
        """One line to the driver; a driver that is gone ends the host."""
        try:
            line = orjson.dumps({"host": self._config.host, "time_ns": time.monotonic_ns(), **message})
            os.write(self._output, line + b"\n")
        except BrokenPipeError:
            self._start_signal.stop()

    def run(self) -> int:
        for worker in self._workers:
            worker.start()
        if not self._wait_connected():
            self.say({"event": "done", "open": 0})
            return 0
        self.say({"event": "connected"})
        grace_ns = int((self._config.plan.op_timeout_s + GRACE_S) * 1e9)
        end_ns: int | None = None
        while any(worker.is_alive() for worker in self._workers):
            self._turn()
            now_ns = time.monotonic_ns()
            if end_ns is None and (
                self._start_signal.stopped or (self._begun and now_ns >= self._start_signal.deadline_ns)
            ):
                end_ns = now_ns + grace_ns
            if end_ns is not None and now_ns >= end_ns:
                break  # what is in flight stays open in the history
        self._start_signal.stop()
        self._check_workers()
        self._writer.flush()
        self._say_stats()
        self.say({"event": "done", "open": sum(worker.is_alive() for worker in self._workers)})
        return 0

    def _wait_connected(self) -> bool:
        give_up_ns = time.monotonic_ns() + int(self._config.plan.connect_timeout_s * 1e9)
        while not self._start_signal.stopped:
            self._turn()
            waiting = [worker for worker in self._workers if not worker.connected.is_set()]
            if not waiting:
                return True
            if time.monotonic_ns() >= give_up_ns:
                first = waiting[0]
                raise RaftmonError(
                    f"client host {self._config.host}: {len(waiting)} of {len(self._workers)} clients got no answer in "
                    f"{self._config.plan.connect_timeout_s:g} s; the first from {first.node}: {first.connect_error}"
                )
        return False

    def _turn(self) -> None:
        """Wait for an order or the next flush, whichever is first."""
        if self._selector.get_map() and self._selector.select(FLUSH_S):
            self._read_orders()
        elif not self._selector.get_map():
            time.sleep(FLUSH_S)
        self._writer.flush()
        self._check_workers()
        if time.monotonic_ns() - self._said_ns >= STATS_NS:
            self._say_stats()

    def _read_orders(self) -> None:
        data = os.read(0, _MAX_LINE)
        if not data:
            self._selector.unregister(0)
            self._start_signal.stop()
            return
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            order = orjson.loads(line)
            if order["op"] == "begin":
                self._start_signal.open(order["at_ns"], order["at_ns"] + int(order["duration_s"] * 1e9))
                self._begun = True
            elif order["op"] == "stop":
                self._start_signal.stop()

    def _check_workers(self) -> None:
        for worker in self._workers:
            if worker.failure is not None:
                raise worker.failure

    def _say_stats(self) -> None:
        nodes: dict[str, dict[str, int]] = {}
        buckets: dict[int, int] = {}
        for worker in self._workers:
            counts = worker.counts
            node = nodes.setdefault(worker.node, {"ok": 0, "fail": 0, "info": 0, "last_ok_ns": 0})
            node["ok"] += counts.ok
            node["fail"] += counts.fail
            node["info"] += counts.info
            node["last_ok_ns"] = max(node["last_ok_ns"], counts.last_ok_ns)
            for number, count in counts.buckets.copy().items():
                buckets[number] = buckets.get(number, 0) + count
        before = self._said_buckets
        fresh = {str(n): count - before.get(n, 0) for n, count in buckets.items() if count != before.get(n, 0)}
        self._said_buckets = buckets
        now_ns = time.monotonic_ns()
        interval_s = (now_ns - self._said_ns) / 1e9
        self._said_ns = now_ns
        self.say({"event": "stats", "nodes": nodes, "latencies": fresh, "interval_s": interval_s})
