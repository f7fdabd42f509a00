"""Actions whose effect is what a real kernel makes of them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from raftmon.setup.namespaces import in_namespace
from tests.monitor.live import PORT, Live, echo, exchange, until

pytestmark = pytest.mark.net


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with Live(tmp_path) as one:
        yield one


def datagrams(live: Live) -> tuple[socket.socket, socket.socket]:
    """A connected UDP socket on n1 and the one on n2 that it sends to."""
    with in_namespace("n2"):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((live.topology.host("n2").address, PORT))
    with in_namespace("n1"):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.connect((live.topology.host("n2").presented, PORT))
    for end in (sender, receiver):
        end.settimeout(10)
    return sender, receiver


def different_bits(one: bytes, two: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(two, "big")).bit_count()


def test_reject_breaks_an_open_connection_at_both_ends(live: Live) -> None:
    dialled, accepted = live.connect()
    live.client.add("n1->n2 payload > 0 reject")
    dialled.sendall(b"never arrives")
    for end in (dialled, accepted):
        with pytest.raises(ConnectionResetError):
            end.recv(1)


def test_reject_refuses_a_new_connection(live: Live) -> None:
    live.client.add("n1->n2 syn reject")
    with in_namespace("n2"):
        listening = socket.create_server((live.topology.host("n2").address, PORT))
    with listening, in_namespace("n1"), pytest.raises(ConnectionRefusedError):
        socket.create_connection((live.topology.host("n2").presented, PORT), timeout=10)


def test_reject_tells_the_sender_of_a_datagram(live: Live) -> None:
    sender, _ = datagrams(live)
    live.client.add("udp reject")
    sender.send(b"hello")
    with pytest.raises(ConnectionRefusedError):
        sender.recv(1)


def test_a_rewritten_stream_goes_on(live: Live) -> None:
    dialled, accepted = live.connect()
    echo(accepted)
    live.client.add('n1->n2 rewrite "leader=n1" to "leader=n3"')
    dialled.sendall(b"the leader=n1 now")
    assert dialled.recv(100) == b"the leader=n3 now"
    assert exchange(dialled, b"x" * 10_000) == b"x" * 10_000
    assert live.kernel_counter("n2", "Tcp", "InCsumErrors") == 0


def test_a_datagram_may_grow_and_shrink(live: Live) -> None:
    sender, receiver = datagrams(live)
    live.client.add('rewrite "short" to "something longer"')
    live.client.add('rewrite "gone" to ""')
    sender.send(b"a short gone end")
    assert receiver.recv(100) == b"a something longer  end"


def test_corrupt_is_thrown_away_by_the_kernel_and_tcp_sends_again(live: Live) -> None:
    dialled, accepted = live.connect()
    echo(accepted)
    live.client.add("n1->n2 payload > 0 corrupt 3 bits count 1")
    assert exchange(dialled, b"x" * 100) == b"x" * 100
    errors = ("Tcp", "InCsumErrors"), ("Tcp", "InErrs")
    until(lambda: any(live.kernel_counter("n2", *error) for error in errors))


def test_corrupt_repaired_reaches_the_program(live: Live) -> None:
    dialled, accepted = live.connect()
    echo(accepted)
    live.client.add("n1->n2 payload > 0 corrupt repaired count 1")
    assert different_bits(exchange(dialled, b"x" * 100), b"x" * 100) == 1
    assert live.kernel_counter("n2", "Tcp", "InCsumErrors") == 0
    assert live.kernel_counter("n2", "TcpExt", "TCPTimeouts") == 0


def test_unrecorded_packets_pass_and_mirror_brings_some_back(live: Live) -> None:
    live.client.add("n1->n2 unrecorded")
    live.client.add("n1->n2 syn mirror")
    dialled, accepted = live.connect()
    echo(accepted)
    exchange(dialled, b"hello")
    live.finish()
    rows = live.packets("frame.interface_name", "tcp.flags.syn")
    assert {row for row in rows if row[0] == "n1->n2"} in ({("n1->n2", "1")}, {("n1->n2", "True")})
    assert len([row for row in rows if row[0] == "n2->n1"]) > 1
