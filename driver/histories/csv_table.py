"""Histories as a table: CSV with a header, one event or one operation a row; tabs and semicolons are taken too.

Events have the columns ``process, type, f, value`` and, where there are any, ``key, time`` (or ``time_ns``). Operations
have ``process, f, value, call_ns, return_ns`` (or ``start, end``) and ``outcome`` (ok, fail or info; ok where there is
no such column). Cells are JSON where they can be read so, otherwise text; an empty cell is null.
"""

from __future__ import annotations

import csv
from typing import Any

import orjson

from raftmon.driver.histories.events import Events
from raftmon.driver.histories.jepsen import take_keys_apart
from raftmon.driver.histories.model import READABLE

__all__ = ["is_table", "read_csv"]

_NAMES = {
    "client": "process", "thread": "process", "op": "f", "function": "f", "operation": "f", "call": "call_ns",
    "start": "call_ns", "start_ns": "call_ns", "return": "return_ns", "end": "return_ns", "end_ns": "return_ns",
    "status": "outcome", "result": "outcome",
}  # fmt: skip
_DELIMITERS = ",;\t"


def _columns(line: str) -> tuple[list[str], str]:
    delimiter = max(_DELIMITERS, key=line.count)
    names = [cell.strip().strip('"').lower() for cell in line.split(delimiter)]
    return [_NAMES.get(name, name) for name in names], delimiter


def is_table(line: str) -> bool:
    """Whether a first line is the header of such a table."""
    names = set(_columns(line)[0])
    return {"process", "f"} <= names and bool({"type", "call_ns"} & names)


def _cell(text: str) -> Any:
    text = text.strip()
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def read_csv(text: str) -> Events:
    """The events of a table; problems name the line."""
    events = Events()
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines:
        return events
    names, delimiter = _columns(lines[0])
    rows = csv.reader(lines[1:], delimiter=delimiter)
    ends: list[tuple[int, int, dict[str, Any]]] = []
    events.lines = len(lines) - 1
    for cells in rows:
        line = rows.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            events.complain(line, f"{len(cells)} cells under {len(names)} columns", READABLE)
            continue
        row = {name: _cell(cell) for name, cell in zip(names, cells, strict=True)}
        row = {name: value for name, value in row.items() if value is not None or name == "value"}
        if "type" in names:
            events.add(line, row)
        else:
            ends.extend(_both_ends(row, line, events))
    for _, line, event in sorted(ends, key=lambda end: end[0]):
        events.add(line, event)
    take_keys_apart(events)
    return events


def _both_ends(row: dict[str, Any], line: int, events: Events) -> list[tuple[int, int, dict[str, Any]]]:
    """An operation's invocation and, where it has one, completion: (time, line, event)."""
    call, back, outcome = row.pop("call_ns", None), row.pop("return_ns", None), str(row.pop("outcome", "ok")).lower()
    if type(call) is not int or (back is not None and type(back) is not int):
        events.complain(line, f"a call or return that is no whole number of nanoseconds: {call!r}, {back!r}", READABLE)
        return []
    found = [(call, line, {**row, "type": "invoke", "time_ns": call})]
    if back is not None:
        found.append((back, line, {**row, "type": outcome, "time_ns": back}))
    return found
