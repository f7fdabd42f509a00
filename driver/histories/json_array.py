"""Histories as one JSON array of events, as ``jq -s`` and several test harnesses write them."""

from __future__ import annotations

from typing import BinaryIO

import orjson

from raftmon.driver.histories.encodings import text_of
from raftmon.driver.histories.events import Events
from raftmon.driver.histories.jepsen import take_keys_apart
from raftmon.driver.histories.model import READABLE

__all__ = ["read_json_array"]


def read_json_array(file: BinaryIO) -> Events:
    """The events in ``file``; problems name the number of the event, from 1, instead of a line."""
    events = Events()
    text = text_of(file.read())
    if not text.strip():
        return events
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        events.lines = 1
        events.complain(1, f"no JSON array: {error}", READABLE)
        return events
    listed = items if isinstance(items, list) else [items]
    events.lines = len(listed)
    for number, item in enumerate(listed, 1):
        if isinstance(item, dict):
            events.add(number, item)
        else:
            events.complain(number, f"{item!r:.40} where an event should be", READABLE)
    take_keys_apart(events)
    return events
