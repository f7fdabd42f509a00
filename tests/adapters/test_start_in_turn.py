"""Nodes of a new cluster are started one after the other where they would wait for each other."""

from __future__ import annotations

import http.server
import socket
import threading

import pytest

from raftmon.adapters import etcd
from raftmon.adapters.capabilities import Joinable
from raftmon.adapters.etcd import EtcdAdapter
from raftmon.adapters.start_in_turn import start_in_turn
from raftmon.setup.topology import Host, Topology

ADDRESS = "127.0.0.2"
NODES = Topology.star(3).nodes


class Plain:
    """An adapter that says nothing about joining."""


class Shy:
    """An adapter whose nodes never answer each other."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def joinable(self, node: Host, timeout_s: float) -> bool:
        self.asked.append(node.name)
        return False


def test_every_node_is_started_in_order_with_or_without_an_answer() -> None:
    for adapter in (Plain(), Shy()):
        started: list[str] = []
        start_in_turn(adapter, NODES, lambda node, started=started: started.append(node.name))
        assert started == ["n1", "n2", "n3"]


def test_nothing_is_awaited_after_the_last_node() -> None:
    adapter = Shy()
    start_in_turn(adapter, NODES, lambda node: None)
    assert adapter.asked == ["n1", "n2"]


def test_an_etcd_node_is_joinable_as_soon_as_its_peer_port_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    listening = socket.create_server((ADDRESS, 0))  # it listens, and does not serve yet
    port = listening.getsockname()[1]
    monkeypatch.setattr(etcd, "PEER_PORT", port)
    host = Host("n1", 0, "127.0")
    adapter = EtcdAdapter({"server": "/bin/true"})
    assert isinstance(adapter, Joinable)
    assert not adapter.joinable(host, 0.1)
    listening.close()
    handler = type("Handler", (http.server.BaseHTTPRequestHandler,), {"do_GET": lambda self: self.send_error(404)})
    server = http.server.HTTPServer((ADDRESS, port), handler)
    threading.Timer(0.1, server.serve_forever, (0.01,)).start()
    try:
        assert adapter.joinable(host, 20.0)
    finally:
        server.shutdown()
        server.server_close()
