"""When the ``memory`` system lies, and the log that says about what."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import orjson

from raftmon.setup.errors import InputError

__all__ = ["LIES", "Liar", "LieLog"]

LIES: dict[str, str] = {
    "stale-read": "a read returns a value that was replaced before the read began",
    "lost-write": "a write is acknowledged and forgotten",
    "dirty-cas": "a compare-and-set succeeds though the value was another",
    "phantom-read": "a read returns a value that nobody wrote",
    "false-fail": "a write takes effect and is reported as certainly failed",
    "timeout-applied": "a write or cas takes effect and is reported as unknown (no lie)",
    "timeout-lost": "a write or cas does not take effect and is reported as unknown (no lie)",
}


class LieLog:
    """Appends one JSON object a lie: time_ns, lie, process, key, value."""

    def __init__(self, path: Path | None) -> None:
        self._descriptor = -1
        if path is not None:
            self.open_unless_open(path)

    def open_unless_open(self, path: Path) -> None:
        """Write to ``path`` from now on, unless there is a file already. Raises InputError if it cannot be."""
        if self._descriptor >= 0:
            return
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise InputError(f"the log of lies {path} cannot be written ({error.strerror})") from error

    def write(self, entry: dict[str, Any]) -> None:
        """One line, one write."""
        if self._descriptor >= 0:
            os.write(self._descriptor, orjson.dumps(entry, default=str) + b"\n")


class Liar:
    """Decides when to lie; safe to ask from many threads."""

    def __init__(self, lies: Iterable[str], probability: float, random: Random, log: LieLog) -> None:
        self._lies = frozenset(lies)
        self._probability = probability
        self._random = random
        self._log = log
        self._lock = threading.Lock()
        self._phantoms = 0

    def wants(self, lie: str) -> bool:
        """Whether this lie is switched on and its chance came up."""
        if lie not in self._lies:
            return False
        with self._lock:
            return self._random.random() < self._probability

    def phantom(self) -> str:
        """A value that no workload writes."""
        with self._lock:
            self._phantoms += 1
            return f"phantom-{self._phantoms}"

    def told(self, lie: str, process: int, key: str, value: Any, **more: Any) -> None:
        """Write the lie down."""
        self._log.write(
            {"time_ns": time.monotonic_ns(), "lie": lie, "process": process, "key": key, "value": value, **more}
        )
