"""A register in memory that can lie: the driver and the checkers are tested with it, without a cluster.

It lives inside the client host's process, so a run with it has exactly one client host (``one_host``). Each operation
takes effect at one moment between its call and its return, under a lock: without lies every history is linearizable.

Lies are told so that they *can* be seen, and each is written to ``lies_log`` with process, key, value and time: a test
compares the log with what a checker names. ``timeout-applied`` and ``timeout-lost`` are no lies but the two honest
meanings of an unknown outcome; a history with them is still right.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from raftmon.adapters.base import Client, Definite, Indefinite, NodeCommand
from raftmon.adapters.memory_lies import LIES, Liar, LieLog
from raftmon.adapters.memory_register import MARGIN_NS, Register
from raftmon.adapters.options import Options
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.topology import Host, Topology

__all__ = ["LIES", "MemoryAdapter"]


class MemoryAdapter:
    """The register and its lies.

    Options: ``lie`` (names from ``LIES``, with commas or as a list), ``lie_probability`` (of each chance to tell one,
    default 0.05), ``latency_ms`` (mean time an operation takes, default 1; 0 is none), ``lie_seed``,
    ``lies_log`` (path of the log of lies; else ``lies.jsonl`` in the run's folder).
    """

    name = "memory"
    nodes_needed = False
    one_host = True

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        given = Options(self.name, options)
        lies = given.words("lie")
        probability = given.number("lie_probability", 0.05, least=0, most=1)
        latency_ms = given.number("latency_ms", 1, least=0, most=10_000)
        seed = given.text("lie_seed", "0")
        log = given.text("lies_log", None)
        given.done()
        for lie in lies:
            if lie not in LIES:
                raise InputError(f"the system memory knows no lie {lie!r}; it knows {', '.join(LIES)}")
        self._latency_s = float(latency_ms or 0) / 1e3
        self._seed = seed
        self._register = Register()
        self._log = LieLog(Path(log) if log else None)
        self._liar = Liar(lies, float(probability or 0), Random(f"{seed}/lies"), self._log)
        self._clients = 0
        self._lock = threading.Lock()

    def use_folder(self, folder: Path) -> None:
        """Called by a client host with the run's folder: the log of lies goes there unless it was given a path."""
        self._log.open_unless_open(folder / "lies.jsonl")

    def command(self, node: Host, topology: Topology, folder: Path) -> NodeCommand:
        """There is nothing to start."""
        raise RaftmonError("the system memory has no nodes to start")

    def ready(self, node: Host, topology: Topology, timeout_s: float) -> bool:
        """Always."""
        return True

    def connect(self, node: Host, timeout_s: float) -> Client:
        """A client on the one register; ``node`` is only a name here."""
        with self._lock:
            self._clients += 1
            number = self._clients
        return MemoryClient(self._register, self._liar, self._latency_s, Random(f"{self._seed}/latency/{number}"))


class MemoryClient:
    """One thread's view of the register. ``process`` is set by the driver, for the log of lies."""

    def __init__(self, register: Register, liar: Liar, latency_s: float, random: Random) -> None:
        self.process = -1
        self._register = register
        self._liar = liar
        self._latency_s = latency_s
        self._random = random

    def _wait(self) -> None:
        """Half of the operation's time: once before its moment and once after, so that operations overlap."""
        if self._latency_s:
            time.sleep(self._random.expovariate(2 / self._latency_s))

    def read(self, key: str) -> Any:
        """What ``key`` holds, or a lie."""
        called_ns = time.monotonic_ns()
        self._wait()
        value = self._register.read(key)
        if self._liar.wants("stale-read"):
            stale = self._register.stale(key, called_ns - MARGIN_NS)
            if stale is not None:
                value = stale.value
                self._liar.told("stale-read", self.process, key, value)
        elif self._liar.wants("phantom-read"):
            value = self._liar.phantom()
            self._liar.told("phantom-read", self.process, key, value)
        self._wait()
        return value

    def write(self, key: str, value: Any) -> None:
        """Set ``key``, or lie about it."""
        called_ns = time.monotonic_ns()
        self._wait()
        if self._liar.wants("lost-write"):
            self._liar.told("lost-write", self.process, key, value)
            self._wait()
            return
        if self._liar.wants("timeout-lost"):
            raise Indefinite("timed out (it did not happen)")
        version = self._register.write(key, value, called_ns)
        if self._liar.wants("timeout-applied"):
            raise Indefinite("timed out (it did happen)")
        if self._liar.wants("false-fail"):
            self._liar.told("false-fail", self.process, key, value)
            raise Definite("refused (it did happen)")
        self._wait()
        version.answered_ns = time.monotonic_ns()

    def cas(self, key: str, expected: Any, new: Any) -> None:
        """Set ``key`` if it holds ``expected``, or lie about it."""
        called_ns = time.monotonic_ns()
        self._wait()
        if self._liar.wants("timeout-lost"):
            raise Indefinite("timed out (it did not happen)")
        version, seen = self._register.cas(key, expected, new, called_ns)
        if version is None and self._liar.wants("dirty-cas"):
            version = self._register.write(key, new, called_ns)
            self._liar.told("dirty-cas", self.process, key, [expected, new], found=seen)
        elif version is not None and self._liar.wants("timeout-applied"):
            raise Indefinite("timed out (it did happen)")
        self._wait()
        if version is None:
            raise Definite(f"{key} was {seen!r}, not {expected!r}", seen=seen, has_seen=True)
        version.answered_ns = time.monotonic_ns()

    def close(self) -> None:
        """Nothing to close."""
