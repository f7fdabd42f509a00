"""Porcupine's visualisation (``VisualizePath``: an HTML page, or the JSON inside it) and its operations as JSON.

The page has, a partition, ``History`` with ``ClientId``, ``Start``, ``End`` and ``Description``, which is whatever text
the Go model's ``DescribeOperation`` makes. The usual ones are read: ``get('x') -> 'y'``, ``put('x', 'y')``,
``write(3)``, ``read() -> null``, ``cas(1, 2) -> ok``, ``enqueue(1)``; ``-> unknown`` is an indefinite outcome. A
description that is none of these is a problem that names it. JSON of ``[]porcupine.Operation`` is read where its
``Input`` names the operation in words. (Porcupine's own test data are the formats ``append-kv`` and ``jepsen-log``.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from raftmon.driver.histories.events import Events
from raftmon.driver.histories.model import READABLE

__all__ = ["is_porcupine", "read_porcupine"]

_BEGIN = re.compile(r'\{\s*"Partitions"\s*:|\[\s*\{\s*"History"\s*:|\[\s*\{\s*"ClientId"\s*:')
_CALL = re.compile(r"^\s*([A-Za-z][\w-]*)\s*\((.*?)\)\s*(?:(?:->|→|=>|=|:)\s*(.*?)\s*)?$", re.DOTALL)
_LITERAL = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\[[^\]]*\]|[^,]*?))\s*(?:,|$)""", re.DOTALL)
_NOTHING = frozenset(("", "null", "nil", "void", "none", "<nil>"))
_RESULTS = {"ok": "ok", "true": "ok", "success": "ok", "fail": "fail", "failed": "fail", "false": "fail"}
_DOUBT = frozenset(("unknown", "?", "timeout", "info"))
_NAMES = {"enq": "enqueue", "deq": "dequeue", "get": "get", "read": "read", "inc": "inc", "compareandswap": "cas"}
_READS = frozenset(("get", "read", "dequeue", "pop"))
_OF_TWO = frozenset(("put", "write", "set", "append"))
_OF_ONE = frozenset(
    ("enqueue", "push", "add", "remove", "inc", "dec", "delete", "acquire", "release", "lock", "unlock")
)


def is_porcupine(head: str) -> bool:
    """Whether a file that begins so is a visualisation of Porcupine's, or operations of its as JSON."""
    if "<title>Porcupine</title>" in head:
        return True
    return _BEGIN.match(head.lstrip()) is not None and ('"Description"' in head or '"Input"' in head)


def read_porcupine(text: str) -> Events:
    """The operations of all partitions; problems name the number of the operation, from 1."""
    events = Events()
    if not text.strip():
        return events
    begin = _BEGIN.search(text)
    try:
        found, _ = json.JSONDecoder().raw_decode(text, begin.start() if begin else 0)
    except ValueError as error:
        events.lines = 1
        events.complain(1, f"no JSON of Porcupine's in it: {error}", READABLE)
        return events
    ends: list[tuple[int, int, int, dict[str, Any]]] = []
    for number, (row, partition) in enumerate(_rows(found), 1):
        events.lines = number
        try:
            call, back, event, outcome = _operation(row, partition)
        except ValueError as error:
            events.complain(number, str(error), READABLE)
            continue
        ends.append((call, 1, number, {**event, "type": "invoke", "time_ns": call}))
        if back is not None:
            # what ends when something begins ends first, unless it began then too: one client is never in two
            ends.append((back, 0 if call < back else 2, number, {**event, "type": outcome, "time_ns": back}))
    for _, _, number, event in sorted(ends, key=lambda end: end[:3]):
        events.add(number, event)
    return events


def _rows(found: Any) -> Iterator[tuple[Any, int | None]]:
    """Each operation with the number of its partition, None if there is but one."""
    if isinstance(found, Mapping):
        found = found.get("Partitions")
    listed = found if isinstance(found, list) else []
    if listed and isinstance(listed[0], Mapping) and "History" not in listed[0]:
        yield from ((row, None) for row in listed)
        return
    for number, partition in enumerate(listed):
        history = partition.get("History") if isinstance(partition, Mapping) else None
        for row in history if isinstance(history, list) else ():
            yield row, number if len(listed) > 1 else None


