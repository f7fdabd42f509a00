"""Writes a client host's events to the history, in whole lines, from many threads.

Worker threads put finished lines into a bounded queue in memory; ``flush`` joins what is there and appends it with one
write(2) on a descriptor opened O_APPEND, so that hosts never tear each other's lines. The host flushes every 40 ms: an
invocation is in the file, then, long before its time-out.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from pathlib import Path
from typing import Any

import orjson

from raftmon.setup.errors import RaftmonError

__all__ = ["EventWriter"]

MAX_LINES = 50_000  # held in memory; a writer that finds it full flushes itself
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS


class EventWriter:
    """Appends events. ``first`` and ``step`` make indices unique over hosts: first, first + step, …"""

    def __init__(self, path: Path, first: int = 0, step: int = 1) -> None:
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RaftmonError(f"the history {path} cannot be written: {error.strerror}") from error
        self._path = path
        self._index = itertools.count(first, step)
        self._lines: deque[bytes] = deque()
        self._lock = threading.Lock()

    def put(self, time_ns: int, process: int, kind: str, f: str, key: Any, value: Any, more: dict[str, Any]) -> None:
        """Queue one event (see driver/histories/operation.py); ``more`` are further fields."""
        event = {
            "index": next(self._index),
            "time_ns": time_ns,
            "process": process,
            "type": kind,
            "f": f,
            "key": key,
            "value": value,
            **more,
        }
        self._lines.append(orjson.dumps(event, default=str, option=_OPTIONS))
        if len(self._lines) > MAX_LINES:
            self.flush()

    def flush(self) -> None:
        """Append everything queued so far. Raises RaftmonError if the disk refuses it."""
        with self._lock:
            lines = self._lines
            chunk = b"".join([lines.popleft() for _ in range(len(lines))])
            if not chunk:
                return
            try:
                written = os.write(self._descriptor, chunk)
            except OSError as error:
                raise RaftmonError(f"the history {self._path} cannot be written: {error.strerror}") from error
            if written != len(chunk):  # a line is torn, and the rest would land behind another host's lines
                raise RaftmonError(f"the history {self._path} took {written} of {len(chunk)} bytes: is the disk full?")

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        os.close(self._descriptor)
