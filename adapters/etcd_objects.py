"""What Kubernetes asks of etcd: pages of a list, watches with previous values, changes by mod revision, compaction.

A mixin of ``EtcdClient`` (``raftmon.adapters.versioned.Objects``). As everywhere, a call is sent once.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import grpc
import orjson
from etcd3.etcdrpc import kv_pb2, rpc_pb2, rpc_pb2_grpc
from google.protobuf.unknown_fields import UnknownFieldSet

from raftmon.adapters.base import Definite
from raftmon.adapters.etcd_extras import EtcdExtras

__all__ = ["EtcdObjects", "is_fragment"]

_MAX_WAITING = 10_000
_FRAGMENT = b"\x40\x01"
"""``fragment = true`` of a WatchCreateRequest (rpc.proto, field 8), which python3-etcd3's messages do not have."""
_IS_FRAGMENT = 7
"""``fragment`` of a WatchResponse: further events of this revision follow in the next response."""
_FILTERS = {"noput": rpc_pb2.WatchCreateRequest.NOPUT, "nodelete": rpc_pb2.WatchCreateRequest.NODELETE}


class EtcdObjects(EtcdExtras):
    """The capability Objects."""

    def _failed(self, error: grpc.RpcError, *, read: bool) -> NoReturn:
        raise NotImplementedError  # EtcdClient's

    def list_page(self, prefix: str, limit: int, revision: int, after: str) -> dict[str, Any]:
        """``Range`` from behind ``after``, at ``revision`` (0: the newest)."""
        self._fresh()
        begin = after.encode() + b"\0" if after else prefix.encode()
        end = prefix.encode()[:-1] + bytes([prefix.encode()[-1] + 1])
        request = rpc_pb2.RangeRequest(key=begin, range_end=end, limit=limit, revision=revision)
        answer = self._ask(self._kv.Range, request, read=True)
        return {
            "revision": answer.header.revision,
            "items": [_object(kv) for kv in answer.kvs],
            "more": bool(answer.more),
        }

    def change(self, key: str, expected: int, value: Any, lease: int = 0) -> dict[str, Any]:
        """One ``Txn``: if the key's mod revision is ``expected`` (0: it does not exist) put ``value``, or delete it
        where ``value`` is None; otherwise get it. ``{"revision", "previous"}``; Definite with ``seen`` if not.
        """
        self._fresh()
        name = key.encode()
        compare = rpc_pb2.Compare(
            result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.MOD, key=name, mod_revision=expected
        )
        if value is None:
            act = rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=name, prev_kv=True))
        else:
            body = rpc_pb2.PutRequest(key=name, value=orjson.dumps(value), prev_kv=True, lease=lease)
            act = rpc_pb2.RequestOp(request_put=body)
        get = rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=name))
        answer = self._ask(
            self._kv.Txn, rpc_pb2.TxnRequest(compare=[compare], success=[act], failure=[get]), read=False
        )
        if not answer.succeeded:
            found = [_object(kv) for kv in answer.responses[0].response_range.kvs]
            seen = found[0] if found else None
            raise Definite(f"{key} was at {seen and seen['mod']}, not {expected}", seen=seen, has_seen=True)
        if value is None:
            before = [_object(kv) for kv in answer.responses[0].response_delete_range.prev_kvs]
        else:
            put = answer.responses[0].response_put
            before = [_object(put.prev_kv)] if put.HasField("prev_kv") else []
        return {"revision": answer.header.revision, "previous": before[0] if before else None}

    def branch(
        self, comparisons: Sequence[Sequence[Any]], then: Sequence[Sequence[Any]], otherwise: Sequence[Sequence[Any]]
    ) -> dict[str, Any]:
        """One ``Txn``; ``Branches``."""
        self._fresh()
        answer = self._ask(self._kv.Txn, _txn(comparisons, then, otherwise), read=False)
        taken = then if answer.succeeded else otherwise
        results = [_told(step, response) for step, response in zip(taken, answer.responses, strict=True)]
        return {"revision": answer.header.revision, "succeeded": answer.succeeded, "results": results}

    def compact_at(self, revision: int) -> None:
        """``Compact``; Definite where it is compacted already."""
        self._fresh()
        self._ask(self._kv.Compact, rpc_pb2.CompactionRequest(revision=revision), read=False)

    def observe(
        self, prefix: str, from_revision: int, duration_s: float, *, without: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Responses of one watch, with previous values, bookmarks asked for five times; see ``Objects``. A response
        that etcd sends in fragments comes out as one.
        """
        self._fresh()
        start = prefix.encode()
        create = rpc_pb2.WatchCreateRequest(
            key=start,
            range_end=start[:-1] + bytes([start[-1] + 1]),
            start_revision=from_revision,
            prev_kv=True,
            progress_notify=True,
            filters=[_FILTERS[without]] if without else [],
        )
        create.MergeFromString(_FRAGMENT)
        over = threading.Event()

        def requests() -> Iterator[Any]:
            yield rpc_pb2.WatchRequest(create_request=create)
            while not over.wait(duration_s / 5):
                yield rpc_pb2.WatchRequest(progress_request=rpc_pb2.WatchProgressRequest())

        waiting: queue.Queue[Any] = queue.Queue(_MAX_WAITING)
        call = rpc_pb2_grpc.WatchStub(self._channel).Watch(requests(), timeout=duration_s)
        reader = threading.Thread(target=_read, args=(call, waiting), name="etcd-observe", daemon=True)
        reader.start()
        try:
            yield from _responses(waiting)
        finally:
            over.set()
            call.cancel()
            reader.join(1.0)


def _read(call: Any, waiting: queue.Queue[Any]) -> None:
    ended: Any = None
    try:
        for response in call:
            waiting.put_nowait(response)
    except (grpc.RpcError, queue.Full) as error:
        ended = error
    call.cancel()
    with contextlib.suppress(queue.Full):
        waiting.put_nowait(ended)


def _responses(waiting: queue.Queue[Any]) -> Iterator[dict[str, Any]]:
    created = False
    parts: list[dict[str, Any]] = []
    while True:
        response = waiting.get()
        if not isinstance(response, rpc_pb2.WatchResponse):
            if not created:
                raise Definite(f"the watch was not created: {getattr(response, 'details', lambda: 'no answer')()}")
            return
        created = created or response.created
        if response.canceled:
            compacted = response.compact_revision
            why = response.cancel_reason or f"its start is compacted, up to {compacted}"
            raise Definite(f"etcd ended the watch: {why}", seen=compacted, has_seen=bool(compacted))
        if response.created and not response.events:
            continue
        parts += [_event(event) for event in response.events]
        if is_fragment(response):
            continue
        yield {"revision": response.header.revision, "events": parts}
        parts = []


def is_fragment(response: Any) -> bool:
    """Whether the events of a WatchResponse go on in the next one."""
    fields: Any = UnknownFieldSet(response)
    return any(one.field_number == _IS_FRAGMENT and one.data for one in fields)


_SIGNS = {
    "=": rpc_pb2.Compare.EQUAL,
    "!": rpc_pb2.Compare.NOT_EQUAL,
    "<": rpc_pb2.Compare.LESS,
    ">": rpc_pb2.Compare.GREATER,
}


def _comparison(target: str, key: str, sign: str, operand: Any) -> Any:
    compare = rpc_pb2.Compare(result=_SIGNS[sign], key=key.encode())
    if target == "value":
        compare.target, compare.value = rpc_pb2.Compare.VALUE, orjson.dumps(operand)
    elif target == "version":
        compare.target, compare.version = rpc_pb2.Compare.VERSION, operand
    elif target == "create":
        compare.target, compare.create_revision = rpc_pb2.Compare.CREATE, operand
    else:
        compare.target, compare.mod_revision = rpc_pb2.Compare.MOD, operand
    return compare


def _txn(comparisons: Sequence[Any], then: Sequence[Any], otherwise: Sequence[Any]) -> Any:
    return rpc_pb2.TxnRequest(
        compare=[_comparison(*each) for each in comparisons],
        success=[_step(*each) for each in then],
        failure=[_step(*each) for each in otherwise],
    )


def _step(kind: str, key: Any, *more: Any) -> Any:
    if kind == "txn":
        return rpc_pb2.RequestOp(request_txn=_txn(key, *more))
    name = key.encode()
    end = more[0].encode() if kind in ("range", "delete-range") else b""
    if kind in ("get", "get-at", "range"):
        request = rpc_pb2.RangeRequest(key=name, range_end=end, revision=more[0] if kind == "get-at" else 0)
        return rpc_pb2.RequestOp(request_range=request)
    if kind in ("delete", "delete-range"):
        return rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=name, range_end=end))
    return rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=name, value=orjson.dumps(more[0])))


def _told(step: Sequence[Any], response: Any) -> Any:
    if step[0] == "txn":
        answer = response.response_txn
        steps = step[2] if answer.succeeded else step[3]
        told = [_told(one, each) for one, each in zip(steps, answer.responses, strict=True)]
        return {"succeeded": answer.succeeded, "results": told}
    if step[0] == "range":
        return [_object(kv) for kv in response.response_range.kvs]
    if step[0] in ("get", "get-at"):
        kvs = response.response_range.kvs
        return _object(kvs[0]) if kvs else None
    return response.response_delete_range.deleted if step[0] in ("delete", "delete-range") else None


def _object(kv: Any) -> dict[str, Any]:
    return {
        "key": kv.key.decode(errors="replace"),
        "value": orjson.loads(kv.value) if kv.value else None,
        "mod": kv.mod_revision,
        "create": kv.create_revision,
        "version": kv.version,
    }


def _event(event: Any) -> dict[str, Any]:
    kind = "delete" if event.type == kv_pb2.Event.DELETE else "put"
    previous = _object(event.prev_kv) if event.HasField("prev_kv") else None
    return {"type": kind, **_object(event.kv), "previous": previous}
