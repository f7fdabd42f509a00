"""One client host's process, as the driver holds it: orders in, reports out (``clients.host`` is its other end)."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from pathlib import Path
from typing import IO, Any

import orjson

from raftmon.driver.clients.config import HostConfig
from raftmon.setup.errors import RaftmonError

__all__ = ["HostProcess"]

_TAIL_BYTES = 4096


class HostProcess:
    """One client host's process and what it last said."""

    def __init__(self, config: HostConfig, process: subprocess.Popen[bytes], log: Path) -> None:
        self.config = config
        self.process = process
        self.log = log
        self.connected = threading.Event()
        self.done = threading.Event()
        self.ended = threading.Event()
        self.error: str | None = None
        self.nodes: dict[str, dict[str, int]] = {}
        self.recent: dict[int, int] = {}
        self.interval_s = 0.0
        self.latencies: dict[int, int] = {}
        self.open = 0
        self.lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, name=f"read-{config.host}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        output: IO[bytes] | None = self.process.stdout
        assert output is not None
        for line in output:
            try:
                self._take(orjson.loads(line))
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):  # an adapter that prints
                continue
        self.ended.set()
        self.connected.set()

    def _take(self, said: dict[str, Any]) -> None:
        event = said["event"]
        if event == "stats":
            fresh = {int(number): count for number, count in said["latencies"].items()}
            with self.lock:
                self.nodes, self.recent, self.interval_s = said["nodes"], fresh, said["interval_s"]
                for number, count in fresh.items():
                    self.latencies[number] = self.latencies.get(number, 0) + count
        elif event == "connected":
            self.connected.set()
        elif event == "done":
            self.open = said["open"]
            self.done.set()
        elif event == "error":
            self.error = said["error"]

    def tell(self, order: dict[str, Any]) -> None:
        """Send an order; one that is gone is noticed elsewhere."""
        stream = self.process.stdin
        assert stream is not None
        with contextlib.suppress(OSError, ValueError):
            stream.write(orjson.dumps(order) + b"\n")
            stream.flush()

    def check(self) -> None:
        """Raise RaftmonError if the host failed or ended before its work was done."""
        if self.error is not None:
            raise RaftmonError(f"client host {self.config.host} failed: {self.error}{self._tail()}")
        if self.ended.is_set() and not self.done.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
            raise RaftmonError(
                f"client host {self.config.host} ended with status {self.process.returncode}{self._tail()}"
            )

    def _tail(self) -> str:
        try:
            text = self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
        except OSError:
            return ""
        return f"\nlast words in {self.log}:\n{text}" if text else f" (nothing in {self.log})"
