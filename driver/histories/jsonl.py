"""raftmon's own histories: one JSON object a line (see ``raftmon.driver.histories.operation``), read in bulk.

A chunk of lines is parsed as one JSON array and taken column by column; a chunk in which anything at all is odd is
gone through line by line, and only then are problems looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from operator import itemgetter
from typing import Any, BinaryIO

import orjson

from raftmon.driver.histories.events import TYPES, Events
from raftmon.driver.histories.model import READABLE, too_deep

__all__ = ["read_jsonl"]

_CHUNK_BYTES = 4 << 20
_FIELDS = ("type", "process", "f", "time_ns", "key", "value")
_QUICK = frozenset((*_FIELDS, "index", "node", "host"))
_take = itemgetter(*_FIELDS)


def read_jsonl(file: BinaryIO) -> Events:
    """The events in ``file``; lines that are none are told as problems."""
    events = Events()
    for first, lines, whole in _chunks(file):
        events.lines = first + len(lines) - 1
        try:
            rows = orjson.loads(b"[" + b",".join(lines) + b"]")
        except orjson.JSONDecodeError:
            rows = None
        if rows is None or len(rows) != len(lines) or not _add_quickly(events, first, rows):
            _add_slowly(events, first, lines, whole)
    return events


def _chunks(file: BinaryIO) -> Iterator[tuple[int, list[bytes], bool]]:
    """(number of the first line, lines, whether the last one ended in a newline)."""
    first = 1
    for lines in iter(lambda: file.readlines(_CHUNK_BYTES), []):
        if first == 1:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        yield first, lines, lines[-1].endswith(b"\n")
        first += len(lines)


def _add_quickly(events: Events, first: int, rows: list[Any]) -> bool:
    """Append ``rows`` column by column if every one is as it should be; say whether it was done."""
    try:
        kinds, processes, functions, times, keys, values = zip(*map(_take, rows), strict=True)
        codes = [TYPES[kind] for kind in kinds]
    except (KeyError, TypeError):
        return False
    if set(map(type, processes)) != {int} or set(map(type, times)) != {int} or set(map(type, functions)) != {str}:
        return False
    if max(times) >= 2**62 or min(times) <= -(2**62) or max(processes) >= 2**62 or min(processes) <= -(2**62):
        return False
    nested = [item for column in (keys, values) for item in column if type(item) is list or type(item) is dict]
    if any(map(too_deep, nested)):
        return False
    indexes = [row.get("index") for row in rows]
    if not set(map(type, indexes)) <= {int, type(None)}:
        return False
    start = len(events)
    names = {name: events.f_names.code(name) for name in set(functions)}
    places = [(row.get("node"), row.get("host")) for row in rows]
    try:
        known = {place: events.places.code(place) for place in set(places)}
    except TypeError:
        return False
    events.line.extend(range(first, first + len(rows)))
    events.time.extend(times)
    events.process.extend(processes)
    events.type.extend(codes)
    events.f.extend(map(names.__getitem__, functions))
    events.key.extend(keys)
    events.value.extend(values)
    events.index.extend(indexes)
    events.place.extend(map(known.__getitem__, places))
    for number, row in zip(count(start), rows, strict=False):
        if not row.keys() <= _QUICK:
            events.rare[number] = {name: value for name, value in row.items() if name not in _QUICK}
    return True


def _add_slowly(events: Events, first: int, lines: Iterable[bytes], whole: bool) -> None:
    listed = list(lines)
    for number, line in enumerate(listed, first):
        if not line.strip():
            continue
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            cut = not whole and number == first + len(listed) - 1
            what = "the last line is cut off" if cut else f"no JSON: {error}"
            events.complain(number, what, None if cut else READABLE)
            continue
        if isinstance(event, dict):
            events.add(number, event)
        else:
            events.complain(number, f"a JSON {type(event).__name__} where an event should be", READABLE)
