"""Talks to a monitor's control socket: what faults, the command ``raftmon ctl`` and user programs use."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from raftmon.setup.errors import EXIT_USAGE, InputError, RaftmonError

__all__ = ["MonitorClient", "MonitorGone", "wait_until_ready"]

Rule = Mapping[str, Any] | str


class MonitorGone(RaftmonError):
    """The monitor closed the connection: it is ending."""


class MonitorClient:
    """One connection to the monitor whose socket is ``path``; any thread may use it, one request at a time.

    ``author`` is in the run's log beside each change. Every method raises RaftmonError if the monitor does not
    answer within ``timeout_s``, and InputError if it says that the request is wrong.
    """

    def __init__(self, path: Path, author: str, timeout_s: float = 10.0) -> None:
        self._path = Path(path)
        self._author = author
        self._lock = threading.Lock()
        self._serial = 0
        self._timeout_s = timeout_s
        self._socket = _connect(self._path, timeout_s)
        self._reader = self._socket.makefile("rb")

    def __enter__(self) -> MonitorClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def rules(self) -> list[dict[str, Any]]:
        """The rules in force, in the order they are asked."""
        found: list[dict[str, Any]] = self._ask("rules")
        return found

    def set(self, rules: Sequence[Rule]) -> list[str]:
        """Replace all rules (but those of user scripts); gives their names."""
        names: list[str] = self._ask("set", rules=list(rules))
        return names

    def add(self, rule: Rule) -> str:
        """Add one rule; gives its name."""
        return str(self._ask("add", rule=rule))

    def remove(self, name: str) -> None:
        """Remove one rule."""
        self._ask("remove", name=name)

    def when(self, trigger: str, rule: Rule | None = None) -> str:
        """Wait for something on the wire, then put ``rule`` in force; gives the trigger's name immediately."""
        fields = {} if rule is None else {"rule": rule}
        return str(self._ask("when", trigger=trigger, **fields))

    def triggers(self) -> list[dict[str, Any]]:
        """Every trigger: its ``state``, when and by which message it fired, its rule's ``reaction_ms``."""
        found: list[dict[str, Any]] = self._ask("triggers")
        return found

    def held(self) -> list[dict[str, Any]]:
        """What rules keep back now, the oldest first: ``rule``, ``link``, ``kind``, ``term``, ``index``."""
        found: list[dict[str, Any]] = self._ask("held")
        return found

    def release(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Deliver the oldest messages that a rule holds; the rule stays. Gives them, as ``held`` does."""
        found: list[dict[str, Any]] = self._ask("release", name=name, count=count)
        return found

    def deliver(self, message: int, to: str | None = None) -> dict[str, Any]:
        """Deliver a recorded message once more, by its ``id`` in messages.sqlite; to its receiver unless given.

        Gives ``message``, ``to`` and ``text``, the message in one line. The nodes must run.
        """
        fields = {} if to is None else {"to": to}
        found: dict[str, Any] = self._ask("deliver", message=message, **fields)
        return found

    def node(self, name: str, pid: int, started: int) -> None:
        """Tell which process a node is now, for rules that kill or pause it; ``started`` as ``start_ticks`` gives."""
        self._ask("nodes", node=name, pid=pid, started=started)

    def acts(self) -> list[dict[str, Any]]:
        """What rules did to nodes: ``node``, ``what`` (killed, paused, resumed), ``rule``, ``packet_ns``, ``done_ns``;
        of a resumed node the last two are the same.
        """
        found: list[dict[str, Any]] = self._ask("acts")
        return found

    def heal(self) -> int:
        """Remove all rules (but those of user scripts); gives how many there were."""
        return int(self._ask("heal"))

    def stats(self) -> dict[str, Any]:
        """The monitor's counters now (docs/monitor.md)."""
        found: dict[str, Any] = self._ask("stats")
        return found

    def flush(self) -> int:
        """Let every delayed packet go now; gives how many there were."""
        return int(self._ask("flush"))

    def pause(self) -> None:
        """Judge nothing until ``resume``: every packet passes, rules stay."""
        self._ask("pause")

    def resume(self) -> None:
        """Judge again."""
        self._ask("resume")

    def stop(self) -> None:
        """Ask the monitor to end; it still drains and writes its files after this returns."""
        self._ask("stop")

    def watch(self) -> Iterator[dict[str, Any]]:
        """The counters, once a second, until the monitor ends. Uses up this connection."""
        with self._lock:
            self._send({"id": 0, "op": "watch", "author": self._author})
            while line := self._reader.readline():
                yield orjson.loads(line)["result"]

    def close(self) -> None:
        """Close; never raises."""
        with contextlib.suppress(OSError):
            self._reader.close()
            self._socket.close()

    def _ask(self, operation: str, **fields: Any) -> Any:
        with self._lock:
            self._serial += 1
            request = {"id": self._serial, "op": operation, "author": self._author, **fields}
            try:
                self._send(request)
                line = self._reader.readline()
            except TimeoutError as error:
                raise RaftmonError(f"the monitor did not answer {operation!r} in {self._timeout_s:g} s") from error
            except OSError as error:
                raise MonitorGone(f"the connection to the monitor broke: {error}") from error
        if not line:
            raise MonitorGone(f"the monitor ended before it answered {operation!r}")
        answer = orjson.loads(line)
        if answer["ok"]:
            return answer["result"]
        raise (InputError if answer.get("status") == EXIT_USAGE else RaftmonError)(answer["error"])

    def _send(self, request: dict[str, Any]) -> None:
        self._socket.sendall(orjson.dumps(request) + b"\n")


def wait_until_ready(path: Path, author: str, timeout_s: float, alive: Any = lambda: True) -> MonitorClient:
    """A client of the monitor at ``path`` as soon as it answers. Raises RaftmonError after ``timeout_s``, or at once
    when ``alive()`` says that it is gone.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            client = MonitorClient(path, author, timeout_s=max(timeout_s, 1.0))
            client.rules()
            return client
        except RaftmonError as error:
            if not alive():
                raise RaftmonError("the monitor ended while it was starting; its log says why") from error
            if time.monotonic() > deadline:
                raise RaftmonError(f"the monitor did not answer on {path} within {timeout_s:g} s: {error}") from error
            time.sleep(0.01)


def _connect(path: Path, timeout_s: float) -> socket.socket:
    """A connection to the Unix socket at ``path``, by way of its folder's descriptor (sun_path holds 107 bytes)."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
    except OSError as error:
        connection.close()
        raise InputError(f"no monitor answers at {path}: {error.strerror or error}; is that run still on?") from error
    return connection
