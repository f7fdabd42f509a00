"""The last phase of a run: after the heal, what is stored is read once through every node.

A write that was acknowledged and lost would otherwise only show if some client happened to read its key again. Which
calls these are is the workload's to say (``last_calls``); one that has none is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from raftmon.adapters.base import Adapter, Definite
from raftmon.driver.histories.event_writer import EventWriter
from raftmon.driver.workloads.base import Call, Told, Workload
from raftmon.setup.topology import Host, Topology

__all__ = ["FIRST_PROCESS", "MOST_S", "FinalReads", "read_everything"]

MOST_S = 15.0
"""How long the last reads take at most; past that the keys not yet read stay unread, and the results say so."""

_ALWAYS = 1000  # so few are read in their order
FIRST_PROCESS = 1_000_000_000
"""Process ids of these reads begin here, out of the way of every client's."""


class FinalReads(NamedTuple):
    """How many calls each node was to answer, and how many the one that got least far was asked."""

    wanted: int
    made: int

    def to_json(self) -> dict[str, int]:
        """For ``results.json``."""
        return self._asdict()


def read_everything(
    adapter: Adapter,
    topology: Topology,
    workload: Workload,
    history: Path,
    op_timeout_s: float,
    hosts: int,
    random: Random | None = None,
    say: Callable[[str], None] = lambda _text: None,
    most_s: float = MOST_S,
    check: Callable[[], None] = lambda: None,
) -> FinalReads:
    """Append the workload's last calls, through every node, to ``history``, by a process id a node.

    ``hosts`` is how many client hosts wrote the history: their event indices are interleaved below a multiple of it.
    Where ``most_s`` seconds are too few, the calls that were made are a random sample, the same one at every node.
    """
    calls: list[Call] = getattr(workload, "last_calls", list)()
    if not topology.nodes or not calls:
        return FinalReads(0, 0)
    if len(calls) > _ALWAYS:
        (random or Random(0)).shuffle(calls)
        say(f"last reads: up to {len(calls):,} through each node, for at most {most_s:g} s")
    deadline = time.monotonic() + most_s
    with history.open("rb") as file:
        first = sum(1 for _line in file) * hosts
    events = EventWriter(history, first)
    try:
        with ThreadPoolExecutor(max_workers=len(topology.nodes)) as pool:
            made = list(
                pool.map(
                    lambda numbered: _through(
                        adapter, numbered, workload, calls, events, op_timeout_s, deadline, check
                    ),
                    enumerate(topology.nodes),
                )
            )
    finally:
        events.close()
    return FinalReads(len(calls), min(made))


def _through(
    adapter: Adapter,
    numbered: tuple[int, Host],
    workload: Workload,
    calls: list[Call],
    events: EventWriter,
    op_timeout_s: float,
    deadline: float,
    check: Callable[[], None],
) -> int:
    """The calls through one node until the deadline; how many were made."""
    number, node = numbered
    process = FIRST_PROCESS + number
    place: dict[str, Any] = {"node": node.name, "host": "driver"}
    client = adapter.connect(node, op_timeout_s)
    made = 0
    try:
        for call in calls:
            if time.monotonic() > deadline:
                break
            check()
            made += 1
            events.put(time.monotonic_ns(), process, "invoke", call.f, call.key, call.value, place)
            try:
                value = workload.perform(client, call)
            except Exception as error:  # a read that failed did nothing, however it failed
                text = str(error) if isinstance(error, Definite) else f"{type(error).__name__}: {error}"
                events.put(time.monotonic_ns(), process, "fail", call.f, call.key, call.value, {"error": text})
            else:
                told = value if isinstance(value, Told) else Told(value)
                key = call.key if told.key is None else told.key
                events.put(time.monotonic_ns(), process, "ok", call.f, key, told.value, told.extra or {})
    finally:
        client.close()
    return made
