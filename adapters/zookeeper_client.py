"""One thread's session with one ZooKeeper server, through kazoo's asynchronous calls: nothing of it retries.

A key is a node right under the root. A read is preceded by ``sync``, so that the server has caught up with its leader;
a compare-and-set is a read and a ``set`` on condition of the version that was read.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from kazoo import exceptions as failures
from kazoo.client import KazooClient
from kazoo.retry import KazooRetry

from raftmon.adapters.base import Definite, Indefinite

__all__ = ["ZooKeeperClient", "new_session"]

_SESSION_S = 10.0
_PREFIX = "/raftmon-"
logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # what happens to the session shows in the operations


class ZooKeeperClient:
    """read, write and cas through one server. A session that failed in any way is replaced before the next call."""

    def __init__(self, address: str, timeout_s: float, *, sync: bool = True) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._sync = sync
        self._session: Any = None

    def read(self, key: str) -> Any:
        """The value of ``key``."""
        deadline = time.monotonic() + self._timeout_s
        try:
            return self._get(key, deadline)[0]
        except Indefinite as error:
            raise Definite(str(error)) from error  # a failed read did nothing

    def write(self, key: str, value: Any) -> None:
        """Set the node, or create it where there is none (a step that certainly did nothing may be followed by one)."""
        deadline = time.monotonic() + self._timeout_s
        path, data = _PREFIX + key, orjson.dumps(value)
        while True:
            with contextlib.suppress(failures.NoNodeError):
                self._do(lambda session: session.set_async(path, data), deadline)
                return
            with contextlib.suppress(failures.NodeExistsError):
                self._do(lambda session: session.create_async(path, data), deadline)
                return

    def cas(self, key: str, expected: Any, new: Any) -> None:
        """Create the node where None is expected, else set it on condition of its version."""
        deadline = time.monotonic() + self._timeout_s
        path, data = _PREFIX + key, orjson.dumps(new)
        try:
            seen, version = self._get(key, deadline)
        except Indefinite as error:
            raise Definite(str(error)) from error
        if seen != expected or type(seen) is not type(expected):
            raise Definite(f"{key} was {seen!r}, not {expected!r}", seen=seen, has_seen=True)
        try:
            if version is None:
                self._do(lambda session: session.create_async(path, data), deadline)
            else:
                self._do(lambda session: session.set_async(path, data, version), deadline)
        except (failures.BadVersionError, failures.NodeExistsError, failures.NoNodeError) as error:
            raise Definite(f"{key} was changed meanwhile") from error

    def _get(self, key: str, deadline: float) -> tuple[Any, int | None]:
        path = _PREFIX + key
        if self._sync:
            self._do(lambda session: session.sync_async("/"), deadline)
        try:
            data, stat = self._do(lambda session: session.get_async(path), deadline)
        except failures.NoNodeError:
            return None, None
        return orjson.loads(data), stat.version

    def _do(self, call: Callable[[Any], Any], deadline: float) -> Any:
        """One request, sent at most once. Errors about nodes pass; any other is Indefinite and ends the session."""
        session = self._opened(deadline)
        try:
            return call(session).get(timeout=max(0.0, deadline - time.monotonic()))
        except (failures.NoNodeError, failures.NodeExistsError, failures.BadVersionError):
            raise
        except Exception as error:
            self.close()
            raise Indefinite(f"{type(error).__name__}: {error}") from error

    def _opened(self, deadline: float) -> Any:
        if self._session is not None and self._session.connected:
            return self._session
        self.close()
        session = KazooClient(
            hosts=self._address,
            timeout=_SESSION_S,
            connection_retry=KazooRetry(max_tries=0),
            command_retry=KazooRetry(max_tries=0),
        )
        began = session.start_async()
        if not began.wait(max(0.0, deadline - time.monotonic())):
            _close_in_background(session)
            raise Definite(f"no session with {self._address}, nothing was sent")
        self._session = session
        return session

    def close(self) -> None:
        """End the session, in the background: kazoo waits for an answer even of a server that is stopped."""
        session, self._session = self._session, None
        if session is not None:
            _close_in_background(session)


@contextlib.contextmanager
def new_session(address: str, timeout_s: float) -> Iterator[int | None]:
    """The id of a session that has just been established with a server, None if there is none in time."""
    session = KazooClient(
        hosts=address,
        timeout=_SESSION_S,
        connection_retry=KazooRetry(max_tries=0),
        command_retry=KazooRetry(max_tries=0),
    )
    try:
        yield session.client_id[0] if session.start_async().wait(timeout_s) else None
    finally:
        _close_in_background(session)


def _close_in_background(session: Any) -> None:
    def end() -> None:
        with contextlib.suppress(Exception):
            session.stop()
            session.close()

    threading.Thread(target=end, name="zookeeper-close", daemon=True).start()
