"""The line client against a server that answers, lies, stays silent or hangs up, on a socket of this process."""

import json
import socket
import threading

import pytest

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.line_client import LineClient
from raftmon.adapters.outcomes import Row

TABLE = (Row("NO_LEADER", "", True, "refused before it was queued"),)


class Server:
    """Keeps every request; ``answer(request) -> bytes | None`` says what goes back, None hangs up."""

    def __init__(self):
        self.requests = []
        self.answer = lambda request: line(request, value=None)
        self.connections = 0
        self.news = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as lines:
            for text in lines:
                request = json.loads(text)
                with self.news:
                    self.requests.append(request)
                    self.news.notify_all()
                reply = self.answer(request)
                if reply is None:
                    return
                connection.sendall(reply)


def line(request, **answer):
    return json.dumps({"id": request["id"], **answer}).encode() + b"\n"


@pytest.fixture
def server():
    made = Server()
    yield made
    made.listener.shutdown(socket.SHUT_RDWR)
    made.listener.close()


@pytest.fixture
def client(server):
    made = LineClient(server.address, 0.5, TABLE)
    yield made
    made.close()


CALLS = {
    "read": (lambda client: client.read("k"), Definite),
    "write": (lambda client: client.write("k", 1), Indefinite),
    "cas": (lambda client: client.cas("k", 1, 2), Indefinite),
}


def test_requests_say_all_that_a_server_needs(server, client):
    client.read("k")
    client.write("k", "v")
    client.cas("k", None, 2)
    assert [{name: value for name, value in request.items() if name != "id"} for request in server.requests] == [
        {"op": "read", "key": "k"},
        {"op": "write", "key": "k", "value": "v"},
        {"op": "cas", "key": "k", "expected": None, "new": 2},
    ]
    assert server.connections == 1


def test_a_read_returns_the_value(server, client):
    server.answer = lambda request: line(request, value="there")
    assert client.read("k") == "there"


def test_an_answer_may_come_in_pieces_and_after_an_old_one(server, client):
    server.answer = lambda request: line({"id": 0}, value="old") + line(request, value="x" * 200_000)
    assert len(client.read("k")) == 200_000


def test_a_cas_that_found_another_value_says_which(server, client):
    server.answer = lambda request: line(request, mismatch=True, seen=None)
    with pytest.raises(Definite) as failed:
        client.cas("k", 1, 2)
    assert (failed.value.seen, failed.value.has_seen) == (None, True)
    server.answer = lambda request: line(request, mismatch=True)
    with pytest.raises(Definite) as failed:
        client.cas("k", 1, 2)
    assert not failed.value.has_seen


@pytest.mark.parametrize("f", CALLS)
@pytest.mark.parametrize("reply", [None, b"", b"no json\n"], ids=["hangs up", "stays silent", "talks nonsense"])
def test_without_an_answer_a_write_is_unknown_a_read_failed_and_nothing_is_sent_again(server, client, f, reply):
    call, outcome = CALLS[f]
    server.answer = lambda request: reply
    with pytest.raises(outcome):
        call(client)
    assert len(server.requests) == 1
    server.answer = lambda request: line(request, value=3)
    assert client.read("k") == 3
    assert len(server.requests) == 2
    assert server.connections == 2


@pytest.mark.parametrize(("code", "f", "outcome"), [
    ("NO_LEADER", "write", Definite), ("NO_LEADER", "read", Definite), ("NEVER_HEARD_OF", "write", Indefinite),
    ("NEVER_HEARD_OF", "read", Definite),
])  # fmt: skip
def test_what_the_server_says_is_judged_by_the_table(server, client, code, f, outcome):
    server.answer = lambda request: line(request, error=code)
    with pytest.raises(outcome, match=code):
        CALLS[f][0](client)
    assert server.connections == 1


@pytest.mark.parametrize("f", CALLS)
def test_where_nobody_listens_nothing_happened(f):
    with socket.socket() as bound:  # a port that is taken, and refuses
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(Definite, match="nothing was sent"):
            CALLS[f][0](LineClient(bound.getsockname(), 0.5, TABLE))


def test_close_may_be_called_twice(client):
    client.read("k")
    client.close()
    client.close()
