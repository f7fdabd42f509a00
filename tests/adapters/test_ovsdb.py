"""How ovsdb-servers are started, and a client's transactions against a server of a few lines."""

import json
import socket
import sys
import threading

import pytest

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.ovsdb_client import OvsdbClient
from raftmon.adapters.systems import system
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Topology


@pytest.fixture
def launcher(tmp_path):
    for name in ("ovsdb-server", "ovsdb-tool"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return str(tmp_path / "ovsdb-server")


def script(launcher, folder, node, **options):
    topology = Topology.star(3, transparent=True)
    made = system("ovsdb", {"server": launcher, **options}).command(topology.host(node), topology, folder)
    return open(made.argv[1]).read()


def test_the_first_node_creates_the_cluster_and_the_others_join_it(launcher, tmp_path):
    first = script(launcher, tmp_path / "n1", "n1", election_ms=500)
    assert "--election-timer=500 create-cluster" in first
    assert "tcp:10.77.1.2:6643" in first
    other = script(launcher, tmp_path / "n3", "n3")
    assert "join-cluster" in other
    assert "raftmon tcp:10.77.3.2:6643 tcp:10.77.1.2:6643" in other
    assert "--remote=ptcp:6640:10.77.3.2" in other


def test_presented_addresses_are_refused_since_it_cannot_listen_on_them(launcher, tmp_path):
    topology = Topology.star(3)
    with pytest.raises(InputError, match="--transparent"):
        system("ovsdb", {"server": launcher}).command(topology.host("n1"), topology, tmp_path)


def test_a_program_that_has_no_tool_beside_it_is_refused(tmp_path):
    topology = Topology.star(3, transparent=True)
    with pytest.raises(InputError, match="servers install ovsdb"):
        system("ovsdb", {"server": sys.executable}).command(topology.host("n1"), topology, tmp_path)


def serve(*answers):
    """A server that gives each request the next answer, after asking ``echo`` first; what was asked is kept."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked = []

    def work():
        connection, _ = listener.accept()
        decoder, text = json.JSONDecoder(), ""
        with connection:
            for answer in answers:
                while True:
                    try:
                        request, stop = decoder.raw_decode(text)
                        break
                    except ValueError:
                        data = connection.recv(65536)
                        if not data:
                            return
                        text += data.decode()
                text = text[stop:].lstrip()
                asked.append(request)
                connection.sendall(b'{"id":"echo","method":"echo","params":[]}')
                if answer is not None:
                    whole = json.dumps({"id": request["id"], "error": None, "result": answer}).encode()
                    connection.sendall(whole[:10])
                    connection.sendall(whole[10:])
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # closed with its echo unread, it would reset, and the client lose the answer
                pass

    threading.Thread(target=work, daemon=True).start()
    return OvsdbClient(listener.getsockname(), 0.5), asked


def test_a_read_moves_the_fence_and_gives_the_value():
    client, asked = serve([{"count": 1}, {"rows": [{"value": "[1, 2]"}]}])
    assert client.read("a") == [1, 2]
    assert asked[0]["params"][1]["op"] == "mutate"
    client.close()


def test_a_wait_that_is_not_met_did_nothing():
    client, _ = serve([{"error": "timed out", "details": "wait"}, None])
    with pytest.raises(Definite, match="timed out"):
        client.cas("a", 1, 2)


def test_a_write_without_an_answer_may_have_happened_and_a_read_not():
    client, _ = serve(None)
    with pytest.raises(Indefinite):
        client.write("a", 1)
    client, _ = serve(None)
    with pytest.raises(Definite):
        client.read("a")


def test_an_error_that_no_row_names_may_have_happened():
    client, _ = serve([{"error": "I/O error", "details": "disk"}])
    with pytest.raises(Indefinite, match="I/O error"):
        client.write("a", 1)
