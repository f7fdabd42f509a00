"""The run's event log: one JSON object a line, appended by every process of a run.

Each line has ``time_ns`` (CLOCK_MONOTONIC, the clock of the whole run), ``wall`` (UTC, ISO 8601), ``component``
and ``event``. Appends are single writes to a file opened with O_APPEND, so processes do not tear each other's lines.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import orjson
import structlog

from raftmon.setup.errors import NO_ROOM

__all__ = ["EventLog", "open_event_log"]

EventLog = Any  # a structlog bound logger: .info(event, **fields), .warning(...), .error(...)


class _Appender:
    """Writes one whole line with one write(2)."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def msg(self, line: str) -> None:
        try:
            os.write(self._descriptor, line.encode() + b"\n")
        except OSError as error:
            if error.errno not in NO_ROOM:  # a full disk costs the line; what must be kept is somebody else's to say
                raise

    debug = info = warning = error = critical = msg


def _stamp(_logger: object, level: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    fields.setdefault("time_ns", time.monotonic_ns())
    fields["wall"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
    if level != "info":
        fields["level"] = level
    return fields


def _render(_logger: object, _level: str, fields: MutableMapping[str, Any]) -> str:
    return orjson.dumps(dict(fields), default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def open_event_log(path: Path, component: str) -> EventLog:
    """A structlog logger that appends to ``path``; ``component`` (driver, monitor, …) is on every line."""
    return structlog.wrap_logger(
        _Appender(path), processors=[_stamp, _render], wrapper_class=structlog.BoundLogger, component=component
    )
