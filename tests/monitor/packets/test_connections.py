"""Who dialled, and since when."""

from __future__ import annotations

from raftmon.monitor.packets.connections import ConnectionTable
from raftmon.monitor.packets.view import ACK, RST, SYN, PacketView
from raftmon.monitor.rules.replay import craft
from raftmon.setup.topology import Link

HERE = Link("n1", "n2")
S = 1_000_000_000


def packet(source: int, target: int, flags: int = ACK, now_ns: int = 0) -> PacketView:
    return PacketView(craft(HERE, ports=(source, target), flags=flags), HERE, now_ns)


def test_the_sender_of_a_syn_dialled() -> None:
    table = ConnectionTable()
    assert table.dialler(packet(2380, 50000, SYN)) == "n1"
    assert table.dialler(packet(2380, 50000, ACK)) == "n1"  # remembered, though the ports say otherwise


def test_the_sender_of_a_syn_ack_was_dialled() -> None:
    assert ConnectionTable().dialler(packet(40000, 2380, SYN | ACK)) == "n2"


def test_of_an_older_connection_the_listening_port_tells() -> None:
    assert ConnectionTable({40001}).dialler(packet(40001, 50000)) == "n2"
    assert ConnectionTable({2380}).dialler(packet(40000, 2380)) == "n1"


def test_failing_that_the_ephemeral_port_tells() -> None:
    assert ConnectionTable().dialler(packet(40000, 2380)) == "n1"
    assert ConnectionTable().dialler(packet(2380, 40000)) == "n2"
    assert ConnectionTable().dialler(packet(50000, 40000)) is None


def test_age_counts_from_the_first_packet() -> None:
    table = ConnectionTable()
    assert table.age_ns(packet(1, 2, SYN, 5 * S)) == 0
    assert table.age_ns(packet(1, 2, ACK, 7 * S)) == 2 * S


def test_a_syn_sent_again_does_not_make_the_connection_younger_but_a_new_one_does() -> None:
    table = ConnectionTable()
    table.observe(packet(1, 2, SYN, 0))
    assert table.age_ns(packet(1, 2, SYN, 1 * S)) == 1 * S
    table.observe(packet(1, 2, RST, 2 * S))
    assert table.age_ns(packet(1, 2, SYN, 60 * S)) == 0


def test_packets_without_ports_have_no_connection() -> None:
    table = ConnectionTable()
    view = PacketView(b"\x45", HERE)
    assert (table.dialler(view), table.age_ns(view)) == (None, None)


def test_the_table_is_bounded_and_forgets_the_first() -> None:
    table = ConnectionTable()
    for port in range(5000):
        table.observe(packet(port, 60000, SYN, port))
    assert len(table._seen) == 4096
    assert table.age_ns(packet(4999, 60000, ACK, 6000)) == 1001
    assert table.age_ns(packet(0, 60000, ACK, 6000)) == 0
