"""The last phase of a run: after the heal, what is stored is read once through every node.

A write that was acknowledged and lost would otherwise only show if some client happened to read its key again. Which
calls these are is the workload's to say (``last_calls``); one that has none is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from random import Random
from typing import Any

from raftmon.adapters.base import Adapter, Definite
from raftmon.driver.histories.event_writer import EventWriter
from raftmon.driver.histories.recordable import said, why_not_recordable
from raftmon.driver.results.facts import FinalReads
from raftmon.driver.run.progress import progress_line
from raftmon.driver.workloads.base import Call, OperationResult, Workload
from raftmon.driver.workloads.hooks import hooks
from raftmon.setup.topology import Host, Topology

__all__ = ["FIRST_PROCESS", "MOST_S", "FinalReader"]

MOST_S = 15.0
"""How long the last reads take at most; past that the keys not yet read stay unread, and the results say so."""

_SAY_S = 4.0
_ALWAYS = 1000  # so few are read in their order
FIRST_PROCESS = 1_000_000_000
"""Process ids of these reads begin here, out of the way of every client's."""


class FinalReader:
    """Reads once through every node what a workload's last calls name.

    - ``random`` chooses which calls are left out where ``most_s`` seconds are too few: the same ones at every node.
    - ``say`` is told of a bound on the reads, ``check`` is called before each and may raise.
    """

    def __init__(
        self,
        adapter: Adapter,
        topology: Topology,
        workload: Workload,
        op_timeout_s: float,
        *,
        random: Random | None = None,
        say: Callable[[str], None] = lambda _text: None,
        check: Callable[[], None] = lambda: None,
        most_s: float = MOST_S,
    ) -> None:
        self._adapter = adapter
        self._topology = topology
        self._workload = workload
        self._op_timeout_s = op_timeout_s
        self._random = random or Random(0)
        self._say = say
        self._check = check
        self._most_s = most_s
        self._made = 0

    def read_into(self, history: Path) -> FinalReads:
        """Append the workload's last calls, through every node, to ``history``, by a process id a node.

        Where the time is too short for all of them, the calls that were made are a random sample.
        """
        calls = hooks(self._workload).last_calls()
        if not self._topology.nodes or not calls:
            return FinalReads(0, 0)
        if len(calls) > _ALWAYS:
            self._random.shuffle(calls)
            self._say(f"last reads: up to {len(calls):,} through each node, for at most {self._most_s:g} s")
        deadline = time.monotonic() + self._most_s
        with history.open("rb") as file:  # client hosts interleave their indices: all lie below a multiple of the lines
            first = sum(1 for _line in file) * len(self._topology.clients)
        events = EventWriter(history, first)
        try:
            with ThreadPoolExecutor(max_workers=len(self._topology.nodes)) as pool:
                through = [
                    pool.submit(self._through, node, FIRST_PROCESS + number, calls, events, deadline)
                    for number, node in enumerate(self._topology.nodes)
                ]
                self._wait(through, len(calls))
                made = [each.result() for each in through]
        finally:
            events.close()
        return FinalReads(len(calls), min(made))

    def _wait(self, through: list[Future[int]], count: int) -> None:
        """Until all reads are made; now and then a word on how far they are."""
        began_s = time.monotonic()
        while wait(through, _SAY_S).not_done:
            elapsed_s = time.monotonic() - began_s
            share = max(self._made / (count * len(through)), elapsed_s / self._most_s)  # whichever ends them
            self._say(progress_line("last reads", elapsed_s, min(share, 1.0), self._most_s))

    def _through(self, node: Host, process: int, calls: list[Call], events: EventWriter, deadline: float) -> int:
        """The calls through one node until the deadline; how many were made."""
        place: dict[str, Any] = {"node": node.name, "host": "driver"}
        client = self._adapter.connect(node, self._op_timeout_s)
        made = 0
        try:
            for call in calls:
                if time.monotonic() > deadline:
                    break
                self._check()
                made += 1
                self._made += 1  # of all threads; an estimate, it need not be exact
                events.put(time.monotonic_ns(), process, "invoke", call.f, call.key, call.value, place)
                try:
                    value = self._workload.perform(client, call)
                except Exception as error:  # a read that failed did nothing, however it failed
                    text = said(error) if isinstance(error, Definite) else f"{type(error).__name__}: {said(error)}"
                    events.put(time.monotonic_ns(), process, "fail", call.f, call.key, call.value, {"error": text})
                else:
                    told = value if isinstance(value, OperationResult) else OperationResult(value)
                    key = call.key if told.key is None else told.key
                    wrong = why_not_recordable([key, told.value, told.extra])
                    if wrong is not None:
                        text = f"the adapter returned what no history can hold: {wrong}"
                        events.put(time.monotonic_ns(), process, "fail", call.f, call.key, call.value, {"error": text})
                        continue
                    events.put(time.monotonic_ns(), process, "ok", call.f, key, told.value, told.extra or {})
        finally:
            client.close()
        return made
