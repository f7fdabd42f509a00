"""etcd's HTTP side on the client port: ``/health`` and the JSON gateway to its gRPC services (``/v3/…``).

For the driver's own questions (ready, who leads, members, hashes): it spares the driver's process gRPC's threads. The
clients' operations do not go this way.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Any

import orjson

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.etcd_outcomes import ETCD
from raftmon.adapters.outcomes import judge

__all__ = ["answers", "call", "healthy"]

# google.rpc.Code: the numbers the gateway puts in an error's "code"
_CODES = {
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    11: "OUT_OF_RANGE",
    12: "UNIMPLEMENTED",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}


def answers(target: str, path: str, timeout_s: float) -> bool:
    """Whether there is any answer at all to a GET; ``target`` is ``address:port``."""
    try:
        _exchange(target, "GET", path, None, timeout_s)
    except (OSError, http.client.HTTPException):
        return False
    return True


def healthy(target: str, timeout_s: float) -> bool:
    """Whether etcd says so after a read through its log (so it has a leader); ``target`` is ``address:port``."""
    try:
        status, body = _exchange(target, "GET", "/health", None, timeout_s)
        return status == 200 and str(orjson.loads(body).get("health")) == "true"
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError):
        return False


def call(target: str, method: str, body: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    """POST to ``/v3/method`` once. Raises Definite if nothing happened, Indefinite if nobody knows."""
    try:
        status, answer = _exchange(target, "POST", f"/v3/{method}", orjson.dumps(body), timeout_s)
        value: dict[str, Any] = orjson.loads(answer)
    except ConnectionRefusedError as error:
        raise Definite(f"{target} refused the connection") from error
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError) as error:
        raise Indefinite(f"no whole answer from {target}: {error}") from error
    if status == 200:
        return value
    code = _CODES.get(value.get("code", 2), "UNKNOWN")
    message = str(value.get("message") or value.get("error") or status)
    row = judge(ETCD, code, message)
    if row is not None and row.definite:
        raise Definite(f"{code}: {message}")
    raise Indefinite(f"{code}: {message}")


def _exchange(target: str, verb: str, path: str, body: bytes | None, timeout_s: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(target, timeout=timeout_s)
    try:
        connection.request(verb, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