def _operation(row: Any, partition: int | None) -> tuple[int, int | None, dict[str, Any], str]:
    """(call, return or None, fields of the event, outcome). Raises ValueError with what cannot be read."""
    if not isinstance(row, Mapping):
        raise ValueError(f"{row!r:.40} where an operation should be")
    call, back = (row.get(name, row.get(other)) for name, other in (("Start", "Call"), ("End", "Return")))
    if type(call) is not int or (back is not None and type(back) is not int):
        raise ValueError(f"a start or end that is no whole number: {call!r:.20}, {back!r:.20}")
    if "Description" in row:
        f, key, value, outcome = _described(str(row["Description"]))
    else:
        f, key, value, outcome = _of_input(row.get("Input"), row.get("Output"))
    event = {"process": row.get("ClientId", 0), "f": f, "value": value}
    if key is None and partition is not None:
        key = f"partition {partition}"
    if key is not None:
        event["key"] = key
    return call, None if outcome == "info" else back, event, outcome


def _described(text: str) -> tuple[str, Any, Any, str]:
    found = _CALL.match(text)
    if found is None:
        raise ValueError(
            f"the description {text!r:.60} cannot be read: let the Go model's DescribeOperation give "
            "name(arguments) -> result, as in get('x') -> 'y' or put('x', 'y')"
        )
    name, arguments, said = found.groups()
    f = _NAMES.get(name.lower(), name.lower())
    return _meant(f, list(_literals(arguments)), said)


def _meant(f: str, arguments: list[Any], said: str | None) -> tuple[str, Any, Any, str]:
    """(function, key, value, outcome) of a call with these arguments that was answered so."""
    answer = (said or "").strip().lower()
    outcome = "info" if answer in _DOUBT else "fail" if _RESULTS.get(answer) == "fail" and f not in _READS else "ok"
    count = len(arguments)
    if f in _READS and count <= 1:
        value = None if outcome == "info" else next(_literals(said or ""), None)
        return f, arguments[0] if arguments else None, value, outcome
    if f == "cas" and count in (2, 3):
        return f, arguments[0] if count == 3 else None, arguments[-2:], outcome
    if f in _OF_TWO and count in (1, 2):
        return f, arguments[0] if count == 2 else None, arguments[-1], outcome
    if f in _OF_ONE and count <= 2:
        return f, arguments[0] if count == 2 else None, arguments[-1] if arguments else None, outcome
    return f, None, arguments if count > 1 else arguments[0] if arguments else None, outcome


def _literals(text: str) -> Iterator[Any]:
    place = 0
    while place < len(text):
        found = _LITERAL.match(text, place)
        if found is None or found.end() == place:
            return
        place = found.end()
        single, double, bare = found.groups()
        if bare is None:
            yield re.sub(r"\\(.)", r"\1", single if single is not None else double)
        elif bare.lower() in _NOTHING:
            yield None
        else:
            yield _plain(bare)


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _of_input(given: Any, output: Any) -> tuple[str, Any, Any, str]:
    fields = {str(name).lower(): value for name, value in given.items()} if isinstance(given, Mapping) else {}
    f = next((fields[name] for name in ("op", "f", "kind", "type", "method") if name in fields), None)
    if not isinstance(f, str):
        raise ValueError(
            f"the Input {given!r:.60} does not name its operation in words (a field Op: get, put, …): what a number "
            "means only the Go model knows"
        )
    results = {str(name).lower(): value for name, value in output.items()} if isinstance(output, Mapping) else {}
    answer = results.get("value", results.get("result")) if results else output
    f = _NAMES.get(f.lower(), f.lower())
    doubtful = bool(results.get("unknown"))
    value = answer if f in _READS else fields.get("value", fields.get("arg"))
    return f, fields.get("key"), None if doubtful and f in _READS else value, "info" if doubtful else "ok"
