"""What a system may offer beyond read, write and cas: small Protocols, which workloads and faults name as their needs.

Those for clients (``Append``, ``Lock``, ``Watch``, ``Lease``, ``Transactions``, ``Revision``) are looked for on what
``Adapter.connect`` returns; those for a whole cluster (``Members``, ``Hash``, ``Inspect``, ``Leader``, ``Compact``,
``Defragment``, ``MoveLeader``, ``Snapshot``) on the adapter itself. The rules of ``raftmon.adapters.base.Client`` hold
for every call: no retry, and Definite or Indefinite if it is not ok.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from raftmon.setup.topology import Host

__all__ = [
    "Append",
    "Compact",
    "Defragment",
    "Fence",
    "Granted",
    "Hash",
    "Inspect",
    "Joinable",
    "Leader",
    "Leadership",
    "Lease",
    "LeaseTimes",
    "Lock",
    "Members",
    "MoveLeader",
    "NodeClock",
    "Queues",
    "Revision",
    "Snapshot",
    "Taken",
    "Transactions",
    "Watch",
    "WatchResponses",
    "WriteAheadLog",
    "capability",
]


@runtime_checkable
class Joinable(Protocol):
    """A cluster whose nodes are better started one after the other: a node may wait for another that only listens."""

    def joinable(self, node: Host, timeout_s: float) -> bool:
        """Wait until ``node``, just started, answers other nodes; it need not serve clients. False if it did not."""


@runtime_checkable
class Revision(Protocol):
    """Capability: the store's revision in the last response (0 before the first)."""

    revision: int


@runtime_checkable
class Append(Protocol):
    """Capability: atomic appends to lists."""

    def append(self, key: str, value: Any) -> None:
        """Put ``value`` at the end of the list at ``key``."""


@runtime_checkable
class Transactions(Protocol):
    """Capability: atomic transactions on several keys."""

    def transact(self, expected: Mapping[str, Any], writes: Mapping[str, Any]) -> None:
        """Write all of ``writes`` if every key of ``expected`` holds what it says; otherwise raise Definite."""

    def read_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """All keys as they were at one moment."""


@runtime_checkable
class Lock(Protocol):
    """Capability: the system's own lock."""

    def acquire(self, name: str, ttl_s: float) -> Any:
        """Take the lock; returns a token for ``release``. Raises Definite where another holds it."""

    def release(self, name: str, token: Any) -> None:
        """Give the lock back."""


@runtime_checkable
class Fence(Protocol):
    """Capability: a write that takes effect only as long as a lock is held (beside ``Lock``)."""

    def write_held(self, key: str, value: Any, name: str, token: Any) -> None:
        """Set ``key`` if the lock ``name``, acquired with ``token``, is still held; otherwise raise Definite."""


class Granted(NamedTuple):
    """A lease and its time to live as granted, which may be longer than requested."""

    lease: Any
    ttl_s: float


@runtime_checkable
class Lease(Protocol):
    """Capability: keys that expire unless their lease is kept alive."""

    def grant(self, ttl_s: int) -> Granted:
        """A new lease."""

    def keep_alive(self, lease: Any) -> float:
        """Start its time again; returns how long it now is, in seconds. Definite with ``seen`` 0 if it is gone."""

    def revoke(self, lease: Any) -> None:
        """End it, and its keys."""

    def write_leased(self, key: str, value: Any, lease: Any) -> None:
        """Set ``key`` as long as the lease lives."""


@runtime_checkable
class LeaseTimes(Protocol):
    """Capability: a lease tells how long it has left, and is not renewed by that (beside ``Lease``)."""

    def time_to_live(self, lease: Any) -> float:
        """Seconds left, less than 0 where it is gone."""


@runtime_checkable
class Watch(Protocol):
    """Capability: changes in the order of the log."""

    def watch(self, prefix: str, from_revision: int, timeout_s: float) -> Iterator[tuple[int, str, Any]]:
        """(revision, key, value) of every change from that revision on; ends after ``timeout_s`` without one."""


@runtime_checkable
class WatchResponses(Protocol):
    """Capability: changes as the server sends them, grouped by response, with the server's revision."""

    def watch_responses(
        self, prefix: str, from_revision: int, duration_s: float, *, pause_s: float = 0.0
    ) -> Iterator[dict[str, Any]]:
        """``{"revision": of the header, "events": [{"type", "key", "value", "revision"}]}`` for ``duration_s``; one
        response is read from the connection every ``pause_s``.
        """


