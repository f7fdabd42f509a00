"""One connection to one ovsdb-server: JSON-RPC ``transact`` (RFC 7047), each sent once."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any

import orjson

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.outcomes import Row, raise_outcome

__all__ = ["DATABASE", "OUTCOMES", "OvsdbClient"]

DATABASE = "raftmon"
_CHUNK = 1 << 16

OUTCOMES = (
    Row("constraint violation", "", True, "RFC 7047, 4.1.3: the transaction was aborted"),
    Row("referential integrity violation", "", True, "RFC 7047, 4.1.3: the transaction was aborted"),
    Row("timed out", "", True, "a wait of the transaction was not met: it was aborted"),
    Row("unknown database", "", True, "the node has no such database yet"),
    Row("permission error", "", True, "refused"),
    Row("not leader", "", False, "leadership was lost while it was under way"),
)


class OvsdbClient:
    """read, write and cas on one node. It connects when it is first asked, and again after any failure."""

    def __init__(self, address: tuple[str, int], timeout_s: float, *, local_reads: bool = False) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._local_reads = local_reads
        self._socket: socket.socket | None = None
        self._text = ""
        self._last_id = 0

    def read(self, key: str) -> Any:
        """The value of ``key``."""
        select = {"op": "select", "table": "kv", "where": _is(key), "columns": ["value"]}
        steps = [select] if self._local_reads else [_move_fence(), select]
        rows = self._transact(DATABASE, steps, read=True)[-1]["rows"]
        return orjson.loads(rows[0]["value"]) if rows else None

    def write(self, key: str, value: Any) -> None:
        """Replace the row of ``key``."""
        row = {"key": key, "value": orjson.dumps(value).decode()}
        self._transact(
            DATABASE,
            [{"op": "delete", "table": "kv", "where": _is(key)}, {"op": "insert", "table": "kv", "row": row}],
        )

    def cas(self, key: str, expected: Any, new: Any) -> None:
        """Wait (not at all) for the expected value, then set the new one, in one transaction."""
        rows = [] if expected is None else [{"value": orjson.dumps(expected).decode()}]
        wait = {
            "op": "wait", "table": "kv", "where": _is(key), "columns": ["value"], "until": "==", "rows": rows,
            "timeout": 0,
        }  # fmt: skip
        value = orjson.dumps(new).decode()
        change: dict[str, Any] = {"op": "update", "table": "kv", "where": _is(key), "row": {"value": value}}
        if expected is None:
            change = {"op": "insert", "table": "kv", "row": {"key": key, "value": value}}
        self._transact(DATABASE, [wait, change])

    def make_fence(self) -> None:
        """Insert the counter that linearizable reads move, unless it is there."""
        wait = {"op": "wait", "table": "fence", "where": [], "columns": ["n"], "until": "==", "rows": [], "timeout": 0}
        with contextlib.suppress(Definite):
            self._transact(DATABASE, [wait, {"op": "insert", "table": "fence", "row": {"n": 0}}])

    def cluster(self) -> dict[str, Any]:
        """What the node's database ``_Server`` says of the cluster: leader, connected, index, cid, sid."""
        where = [["name", "==", DATABASE]]
        rows = self._transact("_Server", [{"op": "select", "table": "Database", "where": where}], read=True)[0]["rows"]
        return dict(rows[0]) if rows else {}

    def everything(self) -> dict[str, Any]:
        """All keys as this node has them."""
        select = {"op": "select", "table": "kv", "where": [], "columns": ["key", "value"]}
        rows = self._transact(DATABASE, [select], read=True)[0]["rows"]
        return {row["key"]: orjson.loads(row["value"]) for row in rows}

    def _transact(self, database: str, steps: list[dict[str, Any]], *, read: bool = False) -> list[dict[str, Any]]:
        answer = self._ask("transact", [database, *steps], read=read)
        error = answer.get("error")
        results = answer.get("result") or []
        failed = next((one for one in results if isinstance(one, dict) and one.get("error")), error)
        if failed:
            code = failed.get("error", "") if isinstance(failed, dict) else str(failed)
            details = str(failed.get("details", "")) if isinstance(failed, dict) else ""
            raise_outcome(OUTCOMES, str(code), details, read=read, cause=OSError(str(code)))
        return [one for one in results if isinstance(one, dict)]

    def _ask(self, method: str, params: list[Any], *, read: bool) -> dict[str, Any]:
        deadline = time.monotonic() + self._timeout_s
        connection = self._connect()
        self._last_id += 1
        try:
            connection.sendall(orjson.dumps({"id": self._last_id, "method": method, "params": params}))
            return self._answer(connection, deadline)
        except (OSError, ValueError) as error:
            self.close()  # a late answer must not meet the next request
            kind = Definite if read else Indefinite
            raise kind(f"sent, but no answer from {self._address[0]}: {error}") from error

    def _connect(self) -> socket.socket:
        if self._socket is None:
            try:
                made = socket.create_connection(self._address, self._timeout_s)
            except OSError as error:
                raise Definite(f"no connection to {self._address[0]}, nothing was sent: {error}") from error
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket, self._text = made, ""
        return self._socket

    def _answer(self, connection: socket.socket, deadline: float) -> dict[str, Any]:
        decoder = json.JSONDecoder()
        while True:
            self._text = self._text.lstrip()
            try:
                message, stop = decoder.raw_decode(self._text)
            except json.JSONDecodeError:
                message, stop = None, 0
            if message is not None:
                self._text = self._text[stop:]
                if message.get("method") == "echo":  # the server asks whether its client is there
                    reply = {"id": message.get("id"), "result": message.get("params"), "error": None}
                    connection.sendall(orjson.dumps(reply))
                elif message.get("id") == self._last_id:
                    return dict(message)
                continue
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("timed out")
            connection.settimeout(left_s)
            data = connection.recv(_CHUNK)
            if not data:
                raise ConnectionResetError("the connection was closed")
            self._text += data.decode("utf-8", "replace")

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None


def _is(key: str) -> list[list[str]]:
    return [["key", "==", key]]


def _move_fence() -> dict[str, Any]:
    return {"op": "mutate", "table": "fence", "where": [], "mutations": [["n", "+=", 1]]}
