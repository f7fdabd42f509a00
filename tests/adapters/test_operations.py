"""Answers of the systems' administrative interfaces, read without a server."""

import json
import socket
import struct
import threading

import pytest
from etcd3.etcdrpc import rpc_pb2

from raftmon.adapters.dqlite_admin import files_in, nodes_in
from raftmon.adapters.etcd_objects import is_fragment
from raftmon.adapters.ovsdb_control import control, last_log_time
from raftmon.setup.errors import RaftmonError


def word(number):
    return struct.pack("<Q", number)


def test_dqlites_nodes_and_dumps_are_read_and_short_answers_refused():
    nodes = word(2) + word(7) + b"10.0.0.1:9001\0\0\0" + word(9) + b"10.0.0.12:9001\0\0"
    assert nodes_in(nodes) == {"10.0.0.1:9001": 7, "10.0.0.12:9001": 9}
    files = word(2) + b"raftmon\0" + word(16) + bytes(16) + b"raftmon-wal\0\0\0\0\0" + word(0)
    assert files_in(files) == {"raftmon": 16, "raftmon-wal": 0}
    for cut in (4, 12, 20, len(files) - 1):
        with pytest.raises(RaftmonError):
            files_in(files[:cut])
    with pytest.raises(RaftmonError, match="in the middle of raftmon"):
        files_in(word(1) + b"raftmon\0" + word(1 << 40))


def test_a_fragment_of_a_watch_is_known_by_a_field_that_the_library_does_not_have():
    response = rpc_pb2.WatchResponse(watch_id=3)
    assert not is_fragment(response)
    assert is_fragment(rpc_pb2.WatchResponse.FromString(response.SerializeToString() + b"\x38\x01"))
    assert not is_fragment(rpc_pb2.WatchResponse.FromString(response.SerializeToString() + b"\x38\x00"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"id": 0, "result": "done", "error": None}, None),
        ({"id": 0, "result": None, "error": '"compact" refused\n'}, "refused ovsdb-server/compact"),
    ],
)
def test_ovsdbs_control_socket_answers_or_refuses(tmp_path, answer, words):
    folder = tmp_path / ("a" * 100) / ("b" * 100)  # longer than a socket's path may be
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        import os

        descriptor = os.open(folder, os.O_PATH)
        server.bind(f"/proc/self/fd/{descriptor}/control.sock")
        os.close(descriptor)
        server.listen()
        asked = []

        def serve():
            with server.accept()[0] as connection:
                asked.append(json.loads(connection.recv(4096)))
                connection.sendall(json.dumps(answer).encode())

        thread = threading.Thread(target=serve)
        thread.start()
        if words is None:
            assert control(folder, "ovsdb-server/compact", "raftmon", timeout_s=5.0) == "done"
        else:
            with pytest.raises(RaftmonError, match=words):
                control(folder, "ovsdb-server/compact", "raftmon", timeout_s=5.0)
        thread.join()
    assert asked == [{"id": 0, "method": "ovsdb-server/compact", "params": ["raftmon"]}]


def test_a_node_that_is_down_has_no_control_socket(tmp_path):
    with pytest.raises(RaftmonError, match="no answer to vlog/reopen"):
        control(tmp_path, "vlog/reopen", timeout_s=1.0)


def test_the_last_line_of_ovsdbs_log_tells_the_time(tmp_path):
    log = tmp_path / "ovsdb.log"
    assert last_log_time(log, 0) is None
    log.write_text("2026-11-25T14:00:00.500Z|00001|vlog|INFO|opened\n2026-11-25T14:00:02.250Z|2|a|INFO|b\n  more\n")
    assert last_log_time(log, 0) == 1795615202.25
    assert last_log_time(log, log.stat().st_size) is None
