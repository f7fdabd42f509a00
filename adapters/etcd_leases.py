"""etcd's leases, and how its clients ask and keep what headers tell, over gRPC.

The base of ``EtcdExtras``. As everywhere, a call is sent once.
"""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
import orjson
from etcd3.etcdrpc import rpc_pb2, rpc_pb2_grpc

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.capabilities import Granted

__all__ = ["EtcdLeases"]


class EtcdLeases:
    """The capabilities Lease, LeaseTimes and Revision."""

    revision: int = 0
    _channel: grpc.Channel
    _kv: Any
    _timeout_s: float
    _stale: bool
    _held: dict[tuple[str, int], tuple[bytes, int]]

    def _renew(self) -> None:
        raise NotImplementedError  # EtcdClient's

    def _failed(self, error: grpc.RpcError, *, read: bool) -> NoReturn:
        raise NotImplementedError  # EtcdClient's

    def _ask(self, stub: Any, request: Any, *, read: bool) -> Any:
        try:
            answer = stub(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            self._failed(error, read=read)
        self.revision = max(self.revision, answer.header.revision)
        self.term = answer.header.raft_term
        return answer

    def _fresh(self) -> None:
        if self._stale:
            self._renew()

    def grant(self, ttl_s: int) -> Granted:
        """``LeaseGrant``; etcd may make the time longer than asked (at least 3/2 of its election timeout)."""
        self._fresh()
        stub = rpc_pb2_grpc.LeaseStub(self._channel).LeaseGrant
        answer = self._ask(stub, rpc_pb2.LeaseGrantRequest(TTL=ttl_s), read=False)
        if answer.error:
            raise Definite(answer.error)
        return Granted(answer.ID, float(answer.TTL))

    def keep_alive(self, lease: Any) -> float:
        """One ``LeaseKeepAlive`` request on its own stream; Definite with ``seen`` 0 if the lease is gone."""
        self._fresh()
        requests = iter([rpc_pb2.LeaseKeepAliveRequest(ID=lease)])
        call = rpc_pb2_grpc.LeaseStub(self._channel).LeaseKeepAlive(requests, timeout=self._timeout_s)
        try:
            answer = next(call)
        except grpc.RpcError as error:
            self._failed(error, read=False)
        except StopIteration:
            raise Indefinite("etcd ended the stream without an answer") from None
        finally:
            call.cancel()
        self.term = answer.header.raft_term
        if answer.TTL <= 0:
            raise Definite(f"the lease {lease} is gone", seen=0, has_seen=True)
        return float(answer.TTL)

    def time_to_live(self, lease: Any) -> float:
        """``LeaseTimeToLive``: whole seconds, -1 where it is gone."""
        self._fresh()
        stub = rpc_pb2_grpc.LeaseStub(self._channel).LeaseTimeToLive
        return float(self._ask(stub, rpc_pb2.LeaseTimeToLiveRequest(ID=lease), read=True).TTL)

    def revoke(self, lease: Any) -> None:
        """``LeaseRevoke``; Definite if there is no such lease."""
        self._fresh()
        stub = rpc_pb2_grpc.LeaseStub(self._channel).LeaseRevoke
        self._ask(stub, rpc_pb2.LeaseRevokeRequest(ID=lease), read=False)

    def write_leased(self, key: str, value: Any, lease: Any) -> None:
        """``Put`` under a lease; Definite if the lease is gone."""
        self._fresh()
        request = rpc_pb2.PutRequest(key=key.encode(), value=orjson.dumps(value), lease=lease)
        self._ask(self._kv.Put, request, read=False)
