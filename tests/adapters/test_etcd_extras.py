"""Capabilities without a server; the rest: driver/testing/scripts/test_sanity_capabilities.py."""

import queue

import pytest
from etcd3.etcdrpc import kv_pb2, rpc_pb2

from raftmon.adapters.base import Definite
from raftmon.adapters.capabilities import (
    Append,
    Fence,
    Lease,
    LeaseTimes,
    Lock,
    Revision,
    Transactions,
    Watch,
    WatchResponses,
)
from raftmon.adapters.etcd_client import EtcdClient
from raftmon.adapters.etcd_extras import _range_end
from raftmon.adapters.versioned import Branches, Objects, PastReads


@pytest.fixture
def client():
    made = EtcdClient("127.0.0.1:1", 0.1)
    yield made
    made.close()


@pytest.mark.parametrize(
    "kind",
    [
        Append,
        Branches,
        Fence,
        Lease,
        LeaseTimes,
        Lock,
        Objects,
        PastReads,
        Revision,
        Transactions,
        Watch,
        WatchResponses,
    ],
)
def test_a_client_has_every_capability(client, kind):
    assert isinstance(client, kind)


@pytest.mark.parametrize(
    ("prefix", "end"), [(b"a", b"b"), (b"lock/", b"lock0"), (b"a\xff", b"b"), (b"\xff\xff", b"\0"), (b"", b"\0")]
)
def test_a_prefixs_range_ends_at_the_first_key_behind_it(prefix, end):
    assert _range_end(prefix) == end


def response(revision, *events, created=False, canceled=False):
    made = rpc_pb2.WatchResponse(created=created, canceled=canceled, events=events)
    made.header.revision = revision
    return made


def event(kind, key, value, revision):
    kv = kv_pb2.KeyValue(key=key, value=value, mod_revision=revision)
    return kv_pb2.Event(type=kind, kv=kv)


def taken(client, *responses):
    waiting = queue.Queue()
    for one in (*responses, None):
        waiting.put(one)
    return client._take(waiting, 1.0)


def test_watch_responses_are_told_with_the_revision_of_their_header(client):
    put = event(kv_pb2.Event.PUT, b"k1", b"7", 5)
    delete = event(kv_pb2.Event.DELETE, b"k1", b"", 6)
    assert list(taken(client, response(4, created=True), response(6, put, delete))) == [
        {
            "revision": 6,
            "events": [
                {"type": "put", "key": "k1", "value": 7, "revision": 5},
                {"type": "delete", "key": "k1", "value": None, "revision": 6},
            ],
        }
    ]


def test_a_watch_that_was_never_created_did_nothing(client):
    with pytest.raises(Definite, match="not created"):
        list(taken(client))


def test_a_watch_that_etcd_cancels_says_so(client):
    with pytest.raises(Definite, match="ended the watch"):
        list(taken(client, response(4, created=True), response(9, canceled=True)))


def test_a_lock_that_this_client_does_not_hold_cannot_be_released(client):
    with pytest.raises(Definite, match="does not hold lock with the token 7"):
        client.release("lock", 7)
