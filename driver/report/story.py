"""What the report's time axis shows: a run's operations, faults, leaders, rates and messages as one JSON value.

Times are seconds from the clients' first operation. What is too much for one page is thinned here: ``notes`` says of
what how much is shown. Rates and quantiles are counted over everything. Whatever is missing or torn is left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.model import NEVER, OUTCOMES, Columns
from raftmon.driver.report.story_messages import message_story, text_of
from raftmon.setup.errors import RaftmonError

__all__ = ["MAX_OPERATIONS", "build_story", "events_of", "faults_of"]

MAX_OPERATIONS = 12_000  # dots on the page
BINS = 400
_MAX_EVENTS = 2_000
_OUTCOME_CODES = {"ok": 0, "fail": 1, "info": 2}
_LOST = 3


def build_story(folder: Path, results: dict[str, Any]) -> dict[str, Any]:
    """Everything on the axis. ``results`` is the content of results.json, empty while a run is on."""
    columns = _columns(folder)
    began_ns = _began_ns(folder, results, columns)
    notes: list[str] = []
    faults = _faults(results, began_ns)
    events = list(_events(folder / "events.jsonl", began_ns))
    faults = faults or faults_of(events)
    moments = [time for fault in faults for time in (fault["start"], fault["stop"]) if time is not None]
    story: dict[str, Any] = {"faults": faults, "outages": _outages(results)}
    story["said"] = [event for event in events if event["event"] == "status"]
    story["events"] = [event for event in events if event["event"] != "status"]
    story |= message_story(folder / "messages.sqlite", began_ns, moments, notes)
    if columns is not None and len(columns):
        story["operations"] = _operations(columns, began_ns, _anomalies(results), notes, story.pop("indexes", {}))
        story["service"] = _service(columns, began_ns)
    story.pop("indexes", None)
    story["notes"] = notes
    story["end"] = _end(story)
    return story


def _columns(folder: Path) -> Columns | None:
    try:
        return read_history(folder / "history.jsonl").columns
    except RaftmonError:
        return None


def _began_ns(folder: Path, results: dict[str, Any], columns: Columns | None) -> int:
    began = results.get("began_ns")
    if isinstance(began, int):
        return began
    if columns is not None and len(columns):
        return int(columns.call_ns.min())
    try:
        return int(orjson.loads((folder / "config.json").read_bytes())["monotonic_ns"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _seconds(time_ns: Any, began_ns: int) -> float | None:
    return round((time_ns - began_ns) / 1e9, 6) if isinstance(time_ns, int) else None


def _faults(results: dict[str, Any], began_ns: int) -> list[dict[str, Any]]:
    found = []
    for fault in results.get("faults") or []:
        if isinstance(fault, dict) and isinstance(fault.get("start_ns"), int):
            receipt = fault.get("receipt")
            found.append(
                {
                    "name": text_of(fault.get("name")),
                    "start": _seconds(fault["start_ns"], began_ns),
                    "stop": _seconds(fault.get("stop_ns"), began_ns),
                    "did": text_of(fault.get("did") or fault.get("error") or ""),
                    "receipt": _receipt(receipt),
                }
            )
    return found


def _receipt(receipt: Any) -> str:
    if not isinstance(receipt, dict):
        return text_of(receipt) if receipt else ""
    return ": ".join(text_of(receipt[name]) for name in ("verdict", "sentence") if receipt.get(name))


def faults_of(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The faults of a run that has no results yet, from rows of ``events_of``."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        name = event.get("fault")
        if not name:
            continue
        if event["event"] == "fault healed" and name in found:
            found[name]["stop"] = event["t"]
        elif event["event"] == "fault started":
            row = {"name": name, "start": event["t"], "stop": None, "did": event["text"], "receipt": ""}
            found.setdefault(name, row)
    return list(found.values())


def _outages(results: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"start": row["start_s"], "stop": row["start_s"] + row["ms"] / 1e3}
        for row in results.get("outages") or []
        if isinstance(row, dict)
        and isinstance(row.get("start_s"), int | float)
        and isinstance(row.get("ms"), int | float)
    ]


def _events(path: Path, began_ns: int) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return iter(())
    return events_of(lines[-_MAX_EVENTS:], began_ns)


def events_of(lines: Iterable[bytes], began_ns: int) -> Iterator[dict[str, Any]]:
    """Of lines of events.jsonl: faults, kills, changes of rules with their authors, what nodes said of themselves."""
    for line in lines:
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if not isinstance(event, dict) or not isinstance(event.get("time_ns"), int):
            continue
        name = text_of(event.get("event", ""))
        row = {"t": _seconds(event["time_ns"], began_ns), "event": name, "node": text_of(event.get("node") or "")}
        if name == "status":
            row |= {"term": event.get("term"), "role": text_of(event.get("role") or "")}
        elif event.get("component") == "monitor" or "fault" in event or name.startswith(("node ", "workload ")):
            words = [event.get(key) for key in ("sentence", "author", "trigger", "rule", "what")]
            row["text"] = ", ".join(text_of(word) for word in words if word)
            row["fault"] = text_of(event.get("fault") or "")
            row["author"] = text_of(event.get("author") or "")
        else:
            continue
        yield row


def _anomalies(results: dict[str, Any]) -> set[int]:
    """Indexes of operations that a checker's counterexample names."""
    found: set[int] = set()
    checkers = results.get("checkers")
    for result in checkers.values() if isinstance(checkers, dict) else ():
        shown = result.get("counterexample") if isinstance(result, dict) else None
        for one in (shown.get("operations") or []) if isinstance(shown, dict) else []:
            index = one.get("index") if isinstance(one, dict) else one
            if isinstance(index, int):
                found.add(index)
    return found


