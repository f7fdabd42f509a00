"""Histories of Jepsen, Knossos and Porcupine.

EDN: one map a line (``history.edn``; Porcupine's key-value files too), or one vector of maps. Text: the lines Jepsen
logs (``INFO  jepsen.util - 3<tab>:invoke<tab>:write<tab>4``) and its ``history.txt``. Where every value is a pair
``[key value]``, as ``jepsen.independent`` writes them, the pairs are taken apart.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

import numpy as np

from raftmon.driver.histories.edn import EdnError, first_form, forms
from raftmon.driver.histories.events import INVOKE, NESTED, OK, Events, shape_of
from raftmon.driver.histories.model import READABLE
from raftmon.driver.histories.scanning import EDN, Scanner, ScannerInPython

__all__ = ["read_edn", "read_text_log", "take_keys_apart"]

_ONE_MAP = re.compile(rb"\s*(?:#[\w.]+\s*)?\{.*\}\s*$")
_OPENING = re.compile(rb"[\s,]*[\[(]")
_PAIR = re.compile(
    r"""[\s,]*:([\w-]+)\s+(?:(-?\d{1,4000})|:([\w.-]+)|(nil)|"([^"\\]*)"|\[((?:\s*(?:-?\d{1,4000}|nil)(?=[\s,\]]),?)*\s*)\])(?=[\s,}])"""
)
_LOGGED = re.compile(r"(?:^|\s)(:?[\w.-]+)\s+:(invoke|ok|fail|info)\s+:(\S+)(?:\s+(.*?))?\s*$")
_MOST_LINES = 200  # that one event may be printed over


def read_edn(data: bytes) -> Events:
    """The events in EDN (UTF-8), whether a map a line (or over several) or one vector of maps."""
    events = Events()
    events.lines = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    scanner = Scanner(events, EDN)
    first = _first_line(data)
    if first.lstrip().startswith(b"{") or _ONE_MAP.match(first):
        _read_lines(events, scanner, data)
    else:
        _read_vector(events, scanner, data)
    take_keys_apart(events)
    return events


def _first_line(data: bytes) -> bytes:
    """The first line that says something."""
    begin = 0
    while begin < len(data):
        end = data.find(b"\n", begin)
        end = len(data) if end < 0 else end
        line = data[begin:end].strip()
        if line and not line.startswith(b";"):
            return line
        begin = end + 1
    return b""


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _read_lines(events: Events, scanner: ScannerInPython, data: bytes) -> None:
    """One map a line, or, where a value was printed over several lines, one a group of lines."""
    position, number = 0, 1
    while position < len(data):
        position, number = scanner.scan(data, position, number)
        if position >= len(data):
            return
        end = _line_end(data, position)
        line = _text(data[position:end])
        event = _flat_map(line)
        if event is not None:
            events.add(number, event)
            position, number = end + 1, number + 1
            continue
        group, behind = 1, end
        while _is_cut(line) and behind < len(data) and group < _MOST_LINES:
            behind, start = _line_end(data, behind + 1), behind + 1
            line += "\n" + _text(data[start:behind])
            group += 1
        if _is_cut(line):  # it never ends: the lines behind it are read by themselves
            line, group, behind = _text(data[position:end]), 1, end
        _read_forms(events, line, number, last=behind + 1 >= len(data))
        position, number = behind + 1, number + group


def _line_end(data: bytes, begin: int) -> int:
    end = data.find(b"\n", begin)
    return len(data) if end < 0 else end


def _read_vector(events: Events, scanner: ScannerInPython, data: bytes) -> None:
    """One vector of maps: as many as the scanner takes, then the rest by the full rules."""
    opening = _OPENING.match(data)
    if opening is None:
        _read_forms(events, _text(data), 1, last=True)
        return
    opener = opening.group()[-1:]
    position, number = scanner.scan_values(data, opening.end(), 1 + opening.group().count(b"\n"))
    _read_forms(events, _text(opener + data[position:]), number, last=True)


def _is_cut(text: str) -> bool:
    """Whether ``text`` ends inside a value."""
    try:
        for _ in forms(text):
            pass
    except EdnError as error:
        return error.cut
    return False


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


def _read_forms(events: Events, text: str, first: int, *, last: bool) -> None:
    """Add every map in ``text``, whose first line has the number ``first``."""
    if not text.strip():
        return
    starts = [0]
    for line in text.split("\n")[:-1]:
        starts.append(starts[-1] + len(line) + 1)

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
    sent: dict[str, Any] = {}
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
        _add_logged(events, number, sent, *match.groups())
    take_keys_apart(events)
    return events


def _add_logged(
    events: Events, number: int, sent: dict[str, Any], process: str, kind: str, f: str, rest: str | None
) -> None:
    """One event of a log; ``sent`` holds what each process asked for last.

    Behind the function stands the value, and behind that, as free text, the error; where an operation failed, the error
    may be in the value's place, as a keyword that is not what was asked for.
    """
    event: dict[str, Any] = {"process": process.lstrip(":"), "type": kind, "f": f, "value": None}
    if process.isdecimal():
        event["process"] = int(process)
    text = (rest or "").strip()
    if text:
        try:
            event["value"], error = first_form(text)
        except EdnError as found:
            events.complain(number, f"no EDN: {found}", READABLE)
            return
        if kind == "invoke":
            sent[process] = event["value"]
        elif kind in ("fail", "info"):
            if text.startswith(":") and not error and event["value"] != sent.get(process):
                event["value"], error = None, text[1:]
            if error:
                event["error"] = error
    if kind != "invoke":
        sent.pop(process, None)
    events.add(number, event)


def take_keys_apart(events: Events) -> None:
    """Split ``[key value]`` where ``jepsen.independent`` put every value into such a pair, whatever the functions are.

    It is decided once for the whole history: every call carries a pair with a plain key, what is acknowledged carries
    the same key, and one call at least is no ``cas``, whose plain value is a pair too.
    """
    if any(events.key):
        return
    values = events.value
    names = events.f_names.objects
    calls = np.flatnonzero(np.frombuffer(events.type, np.int8) == INVOKE)
    shapes = np.frombuffer(events.shape, np.int8)
    if not len(calls) or (shapes[calls] != NESTED).any() or not all(_is_keyed(values[row]) for row in calls.tolist()):
        return
    del shapes  # an array that is looked at cannot grow
    if all(names[code] in ("cas", "compare-and-set") for code in {events.f[row] for row in calls.tolist()}):
        return
    waiting: dict[int, Any] = {}
    for row, value in enumerate(values):
        process = events.process[row]
        if events.type[row] == INVOKE:
            waiting[process] = value[0]
        elif events.type[row] != OK:
            continue  # what stands in a failed completion may be an error
        elif value is not None and process in waiting and not (_is_keyed(value) and value[0] == waiting[process]):
            return
    for row, value in enumerate(values):
        if _is_keyed(value):
            events.key[row], values[row] = events.keys.code(value[0]), value[1]
            events.shape[row] = shape_of(value[1])


def _is_keyed(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and not isinstance(value[0], list | dict) and value[0] is not None
    )
