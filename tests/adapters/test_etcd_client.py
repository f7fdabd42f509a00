"""The client against servers that lie and lose connections, over Unix sockets: no cluster, no network."""

import threading
from concurrent import futures

import grpc
import pytest
from etcd3.etcdrpc import rpc_pb2, rpc_pb2_grpc

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.contract.relay import Relay
from raftmon.adapters.etcd_client import EtcdClient


class FakeEtcd(rpc_pb2_grpc.KVServicer):
    """Counts what reaches it. ``before_answer`` may be set to something that happens after the work was done."""

    def __init__(self):
        self.requests = []
        self.values = {}
        self.before_answer = lambda context: None
        self.header = rpc_pb2.ResponseHeader(revision=41)

    def Range(self, request, context):
        self.requests.append(request)
        self.before_answer(context)
        kvs = [{"key": request.key, "value": self.values[request.key]}] if request.key in self.values else []
        return rpc_pb2.RangeResponse(header=self.header, kvs=kvs)

    def Put(self, request, context):
        self.requests.append(request)
        self.values[request.key] = request.value
        self.before_answer(context)
        return rpc_pb2.PutResponse(header=self.header)

    def Txn(self, request, context):
        self.requests.append(request)
        self.before_answer(context)
        kvs = [{"key": b"k", "value": b'"other"'}]
        found = rpc_pb2.ResponseOp(response_range=rpc_pb2.RangeResponse(kvs=kvs))
        return rpc_pb2.TxnResponse(header=self.header, succeeded=False, responses=[found])


@pytest.fixture
def etcd(tmp_path):
    fake = FakeEtcd()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    rpc_pb2_grpc.add_KVServicer_to_server(fake, server)
    fake.path = str(tmp_path / "etcd.sock")
    server.add_insecure_port(f"unix:{fake.path}")
    server.start()
    yield fake
    server.stop(0).wait()


@pytest.fixture
def relay(etcd, tmp_path):
    path = str(tmp_path / "relay.sock")
    with Relay(path, etcd.path) as relay:
        relay.path = path
        yield relay


@pytest.fixture
def client(relay):
    client = EtcdClient(f"unix:{relay.path}", 5.0)
    assert client.read("warm-up") is None
    yield client
    client.close()


WRITES = {"write": lambda client: client.write("k", 1), "cas": lambda client: client.cas("k", 1, 2)}


@pytest.mark.parametrize("f", WRITES)
def test_a_write_whose_answer_is_lost_is_unknown_and_was_sent_exactly_once(etcd, relay, client, f):
    etcd.requests.clear()
    etcd.before_answer = lambda context: relay.cut()
    with pytest.raises(Indefinite, match="UNAVAILABLE"):
        WRITES[f](client)
    assert len(etcd.requests) == 1
    etcd.before_answer = lambda context: None
    assert client.read("elsewhere") is None  # back over a new connection, on which nothing was sent again
    assert relay.connections == 2
    assert len(etcd.requests) == 2


@pytest.mark.parametrize("f", WRITES)
def test_a_write_without_an_answer_in_time_is_unknown_and_was_sent_exactly_once(etcd, relay, f):
    client = EtcdClient(f"unix:{relay.path}", 0.3)
    over = threading.Event()
    etcd.before_answer = lambda context: over.wait(30)
    with pytest.raises(Indefinite, match="DEADLINE_EXCEEDED"):
        WRITES[f](client)
    over.set()
    etcd.before_answer = lambda context: None
    assert client.read("elsewhere") is None
    assert relay.connections == 2  # the silent connection is not trusted again
    assert len(etcd.requests) == 2
    client.close()


@pytest.mark.parametrize(
    ("message", "connections"), [("Stream removed (sendmsg: Broken pipe (32))", 2), ("etcdserver: leader changed", 1)]
)
def test_after_a_broken_connection_the_next_operation_takes_a_new_one(etcd, relay, client, message, connections):
    # gRPC's threads may not have noticed yet; here they never do, since the stream alone ended.
    etcd.before_answer = lambda context: context.abort(grpc.StatusCode.UNAVAILABLE, message)
    with pytest.raises(Indefinite, match=message.partition("(")[0]):
        client.write("k", 1)
    etcd.before_answer = lambda context: None
    client.write("k", 2)
    assert relay.connections == connections


def test_a_read_whose_answer_is_lost_failed_and_was_sent_exactly_once(etcd, relay, client):
    etcd.requests.clear()
    etcd.before_answer = lambda context: relay.cut()
    with pytest.raises(Definite, match="UNAVAILABLE"):
        client.read("k")
    assert len(etcd.requests) == 1


@pytest.mark.parametrize("call", [*WRITES.values(), lambda client: client.read("k")])
def test_where_nobody_listens_nothing_happened(tmp_path, call):
    client = EtcdClient(f"unix:{tmp_path}/nobody.sock", 5.0)
    with pytest.raises(Definite, match="failed to connect"):
        call(client)


def test_a_client_finds_a_node_that_came_back_without_being_told(etcd, tmp_path):
    path = str(tmp_path / "late.sock")
    client = EtcdClient(f"unix:{path}", 5.0)
    with pytest.raises(Definite):
        client.read("k")
    with Relay(path, etcd.path) as relay:
        answer = "none"
        while answer == "none":
            try:
                answer = client.read("k")
            except Definite:
                continue
        assert answer is None
        assert relay.connections == 1
    client.close()


def test_two_clients_of_a_node_never_share_a_connection(relay, client):
    other = EtcdClient(f"unix:{relay.path}", 5.0)
    other.read("k")
    assert relay.connections == 2
    other.close()


def test_what_the_server_says_is_judged_by_the_table(etcd, client):
    etcd.before_answer = lambda context: context.abort(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: too many requests"
    )
    with pytest.raises(Definite, match="too many requests"):
        client.write("k", 1)
    etcd.before_answer = lambda context: context.abort(grpc.StatusCode.UNAVAILABLE, "etcdserver: request timed out")
    with pytest.raises(Indefinite, match="request timed out"):
        client.write("k", 1)


def test_reads_are_linearizable_unless_asked_otherwise(etcd, client):
    client.read("k")
    assert etcd.requests[-1].serializable is False
    careless = EtcdClient(f"unix:{etcd.path}", 5.0, serializable=True)
    careless.read("k")
    assert etcd.requests[-1].serializable is True
    careless.close()


def test_values_come_back_as_they_went(client):
    for value in (7, "seven", [1, 2], {"a": None}):
        client.write("k", value)
        assert client.read("k") == value


def test_a_cas_of_a_key_never_written_compares_its_version(etcd, client):
    with pytest.raises(Definite):
        client.cas("k", None, 1)
    compare = etcd.requests[-1].compare[0]
    assert (compare.target, compare.version) == (rpc_pb2.Compare.VERSION, 0)


def test_a_failed_cas_says_what_was_there(client):
    with pytest.raises(Definite) as failed:
        client.cas("k", 1, 2)
    assert failed.value.has_seen
    assert failed.value.seen == "other"


def test_the_revision_of_the_last_answer_is_known(client):
    assert client.revision == 41