def _operations(
    columns: Columns, began_ns: int, anomalies: set[int], notes: list[str], indexes: dict[tuple[str, str], int]
) -> dict[str, Any]:
    """The dots: everything that did not succeed or is part of an anomaly, and of the rest every k-th."""
    count = len(columns)
    codes = np.array([_OUTCOME_CODES[outcome.value] for outcome in OUTCOMES])[np.asarray(columns.outcome)]
    odd = np.flatnonzero(codes != 0)
    if len(odd) > MAX_OPERATIONS // 2:
        odd = odd[:: -(-len(odd) // (MAX_OPERATIONS // 2))]
    blamed = np.flatnonzero(np.isin(np.asarray(columns.index), list(anomalies))) if anomalies else odd[:0]
    plain = np.flatnonzero(codes == 0)
    plain = plain[:: max(1, -(-len(plain) // max(MAX_OPERATIONS - len(odd), 1)))]
    rows = np.unique(np.concatenate([odd, plain, blamed]))
    if len(rows) < count:
        notes.append(
            f"{len(rows):,} of {count:,} operations are drawn: evenly thinned, anomalies all kept; "
            "throughput and quantiles count all of them"
        )
    keys: dict[str, int] = {}
    names: dict[str, int] = {}
    places: dict[str, int] = {}
    table = []
    blame = set(blamed.tolist())
    for row in rows.tolist():
        call_ns, return_ns = int(columns.call_ns[row]), int(columns.return_ns[row])
        node, key = text_of(columns.places[int(columns.place[row])][0] or ""), columns.keys.objects[columns.key[row]]
        value = columns.value[row]
        name, shown = columns.f_names[int(columns.f[row])], text_of(value)[:60]
        written = value[-1] if isinstance(value, list | tuple) and value else value
        table.append(
            [
                round((call_ns - began_ns) / 1e9, 5),
                None if return_ns == NEVER else round((return_ns - call_ns) / 1e6, 3),
                _LOST if row in blame else int(codes[row]),
                int(columns.process[row]),
                places.setdefault(node, len(places)),
                names.setdefault(name, len(names)),
                keys.setdefault(text_of(key)[:60], len(keys)),
                shown,
                text_of(columns.rare.get(row, {}).get("error") or "")[:120],
                indexes.get((text_of(key), text_of(written))) if name != "read" else None,
            ]
        )
    return {"rows": table, "keys": list(keys), "names": list(names), "nodes": list(places), "count": count}


def _service(columns: Columns, began_ns: int) -> dict[str, Any]:
    """Per bin: how many operations ended ok or otherwise, and the quantiles of the latency of those that did ok."""
    call = (np.asarray(columns.call_ns) - began_ns) / 1e9
    returned = np.asarray(columns.return_ns)
    codes = np.array([_OUTCOME_CODES[outcome.value] for outcome in OUTCOMES])[np.asarray(columns.outcome)]
    start, end = float(call.min()), float(call.max()) + 1e-3
    edges = np.linspace(start, end, BINS + 1)
    counts = [np.histogram(call[codes == code], edges)[0].tolist() for code in range(3)]
    good = (codes == 0) & (returned != NEVER)
    latency = (returned[good] - np.asarray(columns.call_ns)[good]) / 1e6
    place = np.minimum(np.searchsorted(edges, call[good], side="right") - 1, BINS - 1)
    order = np.argsort(place, kind="stable")
    parts = np.split(latency[order], np.searchsorted(place[order], np.arange(1, BINS)))
    return {
        "start": start,
        "bin": (end - start) / BINS,
        "counts": counts,
        "p50": [_quantile(part, 50) for part in parts],
        "p99": [_quantile(part, 99) for part in parts],
    }


def _quantile(part: NDArray[np.float64], share: float) -> float | None:
    return round(float(np.percentile(part, share)), 3) if len(part) else None


def _end(story: dict[str, Any]) -> float:
    times = [1.0]
    with contextlib.suppress(KeyError, IndexError):
        times.append(story["service"]["start"] + story["service"]["bin"] * BINS)
    times += [story["messages"]["rows"][-1][1]] if story.get("messages", {}).get("rows") else []
    times += [fault["stop"] or fault["start"] for fault in story["faults"]]
    times += [row["t"] for row in story["said"]]
    return max(times)
