import socket
import threading

import pytest

from raftmon.adapters.contract.relay import Relay


@pytest.fixture
def echo(tmp_path):
    """A server that keeps what it got and answers it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "echo"))
    listener.listen()
    got = []
    news = threading.Condition()

    def serve(connection):
        while data := connection.recv(100):
            with news:
                got.append(data)
                news.notify_all()
            connection.sendall(data)

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()

    def wait_for(data):
        with news:
            assert news.wait_for(lambda: data in got, 10)

    yield str(tmp_path / "echo"), wait_for
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def connect(path):
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(10)
    made.connect(path)
    return made


def test_it_passes_both_ways(echo, tmp_path):
    with Relay(str(tmp_path / "relay"), echo[0]):
        client = connect(str(tmp_path / "relay"))
        client.sendall(b"one")
        assert client.recv(100) == b"one"


def test_muted_the_request_arrives_and_the_answer_does_not(echo, tmp_path):
    with Relay(str(tmp_path / "relay"), echo[0]) as relay:
        client = connect(str(tmp_path / "relay"))
        client.sendall(b"one")
        assert client.recv(100) == b"one"
        relay.mute()
        client.sendall(b"two")
        echo[1](b"two")
        relay.cut()
        assert client.recv(100) == b""


def test_a_connection_made_after_mute_is_served(echo, tmp_path):
    with Relay(str(tmp_path / "relay"), echo[0]) as relay:
        connect(str(tmp_path / "relay"))
        relay.mute()
        relay.cut()
        client = connect(str(tmp_path / "relay"))
        client.sendall(b"three")
        assert client.recv(100) == b"three"
        assert relay.connections == 2


def test_where_the_node_is_down_the_client_is_turned_away(tmp_path):
    with Relay(str(tmp_path / "relay"), str(tmp_path / "nobody")) as relay:
        assert connect(str(tmp_path / "relay")).recv(100) == b""
        assert relay.connections == 0


class End:
    """One end of a relayed connection. ``on_recv`` happens between the arrival of its one piece of data and its use."""

    def __init__(self, on_recv=lambda: None):
        self.sent, self._pieces, self._on_recv = [], [b"answer", b""], on_recv

    def recv(self, _size):
        piece = self._pieces.pop(0)
        if piece:
            self._on_recv()
        return piece

    def sendall(self, data):
        self.sent.append(data)

    def shutdown(self, _how):
        pass

    def close(self):
        pass


def test_an_answer_that_is_in_hand_while_the_relay_is_cut_stays_muted(echo, tmp_path):
    relay = Relay(str(tmp_path / "relay"), echo[0])
    near, far = End(), End(on_recv=relay.cut)
    relay._open[near] = far
    relay.mute()
    relay._pump(far, near, near)
    assert near.sent == []
    assert relay._muted == set()
