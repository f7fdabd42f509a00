"""What etcd offers beyond read, write and cas: transactions, lists, its lock, leases and watches, over gRPC.

A mixin of ``EtcdClient`` (see ``raftmon.adapters.capabilities`` for the Protocols). As everywhere, a call is sent once.
Where one operation takes several calls (``append``, ``acquire``), only the last one that changes anything can leave its
effect in doubt, and the error says so.
"""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grpc
import orjson
from etcd3.etcdrpc import kv_pb2, rpc_pb2, rpc_pb2_grpc

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.etcd_leases import EtcdLeases

__all__ = ["EtcdExtras"]

_EQUAL = rpc_pb2.Compare.EQUAL
_VALUE = rpc_pb2.Compare.VALUE
_VERSION = rpc_pb2.Compare.VERSION
_MAX_WAITING = 10_000
"""Watch responses kept for a reader that is slower than the server; more end the watch."""


def _range_end(prefix: bytes) -> bytes:
    """The first key behind all that begin with ``prefix``; one zero byte means the end of the store."""
    for place in range(len(prefix) - 1, -1, -1):
        if prefix[place] < 0xFF:
            return prefix[:place] + bytes([prefix[place] + 1])
    return b"\0"


def _compare(key: str, expected: Any) -> Any:
    if expected is None:
        return rpc_pb2.Compare(result=_EQUAL, target=_VERSION, key=key.encode(), version=0)
    return rpc_pb2.Compare(result=_EQUAL, target=_VALUE, key=key.encode(), value=orjson.dumps(expected))


def _put(key: str, value: Any, lease: int = 0) -> Any:
    request = rpc_pb2.PutRequest(key=key.encode(), value=orjson.dumps(value), lease=lease)
    return rpc_pb2.RequestOp(request_put=request)


def _get(key: str) -> Any:
    return rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=key.encode()))


