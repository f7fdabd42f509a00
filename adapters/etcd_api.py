"""etcd's own operations beyond a register's: compaction, revisions, transactions, leases, maintenance (etcd API v3).

For scenarios and tests that need a certain operation at a certain node; each call is sent once. Values are text.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import grpc
from etcd3.etcdrpc import kv_pb2, rpc_pb2, rpc_pb2_grpc

from raftmon.adapters.etcd_client import CHANNEL_OPTIONS
from raftmon.setup.errors import RaftmonError

__all__ = ["EtcdApi", "EtcdRefused", "Event"]


_SHA256_BYTES = 32
_SECTOR_BYTES = 512


class EtcdRefused(RaftmonError):
    """etcd answered with an error: ``code`` is gRPC's name of it, ``details`` etcd's words."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.code: str = error.code().name
        self.details: str = error.details() or ""
        super().__init__(f"etcd answered {self.code}: {self.details}")


class Event(NamedTuple):
    """One event of a watch: ``put`` or ``delete``, key, value (None of a delete), revision."""

    type: str
    key: str
    value: str | None
    revision: int


class EtcdApi:
    """The API of one node at ``target`` (``IP:port``). Raises EtcdRefused wherever etcd answers with an error."""

    def __init__(self, target: str, timeout_s: float = 5.0) -> None:
        self._channel = grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
        self._timeout_s = timeout_s
        self._kv = rpc_pb2_grpc.KVStub(self._channel)
        self._lease = rpc_pb2_grpc.LeaseStub(self._channel)
        self._maintenance = rpc_pb2_grpc.MaintenanceStub(self._channel)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _call(self, stub: Any, request: Any, timeout_s: float | None = None) -> Any:
        try:
            return stub(request, timeout=self._timeout_s if timeout_s is None else timeout_s)
        except grpc.RpcError as error:
            raise EtcdRefused(error) from error

    def put(self, key: str, value: str, lease: int = 0) -> int:
        """Write; the revision."""
        request = rpc_pb2.PutRequest(key=key.encode(), value=value.encode(), lease=lease)
        return int(self._call(self._kv.Put, request).header.revision)

    def get(self, key: str, revision: int = 0, *, serializable: bool = False) -> str | None:
        """The value at a revision (0: now), None if there is none."""
        request = rpc_pb2.RangeRequest(key=key.encode(), revision=revision, serializable=serializable)
        found = self._call(self._kv.Range, request).kvs
        return found[0].value.decode(errors="replace") if found else None

    def delete(self, key: str) -> int:
        """Delete; the revision."""
        return int(self._call(self._kv.DeleteRange, rpc_pb2.DeleteRangeRequest(key=key.encode())).header.revision)

    def compact(self, revision: int, *, physical: bool = True) -> None:
        """Forget everything before a revision; ``physical`` waits until it is done."""
        self._call(self._kv.Compact, rpc_pb2.CompactionRequest(revision=revision, physical=physical))

    def put_and_read_at(self, key: str, expected: str, write: tuple[str, str], read: tuple[str, int]) -> bool:
        """One transaction: if ``key`` holds ``expected``, put ``write`` and get ``read`` (key, revision); whether the
        condition held.
        """
        compare = rpc_pb2.Compare(
            result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.VALUE, key=key.encode(), value=expected.encode()
        )
        put = rpc_pb2.PutRequest(key=write[0].encode(), value=write[1].encode())
        get = rpc_pb2.RangeRequest(key=read[0].encode(), revision=read[1])
        success = [rpc_pb2.RequestOp(request_put=put), rpc_pb2.RequestOp(request_range=get)]
        return bool(self._call(self._kv.Txn, rpc_pb2.TxnRequest(compare=[compare], success=success)).succeeded)

    def watch(self, key: str, from_revision: int, count: int, timeout_s: float = 5.0) -> list[Event]:
        """The first ``count`` events of a watch on a key from a revision; fewer where no more came in time."""
        create = rpc_pb2.WatchCreateRequest(key=key.encode(), start_revision=from_revision)
        over = threading.Event()

        def requests() -> Iterator[Any]:
            yield rpc_pb2.WatchRequest(create_request=create)
            over.wait()

        call = rpc_pb2_grpc.WatchStub(self._channel).Watch(requests(), timeout=timeout_s)
        found: list[Event] = []
        try:
            for response in call:
                found += [_event(event) for event in response.events]
                if len(found) >= count:
                    break
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise EtcdRefused(error) from error
        finally:
            over.set()
            call.cancel()
        return found

    def watch_all(self, prefix: str, from_revision: int) -> Iterator[Event]:
        """Every event under a prefix from a revision on, until the client is closed or its time-out is over."""
        end = prefix.encode()[:-1] + bytes([prefix.encode()[-1] + 1])
        create = rpc_pb2.WatchCreateRequest(key=prefix.encode(), range_end=end, start_revision=from_revision)
        over = threading.Event()

        def requests() -> Iterator[Any]:
            yield rpc_pb2.WatchRequest(create_request=create)
            over.wait()

        call = rpc_pb2_grpc.WatchStub(self._channel).Watch(requests(), timeout=self._timeout_s)
        try:
            for response in call:
                yield from map(_event, response.events)
        except grpc.RpcError as error:
            raise EtcdRefused(error) from error
        finally:
            over.set()
            call.cancel()

    def grant(self, ttl_s: int) -> int:
        """A new lease's id."""
        return int(self._call(self._lease.LeaseGrant, rpc_pb2.LeaseGrantRequest(TTL=ttl_s)).ID)

    def keep_alive(self, lease: int) -> int:
        """Renew a lease once; seconds it has from then on, 0 if it is gone."""
        try:
            requests = iter((rpc_pb2.LeaseKeepAliveRequest(ID=lease),))
            return int(next(iter(self._lease.LeaseKeepAlive(requests, timeout=self._timeout_s))).TTL)
        except grpc.RpcError as error:
            raise EtcdRefused(error) from error

    def time_to_live(self, lease: int) -> int:
        """Seconds a lease has left, -1 where it is gone."""
        return int(self._call(self._lease.LeaseTimeToLive, rpc_pb2.LeaseTimeToLiveRequest(ID=lease)).TTL)

    def defragment(self, timeout_s: float = 60.0) -> None:
        """Defragment this node's database."""
        self._call(self._maintenance.Defragment, rpc_pb2.DefragmentRequest(), timeout_s)

    def snapshot(self, timeout_s: float = 60.0) -> int:
        """Receive a snapshot of this node's database and check it; how many bytes the database has.

        etcd appends the SHA-256 of the file, whose size is a multiple of 512 (``etcdctl snapshot status`` looks at the
        same). Raises RaftmonError where that does not fit.
        """
        stream = self._maintenance.Snapshot(rpc_pb2.SnapshotRequest(), timeout=timeout_s)
        hashed, tail, size = hashlib.sha256(), b"", 0
        try:
            for part in stream:
                size += len(part.blob)
                tail += part.blob
                hashed.update(tail[:-_SHA256_BYTES])
                tail = tail[-_SHA256_BYTES:]
        except grpc.RpcError as error:
            raise EtcdRefused(error) from error
        if size % _SECTOR_BYTES != _SHA256_BYTES:
            raise RaftmonError(f"etcd's snapshot of {size:,} B has no checksum at its end: it was cut off")
        if hashed.digest() != tail:
            raise RaftmonError(f"etcd's snapshot of {size:,} B does not have the checksum that it says")
        return size - _SHA256_BYTES

    def move_leader(self, member: int) -> None:
        """Have the leader (this node must be it) hand its leadership to a member, by id."""
        request = rpc_pb2.MoveLeaderRequest(targetID=member)
        self._call(self._maintenance.MoveLeader, request)

    def revision(self) -> int:
        """The store's revision, as a linearizable read of no key shows it."""
        return int(self._call(self._kv.Range, rpc_pb2.RangeRequest(key=b"\0")).header.revision)

    def local_revision(self) -> int:
        """The revision of this node's own store (a serializable read)."""
        return int(self._call(self._kv.Range, rpc_pb2.RangeRequest(key=b"\0", serializable=True)).header.revision)

    def status(self) -> Mapping[str, int]:
        """The node's own view: ``leader``, ``member``, ``term``, ``index``, ``db_bytes``."""
        answer = self._call(self._maintenance.Status, rpc_pb2.StatusRequest())
        return {
            "leader": answer.leader,
            "member": answer.header.member_id,
            "term": answer.raftTerm,
            "index": answer.raftIndex,
            "db_bytes": answer.dbSize,
        }


def _event(event: Any) -> Event:
    deleted = event.type == kv_pb2.Event.DELETE
    value = None if deleted else event.kv.value.decode(errors="replace")
    return Event("delete" if deleted else "put", event.kv.key.decode(errors="replace"), value, event.kv.mod_revision)
