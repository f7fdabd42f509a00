"""reckon's result file from a run's folder: a JSON list of what its clients would have told.

An entry is ``{"kind": "result", "t_submitted", "t_result", "result", "op_kind", "clientid", "other"}``; times are Unix
seconds, ``result`` is ``Success`` or the error, ``clientid`` the number of the client host from 0 as a text, ``other``
has ``target`` (the node asked) and ``expected_start`` (when the operation should have started). Operations that never
ended are left out, as reckon cuts them off.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.run_folder import CONFIG, RunFolder
from raftmon.setup.errors import InputError

__all__ = ["reckon_results", "write_results"]


def reckon_results(events: Iterable[dict[str, Any]], wall_minus_monotonic_ns: int) -> list[dict[str, Any]]:
    """Entries for the events of a history (see driver/histories/operation.py), by the time they ended."""

    def seconds(time_ns: int) -> float:
        return (time_ns + wall_minus_monotonic_ns) / 1e9

    entries = []
    calls: dict[int, dict[str, Any]] = {}
    for event in events:
        if event["type"] == "invoke":
            calls[event["process"]] = event
            continue
        call = calls.pop(event["process"], None)
        host = str(call.get("host")) if call else ""
        if call is None or not host.startswith("c") or call["f"] not in ("read", "write"):
            continue
        error = event.get("error") or ("" if event["type"] == "ok" else event["type"])
        entries.append(
            {
                "kind": "result",
                "t_submitted": seconds(call["time_ns"]),
                "t_result": seconds(event["time_ns"]),
                "result": error or "Success",
                "op_kind": call["f"],
                "clientid": str(int(host[1:]) - 1),
                "other": {"target": call.get("node"), "expected_start": seconds(call.get("due_ns", call["time_ns"]))},
            }
        )
    return entries


def write_results(folder: RunFolder, target: Path) -> int:
    """Write reckon's result file for a run; returns how many entries it has. Raises InputError if it cannot."""
    config = folder.load(CONFIG) or {}
    apart_ns = int(config.get("wall_ns", 0)) - int(config.get("monotonic_ns", 0))
    with folder.history.open("rb") as lines:
        entries = reckon_results((orjson.loads(line) for line in lines if line.endswith(b"\n")), apart_ns)
    try:
        target.write_bytes(orjson.dumps(entries))
    except OSError as error:
        raise InputError(f"--result-location {target} cannot be written: {error.strerror}") from error
    return len(entries)
