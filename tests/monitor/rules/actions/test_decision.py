"""The order of packets within connections is kept with bounded memory."""

from __future__ import annotations

from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.rules.actions.decision import Order
from raftmon.monitor.rules.replay import craft
from raftmon.setup.topology import Link

LINK = Link("n1", "n2")


def packet(port: int, now_ns: int, target: int = 2380) -> PacketView:
    return PacketView(craft(LINK, ports=(port, target)), LINK, now_ns)


def test_what_is_due_now_leaves_at_once() -> None:
    assert Order().clamp(packet(1, 100), 100) == 0
    assert Order().clamp(packet(1, 100), 50) == 0


def test_a_packet_waits_for_the_one_before_it_in_its_connection() -> None:
    order = Order()
    assert order.clamp(packet(1, 100), 500) == 500
    assert order.clamp(packet(1, 110), 300) == 500
    assert order.clamp(packet(2, 110), 300) == 300
    assert order.clamp(packet(1, 120), 600) == 600
    assert order.horizon_ns == 600


def test_when_nothing_is_held_nothing_is_remembered() -> None:
    order = Order()
    order.clamp(packet(1, 100), 500)
    assert order.clamp(packet(1, 500), 500) == 0
    assert order._last_ns == {}


def test_too_many_connections_share_one_place_and_stay_in_order() -> None:
    order = Order()
    for number in range(5000):
        order.clamp(packet(number, 100), 10_000 - number)
    assert len(order._last_ns) <= 4097
    before = order.clamp(packet(7, 110, target=9), 200)
    assert order.clamp(packet(7, 120, target=9), 150) >= before
