"""One node of a register replicated by PySyncObj, serving clients lines of JSON (see adapters/line_client.py).

``python -m raftmon.adapters.pysyncobj_node CONFIG.json``, with ``self`` (the address peers know it by), ``bind`` (where
it really listens for them), ``partners``, ``serve`` (where clients come; all ``address:port``), ``folder`` and ``raft``
(settings of ``SyncObjConf``). Every operation, reads too, goes through the log: an answer is given when it was applied
here.
"""

from __future__ import annotations

import json
import logging
import socketserver
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pysyncobj import FAIL_REASON, SyncObj, SyncObjConf, SyncObjConsumer, replicated

__all__ = ["Register", "main"]

_LONGEST_WAIT_S = 30.0  # far beyond a client's own time-out; only bounds how long a thread is held
_REASONS = {value: name for name, value in vars(FAIL_REASON).items() if name.isupper()}


class Register(SyncObjConsumer):  # type: ignore[misc]
    """The replicated dictionary. Its methods run on every node, in the order of the log."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, Any] = {}

    @replicated  # type: ignore[untyped-decorator]
    def read(self, key: str) -> dict[str, Any]:
        """What ``key`` holds at this place of the log."""
        return {"value": self._values.get(key)}

    @replicated  # type: ignore[untyped-decorator]
    def write(self, key: str, value: Any) -> dict[str, Any]:
        """Set ``key``."""
        self._values[key] = value
        return {}

    @replicated  # type: ignore[untyped-decorator]
    def cas(self, key: str, expected: Any, new: Any) -> dict[str, Any]:
        """Set ``key`` if it holds ``expected``, of the same kind."""
        seen = self._values.get(key)
        if seen != expected or type(seen) is not type(expected):
            return {"mismatch": True, "seen": seen}
        self._values[key] = new
        return {}

    def contents(self, after: str, limit: int) -> dict[str, Any]:
        """The node's own keys behind ``after``, in order, not by the log."""
        values = dict(self._values)
        keys = sorted(key for key in values if key > after)[:limit]
        return {"value": {key: values[key] for key in keys}}


class _Node:
    """The Raft node and its register."""

    def __init__(self, config: dict[str, Any]) -> None:
        folder = Path(config["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        self._register = Register()
        settings = SyncObjConf(
            bindAddress=config["bind"],
            journalFile=str(folder / "journal"),
            fullDumpFile=str(folder / "dump"),
            commandsWaitLeader=False,  # without a leader say so at once, rather than keep a command for later
            appendEntriesUseBatch=False,
            useFork=False,  # there are threads in this process
            **config["raft"],
        )
        self._raft = SyncObj(config["self"], config["partners"], conf=settings, consumers=[self._register])

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do one request."""
        op, key = request["op"], request.get("key")
        if op == "status":
            status = self._raft.getStatus()
            return {
                "leads": status["leader"] == status["self"],
                "term": status["raft_term"],
                "now_s": time.time(),
                "log_entries": status["log_len"],
                "applied": status["last_applied"],
            }
        if op == "contents":
            return self._register.contents(str(request.get("after", "")), int(request["limit"]))
        if op == "compact":
            self._raft.forceLogCompaction()
            return {}
        arguments = {  # type: ignore[no-untyped-call]
            "read": lambda: (key,),
            "write": lambda: (key, request["value"]),
            "cas": lambda: (key, request["expected"], request["new"]),
        }[op]()
        done = threading.Event()
        result: list[tuple[Any, int]] = []

        def applied(value: Any, reason: int) -> None:
            result.append((value, reason))
            done.set()

        getattr(self._register, op)(*arguments, callback=applied)
        if not done.wait(_LONGEST_WAIT_S):
            return {"error": "NO_ANSWER"}
        value, reason = result[0]
        return value if reason == FAIL_REASON.SUCCESS else {"error": _REASONS.get(reason, str(reason))}


class _Handler(socketserver.StreamRequestHandler):
    """One client's connection: its requests one after the other."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        node: _Node = self.server.node  # type: ignore[attr-defined]
        for line in self.rfile:
            request = json.loads(line)
            answer = {"id": request["id"], **node.answer(request)}
            try:
                self.wfile.write(json.dumps(answer).encode() + b"\n")
            except OSError:
                return


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve until killed."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    config = json.loads(Path(sys.argv[1]).read_text())
    address, port = config["serve"].rsplit(":", 1)
    node = _Node(config)
    with _Server((address, int(port)), _Handler) as server:
        server.node = node  # type: ignore[attr-defined]
        server.serve_forever()


if __name__ == "__main__":
    main()
