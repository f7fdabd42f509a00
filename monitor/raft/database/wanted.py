"""Readers of a live run's messages say so: the recorder decodes at once while somebody waits, else when it has time."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

__all__ = ["WANTED", "LiveConnection", "want"]

WANTED = "messages.wanted"
"""Beside ``messages.sqlite`` while it is written; its time of change is when somebody last asked for messages."""
_AGAIN_S = 0.3


def want(folder: Path) -> None:
    """Ask for messages; nothing where no recorder works in the folder."""
    with contextlib.suppress(OSError):
        os.utime(folder / WANTED)


class LiveConnection(sqlite3.Connection):
    """A connection whose every query asks the recorder not to let messages wait."""

    folder: Path | None = None
    _asked_s = 0.0

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """As ``sqlite3.Connection.execute``."""
        if self.folder is not None and (now_s := time.monotonic()) - self._asked_s > _AGAIN_S:
            self._asked_s = now_s
            want(self.folder)
        return super().execute(sql, parameters)
