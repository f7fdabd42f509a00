"""A client for systems that speak lines of JSON over TCP: one request, one answer, sent once.

Request: ``{"id": 7, "op": "cas", "key": "k", "expected": 1, "new": 2}`` (or ``read``, or ``write`` with ``value``).
Answer, with the request's id: ``{"id": 7, "value": …}``, or ``{"id": 7, "mismatch": true, "seen": …}`` of a cas that
found another value, or ``{"id": 7, "error": "CODE"}``, whose meaning is in the system's table of outcomes.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from typing import Any

import orjson

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.outcomes import Row, raise_outcome
from raftmon.setup.errors import RaftmonError
from raftmon.setup.topology import Host

__all__ = ["LineClient", "ask_node"]

_CHUNK = 1 << 16


class LineClient:
    """A client of one node that speaks JSON lines; it connects on first use, and again after any failure."""

    def __init__(self, address: tuple[str, int], timeout_s: float, outcomes: Sequence[Row] = ()) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._outcomes = outcomes
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._last_id = 0

    def read(self, key: str) -> Any:
        """The value of ``key``."""
        return self.ask({"op": "read", "key": key}, read=True).get("value")

    def write(self, key: str, value: Any) -> None:
        """Set ``key``."""
        self.ask({"op": "write", "key": key, "value": value})

    def cas(self, key: str, expected: Any, new: Any) -> None:
        """Set ``key`` to ``new`` if it is ``expected``."""
        answer = self.ask({"op": "cas", "key": key, "expected": expected, "new": new})
        if answer.get("mismatch"):
            seen = answer.get("seen")
            raise Definite(f"{key} was {seen!r}, not {expected!r}", seen=seen, has_seen="seen" in answer)

    def ask(self, request: dict[str, Any], *, read: bool = False) -> dict[str, Any]:
        """Send one request and return its answer. Raises Definite or Indefinite; a failed ``read`` is Definite."""
        deadline = time.monotonic() + self._timeout_s
        connection = self._connect()
        self._last_id += 1
        line = orjson.dumps({"id": self._last_id, **request}) + b"\n"
        try:
            connection.sendall(line)
            answer = self._answer(connection, deadline)
        except (OSError, orjson.JSONDecodeError) as error:
            self.close()  # a late answer must not meet the next request
            kind = Definite if read else Indefinite
            raise kind(f"sent, but no answer from {self._address[0]}: {error}") from error
        if "error" in answer:
            code = str(answer["error"])
            raise_outcome(self._outcomes, code, str(answer.get("why", "")), read=read, cause=OSError(code))
        return answer

    def _connect(self) -> socket.socket:
        if self._socket is None:
            try:
                made = socket.create_connection(self._address, self._timeout_s)
            except OSError as error:
                raise Definite(f"no connection to {self._address[0]}, nothing was sent: {error}") from error
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket, self._buffer = made, b""
        return self._socket

    def _answer(self, connection: socket.socket, deadline: float) -> dict[str, Any]:
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                answer: dict[str, Any] = orjson.loads(line)
                if answer.get("id") == self._last_id:
                    return answer
                continue
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("timed out")
            connection.settimeout(left_s)
            data = connection.recv(_CHUNK)
            if not data:
                raise ConnectionResetError("the connection was closed")
            self._buffer += data

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None


def ask_node(
    node: Host, port: int, request: dict[str, Any], timeout_s: float, outcomes: Sequence[Row] = ()
) -> dict[str, Any]:
    """One request to a node, by a client that is made for it. Raises RaftmonError that names the node if it fails."""
    client = LineClient((node.address, port), timeout_s, outcomes)
    try:
        return client.ask(request)
    except (Definite, Indefinite) as error:
        raise RaftmonError(f"{node.name}: {error}") from error
    finally:
        client.close()
