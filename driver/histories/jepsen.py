"""Histories of Jepsen, Knossos and Porcupine.

EDN: one map a line (``history.edn``; Porcupine's key-value files too), or one vector of maps. Text: the lines Jepsen
logs (``INFO  jepsen.util - 3<tab>:invoke<tab>:write<tab>4``) and its ``history.txt``. Where every value is a pair
``[key value]``, as ``jepsen.independent`` writes them, the pairs are taken apart.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

from raftmon.driver.histories.edn import EdnError, first_form, forms
from raftmon.driver.histories.events import INVOKE, Events
from raftmon.driver.histories.model import READABLE

__all__ = ["read_edn", "read_text_log", "take_keys_apart"]

_ONE_MAP = re.compile(r"\s*(?:#[\w.]+\s*)?\{.*\}\s*$")
_PAIR = re.compile(
    r"""[\s,]*:([\w-]+)\s+(?:(-?\d{1,4000})|:([\w.-]+)|(nil)|"([^"\\]*)"|\[((?:\s*(?:-?\d{1,4000}|nil)(?=[\s,\]]),?)*\s*)\])(?=[\s,}])"""
)
_LOGGED = re.compile(r"(?:^|\s)(:?[\w.-]+)\s+:(invoke|ok|fail|info)\s+:(\S+)(?:\s+(.*?))?\s*$")
_MOST_LINES = 200  # that one event may be printed over


def read_edn(text: str) -> Events:
    """The events in EDN ``text``, whether a map a line (or over several) or one vector of maps."""
    events = Events()
    lines = text.split("\n")
    events.lines = len(lines) - (not lines[-1])
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith(";")), "")
    if first.lstrip().startswith("{") or _ONE_MAP.match(first):
        _read_lines(events, lines)
    else:
        starts = [0]
        for line in lines[:-1]:
            starts.append(starts[-1] + len(line) + 1)
        _read_forms(events, text, starts, 1, last=True)
    take_keys_apart(events)
    return events


def _read_lines(events: Events, lines: list[str]) -> None:
    """One map a line, or, where a value was printed over several lines, one a group of lines."""
    number = 0
    while number < len(lines):
        line = lines[number]
        event = _flat_map(line)
        if event is not None:
            events.add(number + 1, event)
            number += 1
            continue
        group = 1
        while _is_cut(line) and number + group < len(lines) and group < _MOST_LINES:
            line += "\n" + lines[number + group]
            group += 1
        if _is_cut(line):  # it never ends: the lines behind it are read by themselves
            line, group = lines[number], 1
        starts = [0]
        for part in line.split("\n")[:-1]:
            starts.append(starts[-1] + len(part) + 1)
        _read_forms(events, line, starts, number + 1, last=number + group == len(lines))
        number += group


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
    may stand in the value's place, as a keyword that is not what was asked for.
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

    It is decided once for the whole history: every call carries a pair with a plain key, what comes back carries the
    same key, and one call at least is no ``cas``, whose plain value is a pair too.
    """
    if any(key is not None for key in events.key):
        return
    values = events.value
    names = events.f_names.objects
    calls = [row for row in range(len(events)) if events.type[row] == INVOKE]
    if not calls or not all(_is_keyed(values[row]) for row in calls):
        return
    if all(names[events.f[row]] in ("cas", "compare-and-set") for row in calls):
        return
    waiting: dict[int, Any] = {}
    for row, value in enumerate(values):
        process = events.process[row]
        if events.type[row] == INVOKE:
            waiting[process] = value[0]
        elif value is not None and process in waiting and not (_is_keyed(value) and value[0] == waiting[process]):
            return
    for row, value in enumerate(values):
        if _is_keyed(value):
            events.key[row], values[row] = value


def _is_keyed(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and not isinstance(value[0], list | dict) and value[0] is not None
    )
