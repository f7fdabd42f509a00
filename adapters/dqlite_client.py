"""A client of dqlite's wire protocol (dqlite.io, "Wire protocol"; little-endian words of 8 bytes).

PyPI's dqlite-client has no release for this Python, and raftmon needs six of the protocol's requests.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import Any

import orjson

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.outcomes import Row, raise_outcome

__all__ = ["DATABASE", "OUTCOMES", "DqliteClient", "DqliteConnection", "failure", "text"]

_VERSION = 1
_LEADER, _CLIENT, _OPEN, _EXEC_SQL, _QUERY_SQL = 0, 1, 3, 8, 9
_FAILURE, _NODE, _WELCOME, _DB, _RESULT, _ROWS = 0, 1, 2, 4, 6, 7
_INTEGER, _FLOAT, _TEXT, _NULL = 1, 2, 3, 5
_ROWS_DONE, _ROWS_PART = 0xFFFFFFFFFFFFFFFF, 0xEEEEEEEEEEEEEEEE
_MAX_ANSWER = 64 << 20
_BUSY = 5  # SQLITE_BUSY
_BUSY_PAUSE_S = 0.002
DATABASE = "raftmon"

OUTCOMES = (
    Row("5", "", True, "SQLITE_BUSY: another transaction holds the lock, nothing was written"),
    Row("10250", "", True, "SQLITE_IOERR_NOT_LEADER: refused before it entered the log"),
    Row("1", "no such table", True, "the statement was not carried out"),
    Row("10506", "", False, "SQLITE_IOERR_LEADERSHIP_LOST: it may have entered the log"),
)


def text(value: str) -> bytes:
    """A text as dqlite sends it: ended by a zero byte, padded to words."""
    data = value.encode() + b"\0"
    return data + bytes(-len(data) % 8)


def _parameters(values: tuple[str, ...]) -> bytes:
    """A tuple of texts: count, types, then the values, each padded to words."""
    head = bytes([len(values)]) + bytes([_TEXT]) * len(values)
    return head + bytes(-len(head) % 8) + b"".join(map(text, values))


class DqliteConnection:
    """One connection to one node, registered as a client, with the database open where it is asked to be."""

    def __init__(self, address: tuple[str, int], deadline: float) -> None:
        try:
            self._socket = socket.create_connection(address, max(0.001, deadline - time.monotonic()))
        except OSError as error:
            raise Definite(f"no connection to {address[0]}, nothing was sent: {error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = address
        self.database: int | None = None
        self._buffer = b""
        try:
            self._socket.sendall(struct.pack("<Q", _VERSION))
            self.ask(_CLIENT, struct.pack("<Q", 0), deadline)
        except (OSError, ValueError, Indefinite) as error:
            self.close()
            raise Definite(f"no session with {address[0]}, nothing was asked: {error}") from error

    def open(self, deadline: float) -> int:
        """The number of the database, opened by the first call."""
        if self.database is None:
            kind, body = self.ask(_OPEN, text(DATABASE) + struct.pack("<Q", 0) + text("volatile"), deadline)
            if kind == _FAILURE:
                code, why = failure(body)
                raise Definite(f"cannot open the database at {self.address[0]}: {code} {why}")
            self.database = int(struct.unpack_from("<I", body)[0])
        return self.database

    def ask(self, kind: int, body: bytes, deadline: float) -> tuple[int, bytes]:
        """Send one request; kind and body of its answer. Raises OSError, or ValueError for an answer too long."""
        self._socket.settimeout(max(0.001, deadline - time.monotonic()))
        self._socket.sendall(struct.pack("<IBBH", len(body) // 8, kind, 0, 0) + body)
        return self.answer(deadline)

    def answer(self, deadline: float) -> tuple[int, bytes]:
        """Kind and body of the next answer."""
        words, kind, _, _ = struct.unpack("<IBBH", self._take(8, deadline))
        if words * 8 > _MAX_ANSWER:
            raise ValueError(f"an answer of {words * 8} bytes")
        return kind, self._take(words * 8, deadline)

    def _take(self, size: int, deadline: float) -> bytes:
        while len(self._buffer) < size:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("timed out")
            self._socket.settimeout(left_s)
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionResetError("the connection was closed")
            self._buffer += data
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def close(self) -> None:
        """Let go of the connection."""
        with contextlib.suppress(OSError):
            self._socket.close()


class DqliteClient:
    """read, write and cas through the leader that one node names.

    Only what was refused as busy (another transaction holds the lock: it certainly did nothing) is sent again.
    """

    def __init__(self, address: tuple[str, int], timeout_s: float, *, leader_reads: bool = False) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._leader_reads = leader_reads
        self._kept: DqliteConnection | None = None

    def read(self, key: str) -> Any:
        """The value of ``key``."""
        deadline = time.monotonic() + self._timeout_s
        try:
            if not self._leader_reads:  # its success proves that this node led after the read began
                self._execute("UPDATE fence SET n = n + 1", (), deadline)
            return self._select(key, deadline)
        except Indefinite as error:
            raise Definite(str(error)) from error  # a failed read changed nothing but the counter

    def write(self, key: str, value: Any) -> None:
        """Set ``key``."""
        text = orjson.dumps(value).decode()
        sql = "INSERT OR REPLACE INTO kv (key, value) VALUES (?, ?)"
        self._execute(sql, (key, text), time.monotonic() + self._timeout_s)

    def cas(self, key: str, expected: Any, new: Any) -> None:
        """Update the row where it has the expected value; insert it where None is expected."""
        deadline = time.monotonic() + self._timeout_s
        text = orjson.dumps(new).decode()
        if expected is None:
            changed = self._execute("INSERT OR IGNORE INTO kv (key, value) VALUES (?, ?)", (key, text), deadline)
        else:
            sql = "UPDATE kv SET value = ? WHERE key = ? AND value = ?"
            changed = self._execute(sql, (text, key, orjson.dumps(expected).decode()), deadline)
        if not changed:
            raise Definite(f"{key} was not {expected!r}")

    def make_tables(self) -> None:
        """The table of keys, and the counter that linearizable reads move, unless they are there."""
        deadline = time.monotonic() + self._timeout_s
        for sql in (
            "CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value TEXT)",
            "CREATE TABLE IF NOT EXISTS fence (id INTEGER PRIMARY KEY, n INTEGER)",
            "INSERT OR IGNORE INTO fence (id, n) VALUES (1, 0)",
        ):
            self._execute(sql, (), deadline)

    def leader(self) -> str:
        """The leader's address as the node knows it, empty if it knows none."""
        deadline = time.monotonic() + self._timeout_s
        connection = DqliteConnection(self._address, deadline)
        try:
            kind, body = connection.ask(_LEADER, bytes(8), deadline)
        except (OSError, ValueError, struct.error) as error:
            raise Definite(f"{self._address[0]} does not say who leads: {error}") from error
        finally:
            connection.close()
        if kind != _NODE:
            return ""
        return body[8:].split(b"\0", 1)[0].decode("utf-8", "replace")

    def _execute(self, sql: str, values: tuple[str, ...], deadline: float) -> int:
        """Rows changed."""
        kind, body = self._do(_EXEC_SQL, sql, values, deadline, read=False)
        return int(struct.unpack_from("<QQ", body)[1]) if kind == _RESULT else 0

    def _select(self, key: str, deadline: float) -> Any:
        kind, body = self._do(_QUERY_SQL, "SELECT value FROM kv WHERE key = ?", (key,), deadline, read=True)
        if kind != _ROWS:
            raise Definite(f"a query was answered with {kind}")
        place = 8 + len(text("value"))  # the number of columns and their names
        if struct.unpack_from("<Q", body, place)[0] in (_ROWS_DONE, _ROWS_PART):
            return None
        if body[place] & 15 == _NULL:
            return None
        return orjson.loads(body[place + 8 :].split(b"\0", 1)[0])

    def _do(self, request: int, sql: str, values: tuple[str, ...], deadline: float, *, read: bool) -> tuple[int, bytes]:
        connection = self._leading(deadline)
        try:
            database = connection.open(deadline)
        except (OSError, ValueError, struct.error) as error:
            self.close()
            raise Definite(f"cannot open the database, nothing was asked: {error}") from error
        except Definite:
            self.close()
            raise
        body = struct.pack("<Q", database) + text(sql) + (_parameters(values) if values else bytes(8))
        try:
            kind, answer = connection.ask(request, body, deadline)
            while kind == _FAILURE and failure(answer)[0] == _BUSY and time.monotonic() + _BUSY_PAUSE_S < deadline:
                time.sleep(_BUSY_PAUSE_S)
                kind, answer = connection.ask(request, body, deadline)
        except (OSError, ValueError, struct.error) as error:
            self.close()  # a late answer must not meet the next request
            kind_of_error = Definite if read else Indefinite
            raise kind_of_error(f"sent, but no answer from {connection.address[0]}: {error}") from error
        if kind == _FAILURE:
            self.close()  # the next request asks again who leads
            code, why = failure(answer)
            raise_outcome(OUTCOMES, str(code), why, read=read, cause=OSError(str(code)))
        return kind, answer

    def _leading(self, deadline: float) -> DqliteConnection:
        if self._kept is None:
            host, _, port = self.leader().rpartition(":")
            if not host or not port.isdigit():
                raise Definite(f"{self._address[0]} knows no leader, nothing was asked")
            self._kept = DqliteConnection((host, int(port)), deadline)
        return self._kept

    def close(self) -> None:
        """Close the connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None


def failure(body: bytes) -> tuple[int, str]:
    """Code and message of a FAILURE answer."""
    return int(struct.unpack_from("<Q", body)[0]), body[8:].split(b"\0", 1)[0].decode("utf-8", "replace")
