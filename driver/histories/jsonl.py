"""raftmon's own histories: one JSON object a line (see ``raftmon.driver.histories.operation``).

``_scan.pyx`` reads the lines that are as they should be; every other line is read here, and only there problems are
looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import orjson

from raftmon.driver.histories.events import Events
from raftmon.driver.histories.jepsen import take_keys_apart
from raftmon.driver.histories.model import READABLE
from raftmon.driver.histories.scanning import JSON, Scanner

__all__ = ["read_jsonl"]

_CHUNK_BYTES = 4 << 20
_BOM = b"\xef\xbb\xbf"


def read_jsonl(file: BinaryIO) -> Events:
    """The events in ``file``; lines that are none are told as problems."""
    events = Events()
    scanner = Scanner(events, JSON)
    number, keyed = 1, False
    for block, last in _blocks(file):
        position = 0
        keyed = keyed or b'"key"' in block
        while position < len(block):
            position, number = scanner.scan(block, position, number)
            if position < len(block):  # a line of another kind
                end = block.find(b"\n", position)
                end = len(block) if end < 0 else end
                _add(events, number, block[position:end], cut=last and end == len(block))
                position, number = end + 1, number + 1
    events.lines = number - 1
    if not keyed:
        take_keys_apart(events)
    return events


def _blocks(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Pieces of the file that end with a line, and whether each is the last one, which may end without a newline."""
    head = file.read(len(_BOM))
    waiting = [] if head == _BOM else [head]  # of a line that has not ended yet
    while more := file.read(_CHUNK_BYTES):
        end = more.rfind(b"\n") + 1
        if end:
            yield b"".join((*waiting, more[:end])), False
            waiting.clear()
        waiting.append(more[end:])
    rest = b"".join(waiting)
    if rest:
        yield rest, True


def _add(events: Events, number: int, line: bytes, *, cut: bool) -> None:
    if not line.strip():
        return
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        what = "the last line is cut off" if cut else f"no JSON: {error}"
        events.complain(number, what, None if cut else READABLE)
        return
    if isinstance(event, dict):
        events.add(number, event)
    else:
        events.complain(number, f"a JSON {type(event).__name__} where an event should be", READABLE)
