"""Delivers Raft messages to etcd nodes from the router, through ``POST /raft``, as a peer would.

Its connections begin in the router's own namespace at the router's own addresses, so they pass neither the queue nor
any rule: what it sends cannot be taken for traffic between nodes. One thread; nothing here ever makes the loop wait.
"""

from __future__ import annotations

import heapq
import http.client
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import orjson

from raftmon.monitor import cpu
from raftmon.monitor.raft.codecs.protobuf import write_varint
from raftmon.monitor.raft.message import Entry

__all__ = ["ETCD_PEER_PORT", "PostAgent", "encode_message"]

ETCD_PEER_PORT = 2380
_MAX_WAITING = 10_000
_TIMEOUT_S = 2.0


def encode_message(
    kind: int, sender: int, receiver: int, *, term: int = 0, log_term: int = 0, index: int = 0, commit: int = 0,
    reject: bool = False, hint: int = 0, context: bytes = b"", entries: Iterable[Entry] = (),
) -> bytes:  # fmt: skip
    """A raftpb.Message as etcd 3.4 writes it, which later versions read."""
    numbers = (kind, receiver, sender, term, log_term, index)
    out = b"".join(bytes([number << 3]) + write_varint(value) for number, value in enumerate(numbers, 1))
    empty = b"\x4a\x0a\x12\x08\x0a\x02\x28\x00\x10\x00\x18\x00"
    for entry in entries:
        body = b"\x08" + write_varint(entry.type) + b"\x10" + write_varint(entry.term)
        body += b"\x18" + write_varint(entry.index) + (b"\x22" + _sized(entry.data) if entry.data else b"")
        out += b"\x3a" + _sized(body)
    out += b"\x40" + write_varint(commit) + empty + b"\x50" + bytes([reject]) + b"\x58" + write_varint(hint)
    return out + (b"\x62" + _sized(context) if context else b"")


def _sized(data: bytes) -> bytes:
    return write_varint(len(data)) + data


@dataclass(order=True, slots=True)
class _Job:
    due_ns: int
    number: int
    target: str = field(compare=False)
    make: Callable[[Mapping[str, int]], bytes | None] = field(compare=False)


class PostAgent:
    """``peers`` maps node names to (address, port) of their peer ports. ``post`` may be called from any thread.

    ``sent``, ``failed`` and ``overrun`` count; ``errors`` holds the last few reasons.
    """

    def __init__(self, peers: Mapping[str, tuple[str, int]], clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._peers = dict(peers)
        self._clock_ns = clock_ns
        self._jobs: list[_Job] = []
        self._wake = threading.Condition()
        self._number = 0
        self._closing = False
        self._connections: dict[str, http.client.HTTPConnection] = {}
        self._headers: dict[str, str] = {}
        self._ids: dict[str, int] = {}
        self.sent = self.failed = self.overrun = 0
        self.errors: list[str] = []
        self._thread: threading.Thread | None = None

    def post(self, target: str, make: bytes | Callable[[Mapping[str, int]], bytes | None], due_ns: int = 0) -> None:
        """Deliver a raftpb.Message to the node at ``due_ns``; a function is given the nodes' ids when it is due."""
        if isinstance(make, bytes):
            body = make

            def make(ids: Mapping[str, int]) -> bytes | None:
                return body

        with self._wake:
            if len(self._jobs) >= _MAX_WAITING:
                self.overrun += 1
                return
            self._number += 1
            heapq.heappush(self._jobs, _Job(due_ns, self._number, target, make))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="raft-agent", daemon=True)
                self._thread.start()
            self._wake.notify()

    def stats(self) -> dict[str, object]:
        """``sent``, ``failed``, ``overrun`` (not taken, because too many waited) and the last reasons."""
        return {"sent": self.sent, "failed": self.failed, "overrun": self.overrun, "errors": list(self.errors)}

    def close(self) -> None:
        """Stop; what is still waiting is not sent."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(timeout=_TIMEOUT_S + 1)

    def _run(self) -> None:
        cpu.unpin()  # the loop's thread, which started this one, may have kept to a processor
        while True:
            with self._wake:
                while not self._closing and (not self._jobs or self._jobs[0].due_ns > self._clock_ns()):
                    wait_s = (self._jobs[0].due_ns - self._clock_ns()) / 1e9 if self._jobs else None
                    self._wake.wait(wait_s)
                if self._closing:
                    return
                job = heapq.heappop(self._jobs)
            self._deliver(job)

    def _deliver(self, job: _Job) -> None:
        try:
            self._learn(job.target)
            body = job.make(self._ids)
            if body is None:
                raise OSError("it is not known which nodes the message is between")
            connection = self._connection(job.target)
            try:
                connection.request("POST", "/raft", body, {**self._headers, "Content-Type": "application/protobuf"})
                answer = connection.getresponse()
                text = answer.read()
            except (http.client.HTTPException, OSError):
                connection.close()
                raise
            if answer.status != 204:
                raise OSError(f"the node answered {answer.status} {text[:100].decode('utf-8', 'replace').strip()}")
            self.sent += 1
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            self.failed += 1
            self.errors = [*self.errors[-9:], f"{job.target}: {error}"]

    def _connection(self, target: str) -> http.client.HTTPConnection:
        if target not in self._connections:
            address, port = self._peers[target]
            self._connections[target] = http.client.HTTPConnection(address, port, timeout=_TIMEOUT_S)
        return self._connections[target]

    def _learn(self, target: str) -> None:
        """The cluster's id, its version and its members' ids, from the node itself; asked until all are known."""
        if self._headers and len(self._ids) >= len(self._peers):
            return
        connection = self._connection(target)
        try:
            connection.request("GET", "/members")
            answer = connection.getresponse()
            members = orjson.loads(answer.read())
            cluster = answer.headers["X-Etcd-Cluster-Id"]
            connection.request("GET", "/version")
            version = orjson.loads(connection.getresponse().read())["etcdserver"]
        except (http.client.HTTPException, OSError, orjson.JSONDecodeError):
            connection.close()
            raise
        self._ids = {member["name"]: member["id"] for member in members if member.get("name")}
        self._headers = {
            "X-Etcd-Cluster-ID": cluster,
            "X-Server-Version": version,
            "X-Min-Cluster-Version": "3.0.0",
        }
