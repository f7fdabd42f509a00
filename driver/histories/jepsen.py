"""Histories of Jepsen, Knossos and Porcupine.

EDN: one map a line (``history.edn``; Porcupine's key-value files too), or one vector of maps. Text: the lines Jepsen
logs (``INFO  jepsen.util - 3<tab>:invoke<tab>:write<tab>4``) and its ``history.txt``. Where every value is a pair
``[key value]``, as ``jepsen.independent`` writes them, the pairs are taken apart.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

from raftmon.driver.histories.edn import EdnError, forms
from raftmon.driver.histories.events import INVOKE, Events
from raftmon.driver.histories.model import READABLE

__all__ = ["read_edn", "read_text_log"]

_ONE_MAP = re.compile(r"\s*(?:#[\w.]+\s*)?\{.*\}\s*$")
_PAIR = re.compile(
    r"""[\s,]*:([\w-]+)\s+(?:(-?\d+)|:([\w.-]+)|(nil)|"([^"\\]*)"|\[((?:\s*(?:-?\d+|nil)(?=[\s,\]]),?)*\s*)\])(?=[\s,}])"""
)
_LOGGED = re.compile(r"(?:^|\s)(:?[\w.-]+)\s+:(invoke|ok|fail|info)\s+:(\S+)(?:\s+(.*?))?\s*$")
_KEYED = frozenset(("read", "write", "cas", "r", "w"))


def read_edn(text: str) -> Events:
    """The events in EDN ``text``, whether a map a line or one vector of maps."""
    events = Events()
    lines = text.split("\n")
    events.lines = len(lines) - (not lines[-1])
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith(";")), "")
    if _ONE_MAP.match(first):
        for number, line in enumerate(lines, 1):
            event = _flat_map(line)
            if event is not None:
                events.add(number, event)
            else:
                _read_forms(events, line, [0], number, last=number == len(lines))
    else:
        starts = [0]
        for line in lines[:-1]:
            starts.append(starts[-1] + len(line) + 1)
        _read_forms(events, text, starts, 1, last=True)
    _take_keys_apart(events)
    return events


def _flat_map(line: str) -> dict[str, Any] | None:
    """One map of plain values, as nearly every line is, read by one regular expression; None for any other line."""
    if not line.startswith("{"):
        return None
    event: dict[str, Any] = {}
    position = 1
    while match := _PAIR.match(line, position):
        position = match.end()
        name, number, keyword, nil, text, numbers = match.groups()
        if number is not None:
            event[name] = int(number)
        elif keyword is not None:
            event[name] = keyword
        elif nil is not None:
            event[name] = None
        elif text is not None:
            event[name] = text
        else:
            event[name] = [None if word == "nil" else int(word) for word in numbers.replace(",", " ").split()]
    return event if line[position:].strip() == "}" and "error" not in event else None


def _read_forms(events: Events, text: str, starts: list[int], first: int, *, last: bool) -> None:
    """Add every map in ``text``; ``starts`` are the positions of its lines, ``first`` the number of the first."""
    if not text.strip():
        return

    def line_of(position: int) -> int:
        return first + bisect_right(starts, position) - 1

    try:
        for position, value in forms(text, flatten=True):
            if isinstance(value, dict):
                events.add(line_of(position), _named(value))
            else:
                events.complain(line_of(position), f"{value!r:.40} where an event should be", READABLE)
    except EdnError as error:
        cut = error.cut and last
        what = "the last line is cut off" if cut else f"no EDN: {error}"
        events.complain(line_of(error.position), what, None if cut else READABLE)


def _named(event: dict[str, Any]) -> dict[str, Any]:
    """Jepsen's names for what we call otherwise; an ``:error`` that is there without a text says it was one."""
    if "error" in event and event["error"] is None:
        del event["error"]
    return event


def read_text_log(text: str) -> Events:
    """The events in a text log; lines that log something else are passed over."""
    events = Events()
    lines = text.split("\n")
    events.lines = len(lines) - (not lines[-1])
    for number, line in enumerate(lines, 1):
        match = _LOGGED.search(line)
        if match is None:
            if "jepsen.util" in line and re.search(r"\s:\w*", line):
                cut = number == len(lines)
                what = "the last line is cut off" if cut else f"no event: {line.strip()!r:.60}"
                events.complain(number, what, None if cut else READABLE)
            elif line.strip():
                events.others += 1
            continue
        _add_logged(events, number, *match.groups())
    _take_keys_apart(events)
    return events


def _add_logged(events: Events, number: int, process: str, kind: str, f: str, rest: str | None) -> None:
    event: dict[str, Any] = {"process": process.lstrip(":"), "type": kind, "f": f, "value": None}
    if process.isdecimal():
        event["process"] = int(process)
    texts = (rest or "").strip()
    if texts.startswith(":") and kind != "invoke":
        event["error"] = texts[1:]
    elif texts:
        try:
            values = [value for _, value in forms(texts)]
        except EdnError as error:
            events.complain(number, f"no EDN: {error}", READABLE)
            return
        event["value"] = values[0] if values else None
        if len(values) > 1 and kind != "invoke":
            event["error"] = " ".join(map(str, values[1:]))
    events.add(number, event)


def _take_keys_apart(events: Events) -> None:
    """Split ``[key value]`` where jepsen.independent put every value into such a pair."""
    if any(key is not None for key in events.key):
        return
    keyed = {code for code, name in enumerate(events.f_names.objects) if name in _KEYED}
    rows = [row for row in range(len(events)) if events.f[row] in keyed]
    calls = [row for row in rows if events.type[row] == INVOKE]
    reads = {code for code in keyed if events.f_names.objects[code] in ("read", "r")}
    if not any(events.f[row] in reads for row in calls):
        return
    values = events.value
    if not all(isinstance(values[row], list) and len(values[row]) == 2 for row in calls):
        return
    if any(values[row][1] is not None for row in calls if events.f[row] in reads):
        return
    for row in rows:
        pair = values[row]
        if isinstance(pair, list) and len(pair) == 2:
            events.key[row], values[row] = pair
