"""How dqlite nodes are started, and the client's protocol against a server of a few lines."""

import socket
import struct
import sys
import threading

import pytest

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.dqlite_client import DqliteClient
from raftmon.adapters.systems import system
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Topology


def test_the_first_node_makes_the_cluster_and_the_others_join_it(tmp_path):
    topology = Topology.star(3, transparent=True)
    adapter = system("dqlite", {"server": sys.executable})
    first = adapter.command(topology.host("n1"), topology, tmp_path / "n1").argv
    other = adapter.command(topology.host("n2"), topology, tmp_path / "n2").argv
    assert "--join" not in first
    assert other[other.index("--join") + 1] == "10.77.1.2:9001"
    with pytest.raises(InputError, match="--transparent"):
        adapter.command(topology.host("n1"), Topology.star(3), tmp_path)


def text(value):
    data = value.encode() + b"\0"
    return data + bytes(-len(data) % 8)


WELCOME = (2, struct.pack("<Q", 15000))
DATABASE = (4, struct.pack("<II", 0, 0))
NOT_LEADER = (0, struct.pack("<Q", 10250) + text("not leader"))
LOST = (0, struct.pack("<Q", 10506) + text("leadership lost"))


def result(rows):
    return (6, struct.pack("<QQ", 0, rows))


def rows(value):
    row = b"" if value is None else bytes([3]) + bytes(7) + text(value)
    return (7, struct.pack("<Q", 1) + text("value") + row + b"\xff" * 8)


class Server:
    """Says that it leads, and gives each request of a client the next answer (None: it hangs up)."""

    def __init__(self, *answers):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.answers = list(answers)
        self.asked = []
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        while True:
            connection, _ = self.listener.accept()
            with connection, connection.makefile("rb") as incoming:
                incoming.read(8)
                while head := incoming.read(8):
                    words, kind, _, _ = struct.unpack("<IBBH", head)
                    self.asked.append((kind, incoming.read(words * 8)))
                    leader = struct.pack("<Q", 1) + text("{}:{}".format(*self.listener.getsockname()))
                    answer = {0: (1, leader), 1: WELCOME, 3: DATABASE}.get(kind) or self.answers.pop(0)
                    if answer is None:
                        break
                    connection.sendall(struct.pack("<IBBH", len(answer[1]) // 8, answer[0], 0, 0) + answer[1])

    def client(self):
        return DqliteClient(self.listener.getsockname(), 1.0)


def test_a_read_moves_the_fence_first_and_gives_the_value():
    server = Server(result(1), rows("[1,2]"))
    assert server.client().read("a") == [1, 2]
    assert b"fence" in server.asked[-2][1]


def test_a_key_that_is_not_there_is_none():
    assert Server(result(1), rows(None)).client().read("a") is None


def test_a_compare_and_set_that_changed_no_row_did_nothing():
    server = Server(result(0), result(1))
    client = server.client()
    with pytest.raises(Definite, match="was not 1"):
        client.cas("a", 1, 2)
    client.cas("a", None, 2)
    assert b"INSERT OR IGNORE" in server.asked[-1][1]


def test_what_was_refused_as_busy_is_sent_again():
    server = Server((0, struct.pack("<Q", 5) + text("database is locked")), result(1))
    server.client().write("a", 1)
    assert [kind for kind, _ in server.asked].count(8) == 2


@pytest.mark.parametrize(("answer", "error"), [(NOT_LEADER, Definite), (LOST, Indefinite), (None, Indefinite)])
def test_what_an_error_of_a_write_means(answer, error):
    with pytest.raises(error):
        Server(answer).client().write("a", 1)


def test_a_node_that_is_not_there_was_not_asked():
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    listener.close()
    with pytest.raises(Definite):
        DqliteClient(address, 0.5).write("a", 1)
