"""A run's operations as spans: OTLP's JSON encoding (the collector reads it), and the JSON that Jaeger's UI opens.

One trace a run; the run is the root span, each fault and each operation a child. OTLP 1.x, opentelemetry-proto
``trace/v1/trace.proto``; ids are digests, so that the same run gives the same file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.exports.rows import OPERATION_COLUMNS, RunRows
from raftmon.driver.exports.whole import written_whole

__all__ = ["jaeger", "otlp", "write_jaeger", "write_otlp"]

_CLIENT, _INTERNAL = 3, 1
_OK, _ERROR, _UNSET = 1, 2, 0
_STATUS = {"ok": _OK, "fail": _UNSET, "info": _ERROR}


def write_otlp(rows: RunRows, target: Path) -> int:
    """Write the file; how many spans it has."""
    value = otlp(rows)
    with written_whole(target) as partial:
        partial.write_bytes(orjson.dumps(value))
    return len(value["resourceSpans"][0]["scopeSpans"][0]["spans"])


def write_jaeger(rows: RunRows, target: Path) -> int:
    """Write the file; how many spans it has."""
    value = jaeger(rows)
    with written_whole(target) as partial:
        partial.write_bytes(orjson.dumps(value))
    return len(value["data"][0]["spans"])


def jaeger(rows: RunRows) -> dict[str, Any]:
    """What Jaeger's UI opens (*Search*, *Upload*): the spans of ``otlp``, times in microseconds.

    Format: jaeger ``model/json/model.go``.
    """
    resource = otlp(rows)["resourceSpans"][0]
    spans = resource["scopeSpans"][0]["spans"]
    tags = _tags(resource["resource"]["attributes"])
    service = next(tag["value"] for tag in tags if tag["key"] == "service.name")
    listed = []
    for span in spans:
        parent = {"refType": "CHILD_OF", "traceID": span["traceId"], "spanID": span["parentSpanId"]}
        start_ns, stop_ns = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        failed = span.get("status", {}).get("code") == _ERROR
        listed.append(
            {
                "traceID": span["traceId"],
                "spanID": span["spanId"],
                "operationName": span["name"],
                "references": [parent] if span["parentSpanId"] else [],
                "startTime": start_ns // 1000,
                "duration": max(stop_ns - start_ns, 0) // 1000,
                "tags": _tags(span["attributes"]) + [{"key": "error", "type": "bool", "value": True}] * failed,
                "logs": [],
                "processID": "p1",
            }
        )
    processes = {"p1": {"serviceName": service, "tags": tags}}
    return {"data": [{"traceID": spans[0]["traceId"], "spans": listed, "processes": processes}]}


def _tags(attributes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for one in attributes:
        number = one["value"].get("intValue")
        kind, value = ("string", one["value"].get("stringValue")) if number is None else ("int64", int(number))
        found.append({"key": one["key"], "type": kind, "value": value})
    return found


def otlp(rows: RunRows) -> dict[str, Any]:
    """The ExportTraceServiceRequest as a JSON object."""
    config = rows.config
    resource = {
        "service.name": f"raftmon {config.get('system', '')}".strip(),
        "raftmon.run": str(rows.folder.path),
        "raftmon.verdict": str(rows.results.get("valid", "unknown")),
    }
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": {"name": "raftmon"}, "spans": list(_spans(rows))}],
            }
        ]
    }


def _spans(rows: RunRows) -> Iterator[dict[str, Any]]:
    trace = hashlib.sha256(str(rows.folder.path.name).encode()).hexdigest()[:32]
    root = _id(trace, "run")
    wall_ns, began_ns = rows.wall_ns, rows.began_ns
    ended_ns = rows.results.get("ended_ns") or began_ns
    yield _span(trace, root, "", "run", _INTERNAL, wall_ns, wall_ns + ended_ns - began_ns, {})
    for number, fault in enumerate(rows.results.get("faults") or []):
        if isinstance(fault, dict) and isinstance(fault.get("start_ns"), int):
            start_ns = wall_ns + fault["start_ns"] - began_ns
            stop_ns = wall_ns + (fault.get("stop_ns") or ended_ns) - began_ns
            name = f"fault {fault.get('name')}"
            yield _span(
                trace, _id(trace, f"f{number}"), root, name, _INTERNAL, start_ns, stop_ns, {"did": fault.get("did")}
            )
    for number, row in enumerate(rows.operations()):
        one = dict(zip(OPERATION_COLUMNS, row, strict=True))
        start_ns = wall_ns + round(one["at_s"] * 1e9)
        latency_ms = one["latency_ms"]
        stop_ns = (
            max(start_ns, wall_ns + ended_ns - began_ns) if latency_ms is None else start_ns + round(latency_ms * 1e6)
        )
        told = {f"raftmon.{name}": one[name] for name in ("process", "node", "key", "value", "outcome", "error")}
        made = _span(trace, _id(trace, f"o{number}"), root, one["f"], _CLIENT, start_ns, stop_ns, told)
        yield {**made, "status": {"code": _STATUS.get(one["outcome"], _UNSET)}}


def _id(trace: str, what: str) -> str:
    return hashlib.sha256(f"{trace}/{what}".encode()).hexdigest()[:16]


def _span(
    trace: str, ident: str, parent: str, name: str, kind: int, start_ns: int, stop_ns: int, told: dict[str, Any]
) -> dict[str, Any]:
    return {
        "traceId": trace,
        "spanId": ident,
        "parentSpanId": parent,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(stop_ns),
        "attributes": _attributes({key: value for key, value in told.items() if value is not None}),
    }


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}}
        for key, value in values.items()
    ]
