"""One thread's connection to one etcd node, on etcd's own gRPC interface (``etcdserverpb.KV``).

It uses the messages and stubs that python3-etcd3 ships, on a channel of its own: no fail-over, no retry, no endpoint
bookkeeping between a call and the wire. Values are JSON.
"""

from __future__ import annotations

import os
from typing import Any, NoReturn

# gRPC's fork handlers would hold up a process that starts others; nothing here forks without exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import orjson
from etcd3.etcdrpc import rpc_pb2, rpc_pb2_grpc

from raftmon.adapters.base import Definite
from raftmon.adapters.etcd_objects import EtcdObjects
from raftmon.adapters.etcd_outcomes import BROKEN, ETCD
from raftmon.adapters.outcomes import judge, raise_outcome

__all__ = ["CHANNEL_OPTIONS", "EtcdClient", "hash_kv"]

CHANNEL_OPTIONS = (
    ("grpc.enable_retries", 0),  # no policy, and none of gRPC's "transparent" retries either
    ("grpc.use_local_subchannel_pool", 1),  # a new client is a new TCP connection, not a share in an old one
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),  # also how long one attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 500),  # back within a second of a node's restart
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", -1),
)

_EQUAL = rpc_pb2.Compare.EQUAL
_VALUE = rpc_pb2.Compare.VALUE
_VERSION = rpc_pb2.Compare.VERSION


def hash_kv(target: str, revision: int, timeout_s: float) -> tuple[int, int]:
    """``Maintenance.HashKV`` of one node: (hash, revision it is of); 0 asks for the newest the node has.

    Raises Definite if the node has not got that far, or did not answer.
    """
    with grpc.insecure_channel(target, options=CHANNEL_OPTIONS) as channel:
        request = rpc_pb2.HashKVRequest(revision=revision)
        try:
            answer = rpc_pb2_grpc.MaintenanceStub(channel).HashKV(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise_outcome(ETCD, error.code().name, error.details() or "", read=True, cause=error)
    return answer.hash, revision or answer.header.revision


class EtcdClient(EtcdObjects):
    """read, write and cas on one node; each is sent once.

    ``revision`` is the store's revision in the header of the last answer (0 before the first), ``term`` its Raft term.
    """

    def __init__(self, target: str, timeout_s: float, *, serializable: bool = False) -> None:
        self.revision = self.term = 0
        self._held = {}
        self._target = target
        self._timeout_s = timeout_s
        self._serializable = serializable
        self._stale = False
        self._open()

    def _open(self) -> None:
        self._channel = grpc.insecure_channel(self._target, options=CHANNEL_OPTIONS)
        self._kv = rpc_pb2_grpc.KVStub(self._channel)

    def _renew(self) -> None:
        self._stale = False
        self._channel.close()
        self._open()

    def _failed(self, error: grpc.RpcError, *, read: bool) -> NoReturn:
        code, message = error.code().name, error.details() or ""
        # After a time-out the connection may sit in a long retransmission pause; a broken one gRPC goes on using until
        # its own threads have noticed, and the next operation would be lost on it as well. A new one asks immediately.
        self._stale = code == "DEADLINE_EXCEEDED" or judge(ETCD, code, message) is BROKEN
        raise_outcome(ETCD, code, message, read=read, cause=error)

    def _told(self, header: Any) -> None:
        self.revision, self.term = header.revision, header.raft_term

    def read(self, key: str) -> Any:
        """The value of ``key``, None if it has none."""
        return self._range(rpc_pb2.RangeRequest(key=key.encode(), serializable=self._serializable))

    def read_at(self, key: str, revision: int) -> Any:
        """The value of ``key`` at a past revision."""
        return self._range(rpc_pb2.RangeRequest(key=key.encode(), revision=revision))

    def read_local(self, key: str) -> Any:
        """The value of ``key`` in the node's own store (a serializable read)."""
        return self._range(rpc_pb2.RangeRequest(key=key.encode(), serializable=True))

    def _range(self, request: Any) -> Any:
        if self._stale:
            self._renew()
        try:
            answer = self._kv.Range(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            self._failed(error, read=True)
        self._told(answer.header)
        return orjson.loads(answer.kvs[0].value) if answer.kvs else None

    def write(self, key: str, value: Any) -> None:
        """Put ``key``."""
        if self._stale:
            self._renew()
        request = rpc_pb2.PutRequest(key=key.encode(), value=orjson.dumps(value))
        try:
            answer = self._kv.Put(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            self._failed(error, read=False)
        self._told(answer.header)

    def cas(self, key: str, expected: Any, new: Any) -> None:
        """One transaction: compare, then put or else get. ``expected`` None means never written."""
        if self._stale:
            self._renew()
        name = key.encode()
        if expected is None:
            compare = rpc_pb2.Compare(result=_EQUAL, target=_VERSION, key=name, version=0)
        else:
            compare = rpc_pb2.Compare(result=_EQUAL, target=_VALUE, key=name, value=orjson.dumps(expected))
        put = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=name, value=orjson.dumps(new)))
        get = rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=name))
        try:
            answer = self._kv.Txn(
                rpc_pb2.TxnRequest(compare=[compare], success=[put], failure=[get]), timeout=self._timeout_s
            )
        except grpc.RpcError as error:
            self._failed(error, read=False)
        self._told(answer.header)
        if not answer.succeeded:
            found = answer.responses[0].response_range.kvs
            seen = orjson.loads(found[0].value) if found else None
            raise Definite(f"{key} was {seen!r}, not {expected!r}", seen=seen, has_seen=True)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()