@runtime_checkable
class Members(Protocol):
    """A cluster whose members can change while it runs. ``through`` is a node that is asked to do it."""

    def members(self, through: Host, timeout_s: float) -> dict[str, str]:
        """Name -> identity of each member, as that node knows them."""

    def add_member(self, through: Host, node: Host, timeout_s: float) -> None:
        """Let ``node`` in; to be done before it is started with an empty data folder."""

    def remove_member(self, through: Host, node: Host, timeout_s: float) -> None:
        """Put ``node`` out."""


@runtime_checkable
class WriteAheadLog(Protocol):
    """Capability: the files of the write-ahead log, which only grow at the end."""

    def log_files(self, data: Path) -> Sequence[Path]:
        """The files of the log under a node's data folder, oldest first; the last one is written to."""


@runtime_checkable
class Hash(Protocol):
    """Capability: a hash of everything that a node stores."""

    def hash_at(self, node: Host, revision: int, timeout_s: float) -> tuple[int, int]:
        """(hash, revision it is of); ``revision`` 0 means the newest. Equal revisions must have equal hashes."""


@runtime_checkable
class Inspect(Protocol):
    """Capability: what one node stores: its applied index and its first keys; shows where two stores differ."""

    def applied_index(self, node: Host, timeout_s: float) -> int | None:
        """Index of the last log entry in the node's store, None if it did not answer. Never raises."""

    def contents(self, node: Host, limit: int, timeout_s: float, after: str = "") -> dict[str, list[Any]]:
        """The node's first ``limit`` keys behind ``after``, in order: key -> [revision of its last change, value].

        The revision is 0 where the system keeps none.
        """


@runtime_checkable
class Compact(Protocol):
    """Capability: old revisions, or old log entries, can be thrown away on request."""

    def compact(self, node: Host, timeout_s: float) -> str:
        """Ask ``node`` to; a sentence with what it did. Raises RaftmonError where it refused or did not answer."""


@runtime_checkable
class Defragment(Protocol):
    """Capability: a node's database can be rewritten on request."""

    def defragment(self, node: Host, timeout_s: float) -> str:
        """Ask ``node`` to; a sentence with what it did. Raises RaftmonError where it refused or did not answer."""


@runtime_checkable
class MoveLeader(Protocol):
    """Capability: the leader can hand its leadership to another node, ``to`` where the system lets one choose."""

    def move_leader(self, leader: Host, to: Host, timeout_s: float) -> str:
        """Ask ``leader`` to; a sentence with who leads after it. Raises RaftmonError where it refused."""


@runtime_checkable
class Snapshot(Protocol):
    """Capability: a node can save or send a snapshot of its store on request."""

    def snapshot(self, node: Host, timeout_s: float) -> str:
        """Ask ``node`` to; a sentence with what it did. Raises RaftmonError where it refused or sent a broken one."""


class Leadership(NamedTuple):
    """What a node reports of itself: whether it leads, and its term (0 if the system has none)."""

    leads: bool
    term: int


@runtime_checkable
class Leader(Protocol):
    """Capability: nodes report whether they lead. A partitioned node may still report that it does."""

    def leadership(self, node: Host, timeout_s: float) -> Leadership | None:
        """The node's own view, None if it did not answer. Never raises."""


def capability(thing: Any, kind: type) -> Any:
    """``thing`` if it has every member of the Protocol ``kind``, else None."""
    return thing if isinstance(thing, kind) else None


@runtime_checkable
class NodeClock(Protocol):
    """Capability: a node's answers say what time it is there; shows whether a fault of its clock took effect."""

    def node_time(self, node: Host, timeout_s: float) -> float | None:
        """The node's wall clock in seconds since 1970 (to the second), None if it did not answer. Never raises."""


class Taken(NamedTuple):
    """A value from a queue, and whether the system says that it had given it to somebody before."""

    value: Any
    redelivered: bool


@runtime_checkable
class Queues(Protocol):
    """Capability: first-in, first-out queues."""

    def enqueue(self, queue: str, value: Any) -> None:
        """Put ``value`` at the end; returns when the system has confirmed that it is kept."""

    def dequeue(self, queue: str, at_most_once: bool = False) -> Taken | None:
        """Take the first value, None from an empty queue. With ``at_most_once`` it is gone as soon as it is sent."""
