"""The reports that etcd's robustness tests leave: ``client-N/operations.json`` and ``client-N/watch.json``.

Their shapes are those of etcd's ``tests/robustness/report`` package (main branch, 2024): one JSON object an operation
or a watch, one after the other. Requests that are single puts, deletes and reads of one key become a register's
operations; a transaction whose condition held and whose branch is one put is that put, one whose condition failed did
nothing. Anything else keeps a name of its own, so that a checker says what it passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from raftmon.driver.histories.encodings import text_of
from raftmon.driver.histories.events import Events
from raftmon.driver.histories.model import READABLE

__all__ = ["is_robustness_report", "read_robustness"]

_OPERATIONS, _WATCH = "operations.json", "watch.json"
_LONE = re.compile(  # an escaped surrogate that is no half of a pair: no file can hold it
    r"(?<!\\)(?:\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2})", re.IGNORECASE
)
_TYPES = {"put-operation": "put", "delete-operation": "delete"}


def is_robustness_report(folder: Path) -> bool:
    """Whether the folder holds what a client of etcd's robustness tests reported."""
    return any(folder.glob(f"client-*/{_OPERATIONS}")) or any(folder.glob(f"client-*/{_WATCH}"))


def read_robustness(folder: Path) -> Events:
    """The operations and watches of every client in ``folder``."""
    events = Events()
    rows: list[tuple[int, int, dict[str, Any]]] = []
    for path in sorted(folder.glob(f"client-*/{_OPERATIONS}")):
        for number, item in _objects(path, events):
            rows += _operation(item, path, number, events)
    for path in sorted(folder.glob(f"client-*/{_WATCH}")):
        for number, item in _objects(path, events):
            rows += _watch(item, path.parent.name, number)
    for line, (_, _, event) in enumerate(sorted(rows, key=lambda row: row[:2]), 1):
        events.add(line, event)
    events.lines = len(rows)
    return events


def _objects(path: Path, events: Events) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each object of a file of JSON values one after the other (or in arrays), with its number from 1."""
    text, place, number = _LONE.sub("\\\\ufffd", text_of(path.read_bytes(), str(path))), 0, 0
    decoder = json.JSONDecoder()
    while True:
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
        if place >= len(text):
            return
        try:
            item, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            events.complain(None, f"{path}: no JSON behind object {number}: {error}", READABLE)
            return
        for one in item if isinstance(item, list) else [item]:
            number += 1
            if isinstance(one, dict):
                yield number, one


def _operation(item: dict[str, Any], path: Path, number: int, events: Events) -> list[tuple[int, int, dict[str, Any]]]:
    call, end = item.get("Call"), item.get("Return")
    given, answer = item.get("Input") or item.get("Request") or {}, item.get("Output") or item.get("Response") or {}
    if not isinstance(call, int) or not isinstance(given, dict):
        events.complain(None, f"{path}: object {number} is no operation (Call, Input, Output, Return)", READABLE)
        return []
    f, key, value = _asked(given)
    if f == "write" and _failed_branch(answer):
        kind, error = "fail", "the transaction's condition did not hold"
    else:
        error = str(answer.get("Error") or answer.get("ClientError") or "")
        unknown = bool(error) or "PersistedRevision" in answer or not isinstance(end, int) or not answer
        kind = ("fail" if f in ("read", "range-read") else "info") if unknown else "ok"
    process = f"{path.parent.name}" if kind != "info" else f"{path.parent.name} operation {number}"
    begun = {"type": "invoke", "process": process, "f": f, "key": key, "value": value, "time": call}
    ended = {**begun, "type": kind, "time": end if isinstance(end, int) else call}
    if f == "read" and kind == "ok":
        ended["value"] = _read(answer)
    if error:
        ended["error"] = error
    if isinstance(answer.get("Revision"), int):
        ended["revision"] = answer["Revision"]
    return [(call, 0, begun), (ended["time"], 1, ended)]


def _asked(given: Mapping[str, Any]) -> tuple[str, Any, Any]:
    """(function, key, value) of a request."""
    kind = str(given.get("Type") or "unknown")
    if kind == "range":
        asked = given.get("Range") or {}
        single = not asked.get("End") and not asked.get("Revision")
        return ("read" if single else "range-read", asked.get("Start") or asked.get("Key"), None)
    if kind == "txn":
        done = (given.get("Txn") or {}).get("OperationsOnSuccess") or []
        otherwise = (given.get("Txn") or {}).get("OperationsOnFailure") or []
        writes_otherwise = any(one.get("Type") != "range-operation" for one in otherwise)
        if len(done) == 1 and not writes_otherwise:
            if done[0].get("Type") == "put-operation":
                put = done[0].get("Put") or {}
                return "write", put.get("Key"), _value(put.get("Value"))
            if done[0].get("Type") == "delete-operation" and not (given.get("Txn") or {}).get("Conditions"):
                return "delete", (done[0].get("Delete") or {}).get("Key"), None
            if done[0].get("Type") == "range-operation":
                return "range-read", None, None
        return "transaction", None, None
    return kind, None, None


def _failed_branch(answer: Mapping[str, Any]) -> bool:
    return bool((answer.get("Txn") or {}).get("Failure"))


def _read(answer: Mapping[str, Any]) -> Any:
    found = (answer.get("Range") or {}).get("KVs") or []
    return _value(found[0].get("Value")) if found else None


def _value(value: Any) -> Any:
    """A value; of long ones the reports keep a hash alone."""
    if not isinstance(value, Mapping):
        return value
    return f"hash {value['Hash']}" if not value.get("Value") and value.get("Hash") else value.get("Value")


def _watch(item: dict[str, Any], client: str, number: int) -> list[tuple[int, int, dict[str, Any]]]:
    asked, answers = item.get("Request") or {}, item.get("Responses") or []
    key = asked.get("Key") if asked.get("Key") and not asked.get("WithPrefix") else None
    responses = [
        {
            "revision": response.get("Revision"),
            "time_ns": response.get("Time"),
            "events": [_event(event, bool(asked.get("WithPrevKV"))) for event in response.get("Events") or ()],
        }
        for response in answers
        if isinstance(response, dict) and not response.get("Error")
    ]
    times = [one["time_ns"] for one in responses if isinstance(one["time_ns"], int)] or [0]
    fields = {"start_revision": asked.get("Revision") or 0, "prev_kv": bool(asked.get("WithPrevKV"))}
    process = f"{client} watch {number}"
    begun = {"type": "invoke", "process": process, "f": "watch", "key": key, "value": None, "time": min(times)}
    ended: dict[str, Any] = {**begun, **fields, "type": "ok", "value": responses, "time": max(times)}
    return [(min(times), 0, begun), (max(times), 1, ended)]


def _event(event: Mapping[str, Any], previous: bool) -> dict[str, Any]:
    kind = _TYPES.get(str(event.get("Type")), str(event.get("Type")))
    made = {"type": kind, "key": event.get("Key"), "revision": event.get("Revision")}
    made["value"] = None if kind == "delete" else _value(event.get("Value"))
    if previous:
        before = event.get("PrevValue")
        made["prev"] = before and {"value": _value(before.get("Value")), "revision": before.get("ModRevision")}
    return made
