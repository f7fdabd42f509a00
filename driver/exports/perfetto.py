"""A run as a trace for Perfetto (ui.perfetto.dev) and chrome://tracing: the Trace Event Format, JSON.

Tracks: a thread for each client process with its operations, for each node with its role and its messages, one for the
faults. A message is a flow (an arrow) from a slice on its sender's track to one on its receiver's. Times are in
microseconds from the clients' first operation. Format: "Trace Event Format", Chromium project.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.exports.rows import MESSAGE_COLUMNS, OPERATION_COLUMNS, RunRows
from raftmon.driver.exports.whole import written_whole

__all__ = ["trace_events", "write_perfetto"]

CLIENTS, NODES, FAULTS = 1, 2, 3
_NAMES = {CLIENTS: "clients", NODES: "nodes", FAULTS: "faults"}
_FLIGHT_US = 100.0  # the monitor sees a message once, in the middle of its way
_SLICE_US = 60.0


def write_perfetto(rows: RunRows, target: Path, most_messages: int) -> tuple[int, int]:
    """Write the trace; (events written, messages left out because there were more than ``most_messages``)."""
    count = 0
    left_out = [0]
    with written_whole(target) as partial, partial.open("wb") as file:
        file.write(b'{"displayTimeUnit": "ms", "traceEvents": [\n')
        for count, event in enumerate(trace_events(rows, most_messages, left_out), 1):
            file.write((b"" if count == 1 else b",\n") + orjson.dumps(event))
        file.write(b"\n]}\n")
    return count, left_out[0]


def trace_events(rows: RunRows, most_messages: int, left_out: list[int]) -> Iterator[dict[str, Any]]:
    """Every event of the trace; ``left_out[0]`` counts the messages beyond the limit."""
    for pid, name in _NAMES.items():
        yield {"ph": "M", "pid": pid, "tid": 0, "name": "process_name", "args": {"name": name}}
        yield {"ph": "M", "pid": pid, "tid": 0, "name": "process_sort_index", "args": {"sort_index": pid}}
    yield from _operations(rows)
    yield from _messages(rows, most_messages, left_out)
    yield from _faults(rows)


def _thread(pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": pid, "tid": tid, "name": "thread_name", "args": {"name": name}}


def _operations(rows: RunRows) -> Iterator[dict[str, Any]]:
    seen: set[int] = set()
    for row in rows.operations():
        one = dict(zip(OPERATION_COLUMNS, row, strict=True))
        process = one["process"]
        if process not in seen:
            seen.add(process)
            yield _thread(CLIENTS, process, f"process {process}")
        latency_ms = one["latency_ms"]
        yield {
            "ph": "X",
            "pid": CLIENTS,
            "tid": process,
            "cat": f"operation,{one['outcome']}",
            "name": f"{one['f']} {one['key'] or ''} {'' if one['outcome'] == 'ok' else one['outcome']}".strip(),
            "ts": round(one["at_s"] * 1e6, 3),
            "dur": round((latency_ms if latency_ms is not None else 0.0) * 1e3, 3),
            "args": {name: one[name] for name in ("value", "outcome", "node", "error") if one[name] is not None},
        }


def _messages(rows: RunRows, most: int, left_out: list[int]) -> Iterator[dict[str, Any]]:
    nodes: dict[str, int] = {}
    for number, row in enumerate(rows.messages(), 1):
        if number > most:
            left_out[0] += 1
            continue
        one = dict(zip(MESSAGE_COLUMNS, row, strict=True))
        ends = [one["source"] or "?", one["target"] or "?"]
        for end in ends:
            if end not in nodes:
                nodes[end] = len(nodes) + 1
                yield _thread(NODES, nodes[end], end)
        arguments = {name: value for name, value in one.items() if value is not None and name != "at_s"}
        begin_us = one["at_s"] * 1e6 - _FLIGHT_US / 2
        common = {"pid": NODES, "cat": "message", "name": one["kind"]}
        lost = one["delivered"] == 0
        for end, at_us, flow in ((ends[0], begin_us, "s"), (ends[1], begin_us + _FLIGHT_US, "f")):
            if flow == "f" and lost:
                continue  # no arrow arrives: it was dropped
            where = {**common, "tid": nodes[end], "ts": round(at_us, 3)}
            yield {**where, "ph": "X", "dur": _SLICE_US, "args": arguments}
            if not lost:
                yield {**where, "ph": flow, "id": number, **({"bp": "e"} if flow == "f" else {})}


def _faults(rows: RunRows) -> Iterator[dict[str, Any]]:
    began_ns = rows.began_ns
    for number, fault in enumerate(rows.results.get("faults") or [], 1):
        if not isinstance(fault, dict) or not isinstance(fault.get("start_ns"), int):
            continue
        stop_ns = fault.get("stop_ns") or rows.results.get("ended_ns") or fault["start_ns"]
        yield _thread(FAULTS, number, str(fault.get("name")))
        yield {
            "ph": "X",
            "pid": FAULTS,
            "tid": number,
            "cat": "fault",
            "name": str(fault.get("did") or fault.get("name")),
            "ts": (fault["start_ns"] - began_ns) / 1e3,
            "dur": max(0, stop_ns - fault["start_ns"]) / 1e3,
            "args": {"nodes": fault.get("nodes"), "links": fault.get("links"), "receipt": fault.get("receipt")},
        }
