"""A client whose every operation enters the run's history, so that a checker judges what a scenario or a test did."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import Any

from raftmon.adapters.base import Client, Definite, Indefinite
from raftmon.adapters.capabilities import Lock
from raftmon.driver.histories.event_writer import EventWriter
from raftmon.setup.errors import RaftmonError

__all__ = ["FIRST_PROCESS", "HistoryRecorder", "RecordedClient"]

FIRST_PROCESS = 2_000_000_000
"""Process ids of recorded clients begin here, out of the way of workloads and last reads."""


class HistoryRecorder:
    """Writes the operations of recorded clients into one history. Thread-safe."""

    def __init__(self, history: Path) -> None:
        self._events = EventWriter(history, FIRST_PROCESS)
        self._processes = itertools.count(FIRST_PROCESS)
        self._lock = threading.Lock()

    def client(self, inner: Client, node: str) -> RecordedClient:
        """``inner`` recorded, as its own process."""
        return RecordedClient(inner, node, self)

    def next_process(self) -> int:
        """A process id that nobody had."""
        return next(self._processes)

    def put(self, process: int, kind: str, f: str, key: str, value: Any, more: dict[str, Any]) -> None:
        """One event, on disk when this returns."""
        with self._lock:
            self._events.put(time.monotonic_ns(), process, kind, f, key, value, more)
            self._events.flush()

    def close(self) -> None:
        """End the file."""
        with self._lock:
            self._events.close()


class RecordedClient:
    """read, write and cas of ``inner``, each written down as it begins and as it ends.

    Exceptions pass through: Definite is *fail*, everything else *info*, and the process id is retired after it.
    """

    def __init__(self, inner: Client, node: str, recorder: HistoryRecorder) -> None:
        self._inner = inner
        self._node = node
        self._recorder = recorder
        self._process = recorder.next_process()

    def read(self, key: str) -> Any:
        """The value of ``key``, None if it has none."""
        return self._do("read", key, None, lambda: self._inner.read(key))

    def write(self, key: str, value: Any) -> None:
        """Write ``key``."""
        self._do("write", key, value, lambda: self._inner.write(key, value))

    def cas(self, key: str, expected: Any, new: Any) -> None:
        """Write ``new`` if ``key`` holds ``expected``; Definite if it does not."""
        self._do("cas", key, [expected, new], lambda: self._inner.cas(key, expected, new))

    def acquire(self, name: str, ttl_s: float) -> Any:
        """Take a lock under a lease of ``ttl_s`` that nobody renews; its fencing token. Needs the capability Lock."""
        return self._do("acquire", name, None, lambda: self._lock().acquire(name, ttl_s))

    def release(self, name: str, token: Any) -> None:
        """Give a lock back; Definite if it was lost before."""
        self._do("release", name, token, lambda: self._lock().release(name, token))

    def add(self, key: str, element: Any, to: list[Any]) -> None:
        """Add an element to a set that was read as ``to``: overwrites the set that is stored at ``key``."""
        self._do("add", key, element, lambda: self._inner.write(key, [*to, element]))

    def close(self) -> None:
        """Close the client."""
        self._inner.close()

    def _lock(self) -> Lock:
        if not isinstance(self._inner, Lock):
            raise RaftmonError("this system's client has no locks (capability Lock)")
        return self._inner

    def _do(self, f: str, key: str, value: Any, work: Any) -> Any:
        process, put = self._process, self._recorder.put
        put(process, "invoke", f, key, value, {"node": self._node, "host": "scenario"})
        try:
            answer = work()
        except Definite as error:
            more: dict[str, Any] = {"seen": error.seen} if error.has_seen else {"error": str(error)}
            put(process, "fail", f, key, value, more)
            raise
        except BaseException as error:
            self._process = self._recorder.next_process()
            text = str(error) if isinstance(error, Indefinite) else f"{type(error).__name__}: {error}"
            put(process, "info", f, key, value, {"error": text})
            raise
        put(process, "ok", f, key, answer if f in ("read", "acquire") else value, {})
        return answer
