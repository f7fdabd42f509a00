"""ovsdb-server's control socket: what its operators ask with ``ovs-appctl`` (JSON-RPC over a Unix socket).

The socket lies in the node's folder and its path may be longer than a socket's may be: it is reached through
``/proc/self/fd``.
"""

from __future__ import annotations

import json
import os
import re
import socket
from datetime import UTC, datetime
from pathlib import Path

from raftmon.setup.errors import RaftmonError

__all__ = ["control", "last_log_time"]

_TIME = re.compile(rb"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z\|")
_TAIL_BYTES = 1 << 16


def control(folder: Path, method: str, *arguments: str, timeout_s: float) -> str:
    """Ask the node that runs in ``folder``; its answer. Raises RaftmonError where it refused or did not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
            try:
                connection.connect(f"/proc/self/fd/{descriptor}/control.sock")
            finally:
                os.close(descriptor)
            connection.sendall(json.dumps({"id": 0, "method": method, "params": list(arguments)}).encode())
            text = ""
            while True:
                data = connection.recv(1 << 16)
                if not data:
                    raise RaftmonError(f"ovsdb-server ended the answer to {method}")
                text += data.decode("utf-8", "replace")
                try:
                    answer = json.loads(text)
                    break
                except json.JSONDecodeError:
                    continue
    except OSError as error:
        raise RaftmonError(f"no answer to {method} from the control socket in {folder}: {error}") from error
    if answer.get("error"):
        raise RaftmonError(f"ovsdb-server refused {method}: {str(answer['error']).strip()}")
    return str(answer.get("result") or "").strip()


def last_log_time(log: Path, behind: int) -> float | None:
    """The time of the last line of ovsdb-server's log behind a byte, in seconds since 1970; None if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(behind, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        if found := _TIME.match(line):
            return datetime.fromisoformat(found[1].decode()).replace(tzinfo=UTC).timestamp()
    return None
