"""What each error of etcd 3.4 and 3.5 says about a write: it certainly did not happen, or nobody knows.

The messages are those of etcd's ``api/v3rpc/rpctypes/error.go`` and of ``server/etcdserver/errors.go``; whether one is
definite was read from where ``v3_server.go`` returns it: before the proposal (definite) or after (unknown).
"""

from __future__ import annotations

from raftmon.adapters.outcomes import Row

__all__ = ["BROKEN", "ETCD"]

# Everything of this code that etcd itself did not say.
BROKEN = Row("UNAVAILABLE", "", False, "the connection broke while the answer was awaited")

ETCD = (
    # gRPC's own: the load-balancing policy had no connection to give the call to, so no byte of it was sent.
    Row("UNAVAILABLE", "failed to connect to all addresses", True, "no connection, so nothing was sent"),
    Row("UNAVAILABLE", "etcdserver: request timed out", False, "proposed, no answer from the log in time"),
    Row("UNAVAILABLE", "etcdserver: server stopped", False, "stopped while the proposal was under way"),
    Row("UNAVAILABLE", "etcdserver: leader changed", False, "the proposal may have been passed on before"),
    Row("UNAVAILABLE", "etcdserver: no leader", True, "refused before it was proposed"),
    Row("UNAVAILABLE", "etcdserver: not capable", True, "refused before it was proposed"),
    Row("UNAVAILABLE", "etcdserver: unhealthy cluster", True, "membership change refused before it was proposed"),
    BROKEN,
    Row("DEADLINE_EXCEEDED", "", False, "no answer in time"),
    Row("CANCELLED", "", False, "the call was cut off"),
    # The quota is looked at twice. The second look comes after the put was applied: it *did* happen then.
    Row("RESOURCE_EXHAUSTED", "database space exceeded", False, "may be applied and refused all the same"),
    Row("RESOURCE_EXHAUSTED", "etcdserver: too many requests", True, "refused before it was proposed"),
    Row("RESOURCE_EXHAUSTED", "grpc: received message larger than max", True, "etcd's gRPC refused it unread"),
    Row("UNKNOWN", "raft proposal dropped", True, "the node's own raft refused it"),
    Row("INVALID_ARGUMENT", "", True, "refused before it was proposed, or as a whole when applied"),
    Row("NOT_FOUND", "", True, "refused as a whole when applied"),
    Row("FAILED_PRECONDITION", "", True, "refused as a whole"),
    Row("OUT_OF_RANGE", "", True, "a revision that is compacted or to come: refused as a whole"),
    Row("PERMISSION_DENIED", "", True, "refused as a whole"),
    Row("UNAUTHENTICATED", "", True, "refused before it was proposed"),
    Row("UNIMPLEMENTED", "", True, "there is no such call"),
)