class EtcdExtras(EtcdLeases):
    """The capabilities Transactions, Append, Lock, Fence, Watch and those of ``EtcdLeases``."""

    # -- several keys at once ------------------------------------------------------------------------------------

    def transact(self, expected: Mapping[str, Any], writes: Mapping[str, Any]) -> None:
        """One ``Txn``: compare all of ``expected`` (None: never written), then put all of ``writes``."""
        self._fresh()
        request = rpc_pb2.TxnRequest(
            compare=[_compare(key, value) for key, value in expected.items()],
            success=[_put(key, value) for key, value in writes.items()],
        )
        answer = self._ask(self._kv.Txn, request, read=False)
        self.revision = answer.header.revision
        if not answer.succeeded:
            raise Definite(f"{', '.join(expected)} did not all hold what was expected", seen=None, has_seen=True)

    def read_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """One ``Txn`` of gets: all keys at one revision."""
        self._fresh()
        answer = self._ask(self._kv.Txn, rpc_pb2.TxnRequest(success=[_get(key) for key in keys]), read=True)
        self.revision = answer.header.revision
        found = {}
        for key, response in zip(keys, answer.responses, strict=True):
            kvs = response.response_range.kvs
            found[key] = orjson.loads(kvs[0].value) if kvs else None
        return found

    def append(self, key: str, value: Any) -> None:
        """Read the list, then write it one element longer if nobody changed it meanwhile; Definite if somebody did."""
        before = self.read_many([key])[key]
        self.transact({key: before}, {key: [*(before or []), value]})

    # -- the lock ------------------------------------------------------------------------------------------------

    def acquire(self, name: str, ttl_s: float) -> int:
        """Etcd's own lock (``concurrency.Mutex.TryLock``): a key under a lease, and the oldest key holds the lock.

        Returns its create revision, which is the fencing token. Nobody keeps the lease alive: the lock is lost after
        ``ttl_s`` (rounded up to seconds, and to etcd's own least).
        """
        try:
            lease = self.grant(max(1, round(ttl_s))).lease
        except Indefinite as error:
            raise Definite(f"no lease, so no lock: {error}") from error
        prefix = f"lock/{name}/".encode()
        key = prefix + secrets.token_hex(8).encode()
        mine = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=b"1", lease=lease))
        owner = rpc_pb2.RequestOp(
            request_range=rpc_pb2.RangeRequest(
                key=prefix,
                range_end=_range_end(prefix),
                sort_order=rpc_pb2.RangeRequest.ASCEND,
                sort_target=rpc_pb2.RangeRequest.CREATE,
                limit=1,
            )
        )
        answer = self._ask(self._kv.Txn, rpc_pb2.TxnRequest(success=[mine, owner]), read=False)
        first = answer.responses[1].response_range.kvs[0]
        token = int(answer.header.revision)
        if first.key == key:
            self._held[(name, token)] = (key, lease)
            return token
        with contextlib.suppress(Definite, Indefinite):  # where it fails, the lease's end takes our key away
            self.revoke(lease)
        raise Definite(f"another holds {name}, since revision {first.create_revision}")

    def release(self, name: str, token: Any) -> None:
        """Delete the lock's key; Definite if it had gone with its lease, or was not this client's."""
        key, lease = self._held.pop((name, token), (None, 0))
        if key is None:
            raise Definite(f"this client does not hold {name} with the token {token}")
        self._fresh()
        answer = self._ask(self._kv.DeleteRange, rpc_pb2.DeleteRangeRequest(key=key), read=False)
        self.revision = answer.header.revision
        with contextlib.suppress(Definite, Indefinite):
            self.revoke(lease)
        self.revision = answer.header.revision
        if not answer.deleted:
            raise Definite(f"{name} had been lost before it was released: its lease had run out")

    def write_held(self, key: str, value: Any, name: str, token: Any) -> None:
        """One ``Txn``: put ``key`` if the lock's key is the one that was made at revision ``token``."""
        lock, _ = self._held.get((name, token), (b"", 0))
        if not lock:
            raise Definite(f"this client does not hold {name} with the token {token}")
        self._fresh()
        compare = rpc_pb2.Compare(result=_EQUAL, target=rpc_pb2.Compare.CREATE, key=lock, create_revision=token)
        request = rpc_pb2.TxnRequest(compare=[compare], success=[_put(key, value)])
        answer = self._ask(self._kv.Txn, request, read=False)
        if not answer.succeeded:
            raise Definite(f"{name} had been lost before {key} was written: its lease had run out")

    # -- watches -------------------------------------------------------------------------------------------------

    def watch(self, prefix: str, from_revision: int, timeout_s: float) -> Iterator[tuple[int, str, Any]]:
        """(revision, key, value) of every change from that revision on; ends after ``timeout_s`` without one."""
        for response in self._responses(prefix, from_revision, timeout_s, None):
            for event in response["events"]:
                yield event["revision"], event["key"], event["value"]

    def watch_responses(
        self, prefix: str, from_revision: int, duration_s: float, *, pause_s: float = 0.0
    ) -> Iterator[dict[str, Any]]:
        """Responses as they came for ``duration_s``: ``{"revision": of the header, "events": [...]}``; an event has
        ``type`` (put or delete), ``key``, ``value`` and ``revision``. Ends early where the connection breaks. A client
        that pauses ``pause_s`` after each response leaves the rest to gRPC's and etcd's buffers.
        """
        return self._responses(prefix, from_revision, duration_s, duration_s, pause_s)

    def _responses(
        self, prefix: str, from_revision: int, idle_s: float, total_s: float | None, pause_s: float = 0.0
    ) -> Iterator[dict[str, Any]]:
        self._fresh()
        start = prefix.encode()
        create = rpc_pb2.WatchCreateRequest(key=start, range_end=_range_end(start), start_revision=from_revision)
        over = threading.Event()

        def requests() -> Iterator[Any]:
            yield rpc_pb2.WatchRequest(create_request=create)
            over.wait()  # the stream lives as long as its requests have not ended

        waiting: queue.Queue[Any] = queue.Queue(_MAX_WAITING)
        call = rpc_pb2_grpc.WatchStub(self._channel).Watch(requests(), timeout=total_s)

        def read() -> None:
            try:
                for response in call:
                    waiting.put_nowait(response)
                    if pause_s:
                        over.wait(pause_s)
            except (grpc.RpcError, queue.Full) as error:
                ended: Any = error
            else:
                ended = None
            call.cancel()
            with contextlib.suppress(queue.Full):
                waiting.put_nowait(ended)

        reader = threading.Thread(target=read, name="etcd-watch", daemon=True)
        reader.start()
        try:
            yield from self._take(waiting, idle_s)
        finally:
            over.set()
            call.cancel()
            reader.join(1.0)

    def _take(self, waiting: queue.Queue[Any], idle_s: float) -> Iterator[dict[str, Any]]:
        created = False
        while True:
            try:
                response = waiting.get(timeout=idle_s)
            except queue.Empty:
                response = None
            if not isinstance(response, rpc_pb2.WatchResponse):
                if not created:
                    raise Definite(f"the watch was not created: {getattr(response, 'details', lambda: 'no answer')()}")
                return
            created = created or response.created
            if response.canceled:
                raise Definite(f"etcd ended the watch: {response.cancel_reason or 'its start is compacted'}")
            if response.created and not response.events:
                continue
            yield {"revision": response.header.revision, "events": [_event(event) for event in response.events]}


def _event(event: Any) -> dict[str, Any]:
    deleted = event.type == kv_pb2.Event.DELETE
    return {
        "type": "delete" if deleted else "put",
        "key": event.kv.key.decode(errors="replace"),
        "value": None if deleted else orjson.loads(event.kv.value),
        "revision": event.kv.mod_revision,
    }
