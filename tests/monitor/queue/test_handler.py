import random
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.fidelity import MonitorCounters
from raftmon.monitor.packets.addresses import AddressBook
from raftmon.monitor.queue.delivery import Delivery
from raftmon.monitor.queue.fast_path import FastPath, InterpretedFastPath
from raftmon.monitor.queue.handler import PacketHandler
from raftmon.monitor.queue.task_pool import TaskPool
from raftmon.monitor.recorder.pipe import NO_LINK, FrameDecoder
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.monitor.rules.user_code import UserCodeError
from raftmon.setup.topology import Topology

NAMES = ("n1", "n2", "c1")


class Log:
    def __init__(self):
        self.errors = []

    def error(self, event, **fields):
        self.errors.append((event, fields))


class Packet:
    def __init__(self, data, number):
        self.id = number
        self.data = data
        self.verdict = None

    def get_payload(self):
        return self.data

    def set_payload(self, payload):
        self.data = payload

    def accept(self):
        assert self.verdict is None
        self.verdict = "accept"

    def drop(self):
        assert self.verdict is None
        self.verdict = "drop"


@pytest.fixture(
    params=sorted({InterpretedFastPath, FastPath}, key=repr), autouse=True, ids=lambda path: path.__module__
)
def fast_path(request):
    """Every test meets both fast paths, where the compiled one was built."""
    Bench.fast_path = request.param


class Bench:
    """A packet handler with a clock of its own; ``feed`` gives it a packet."""

    fast_path = None

    def __init__(self, *rules, strict=False, **options):
        config = MonitorConfig.of_topology(Topology.star(2), Path("/x"), monotonic_ns=1, wall_ns=2, **options)
        self.book = book = AddressBook(config)
        self.now_ns = 1_000
        self.log = Log()
        self.counters = MonitorCounters()
        self.engine = Engine(book.links, "seed", 0, present=book.present, strict=strict)
        self.engine.load(ruleset_from_items(list(rules), NAMES), 0)
        delivery = Delivery(10, lambda _: True, TaskPool(lambda _: None, 1.0), self.counters)
        self.handler = PacketHandler(
            config, book, self.engine, delivery, self.counters, self.log, lambda: self.now_ns, self.fast_path
        )
        self.flushes = 0
        self.periodic_work = []
        self.posted = []
        self.callback = self.handler.callback(self._flush, self.periodic_work.append, self.posted)
        self.numbers = 0

    def _flush(self):
        self.flushes += 1
        self.handler.take_batch()

    def link_id(self, source, target):
        return [(link.source, link.target) for link in self.book.links].index((source, target))

    def load(self, *rules):
        self.engine.load(ruleset_from_items(list(rules), NAMES), self.now_ns)
        self.handler.refresh()

    def kept(self):
        """What the recorder would get."""
        return list(FrameDecoder().feed(self.handler.take_batch().chunk))

    def feed(self, data, number=None):
        self.numbers = self.numbers + 1 if number is None else number
        packet = Packet(data, self.numbers)
        self.callback(packet)
        return packet


def tcp(source, target, payload=b"hello"):
    return bytes(IP(src=source, dst=target) / TCP(dport=2380) / Raw(payload))


PEER = tcp("10.77.1.2", "10.78.2.2")
PRESENTED = tcp("10.78.1.2", "10.77.2.2")


def test_a_peer_packet_leaves_in_presented_addresses_and_is_kept_as_it_came():
    bench = Bench()
    packet = bench.feed(PEER)
    assert (packet.verdict, packet.data) == ("accept", PRESENTED)
    assert bench.kept() == [(1_000, 0, PEER, "", True, None)]
    assert bench.counters.judged == 0


def test_with_rules_on_other_links_a_packet_takes_the_short_way():
    bench = Bench("n2->n1 drop")
    assert bench.feed(PEER).verdict == "accept"
    assert bench.counters.judged == 0


def test_a_packet_on_a_link_with_a_rule_that_does_not_match_is_presented_too():
    bench = Bench("n1->n2 udp drop")
    packet = bench.feed(PEER)
    assert (packet.verdict, packet.data) == ("accept", PRESENTED)
    assert bench.counters.judged == 1


def test_a_new_set_of_rules_counts_from_the_next_packet():
    bench = Bench()
    assert bench.feed(PEER).verdict == "accept"
    bench.load("n1->n2 drop")
    assert bench.feed(PEER).verdict == "drop"
    bench.load()
    assert bench.feed(PEER).verdict == "accept"


def test_a_link_takes_the_short_way_again_when_its_rule_is_gone_and_its_held_packets_have_left():
    bench = Bench("n1->n2 delay 1ms")
    bench.feed(PEER)
    bench.load()
    bench.now_ns += 999_999
    bench.handler.settle_links(bench.now_ns)
    assert bench.feed(PEER).verdict is None  # it waits its turn
    bench.now_ns += 1
    bench.handler.settle_links(bench.now_ns)
    assert bench.engine.chain(bench.link_id("n1", "n2")) is None
    assert bench.feed(PEER).verdict == "accept"


def test_while_paused_nothing_is_judged():
    bench = Bench("n1->n2 drop")
    bench.handler.paused = True
    bench.handler.refresh()
    assert bench.feed(PEER).verdict == "accept"
    bench.handler.paused = False
    bench.handler.refresh()
    assert bench.feed(PEER).verdict == "drop"


def test_ip_options_are_no_obstacle():
    bench = Bench()
    data = bytearray(PEER[:20] + b"\x01\x01\x01\x00" + PEER[20:])
    data[0] = 0x46
    data[2:4] = len(data).to_bytes(2, "big")
    packet = bench.feed(bytes(data))
    assert packet.data[12:20] == PRESENTED[12:20]
    assert bench.counters.malformed == 0


def test_strangers_pass_and_are_counted():
    bench = Bench("* -> * drop")
    packet = bench.feed(tcp("10.0.0.1", "10.0.0.2"))
    assert packet.verdict == "accept"
    assert bench.counters.unknown_link == 1
    assert bench.kept()[0][1] == NO_LINK


def test_a_packet_cut_by_the_queue_is_counted_and_left_alone():
    bench = Bench("n1->n2 drop")
    packet = bench.feed(PEER[:-2])
    assert (packet.verdict, packet.data) == ("accept", PEER[:-2])
    assert bench.counters.truncated == 1


@pytest.mark.parametrize("data", [b"", b"E", PEER[:19], PEER + b"x", b"\x41" + PEER[1:], b"\x90" * 60, b"\x60" * 39])
@pytest.mark.parametrize("policy", ["accept", "drop"])
def test_malformed_packets_follow_the_policy(data, policy):
    bench = Bench(malformed=policy)
    assert bench.feed(data).verdict == policy
    assert bench.counters.malformed == 1
    assert bench.kept()[0][3].startswith("malformed: ")
    assert bench.log.errors == []


def test_ipv6_udp_and_icmp_between_nodes_pass_and_can_be_dropped():
    six = bytes(IPv6(src="fd77:0:0:1::2", dst="fd78:0:0:2::2") / UDP(dport=9) / Raw(b"x"))
    ping = bytes(IP(src="10.77.1.2", dst="10.78.2.2") / ICMP())
    bench = Bench()
    assert [bench.feed(data).verdict for data in (six, ping)] == ["accept", "accept"]
    bench.load("n1->n2 drop")
    assert [bench.feed(data).verdict for data in (six, ping)] == ["drop", "drop"]


def test_gaps_in_packet_numbers_are_counted_across_the_wrap():
    bench = Bench()
    for number in (5, 6, 9, 0xFFFFFFFF, 1):
        bench.feed(PEER, number)
    bench.handler.settle_counts()
    assert bench.counters.queue_id_gaps == 2 + (0xFFFFFFFF - 10) + 1


def test_a_fault_of_the_monitor_lets_the_packet_pass_and_is_logged_once():
    bench = Bench("n1->n2 drop")

    def broken(data, now_ns):
        raise KeyError("mine")

    bench.handler._chains[0] = broken
    packets = [bench.feed(PEER) for _ in range(3)]
    assert [(packet.verdict, packet.data) for packet in packets] == [("accept", PRESENTED)] * 3
    assert bench.counters.own_errors == 3
    assert [event for event, _ in bench.log.errors] == ["own-error"]


def test_strict_user_code_that_raises_ends_the_run_and_its_packet_passes():
    bench = Bench("n1->n2 drop", strict=True)

    def broken(data, now_ns):
        raise UserCodeError("rule x: boom")

    bench.handler._chains[0] = broken
    assert bench.feed(PEER).verdict == "accept"
    assert str(bench.handler.failure) == "rule x: boom"


def test_batches_are_bounded_and_counted_by_link():
    bench = Bench()
    for _ in range(600):
        bench.feed(PEER)
    assert bench.flushes == 2
    bench.handler.take_batch()
    assert bench.counters.packets == 600
    assert bench.counters.bytes == 600 * len(PEER)
    assert bench.handler.link_packets[0] == 600


def test_own_time_is_taken_from_clock_to_clock():
    bench = Bench()
    for _ in range(10):
        bench.feed(PEER)
    bench.handler.settle_counts()
    bench.handler.settle_counts()
    assert bench.counters.own_time_ns.count == 10
    assert bench.counters.own_time_ns.largest == 255


def test_hostile_bytes_never_break_the_loop():
    rng = random.Random(1)
    bench = Bench("n1->n2 delay 5ms 30%", "* -> * drop 20%")
    for _ in range(20_000):
        data = bytearray(PEER)
        for _ in range(rng.randrange(8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        data = bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.3 else data)
        bench.feed(data)
    assert bench.counters.own_errors == 0


def test_under_steady_load_a_held_packet_is_looked_after_when_it_is_due():
    bench = Bench("n1->n2 delay 1ms")
    bench.feed(PEER)
    for bench.now_ns in (500_000, 1_000_999, 1_001_000):
        bench.feed(tcp("10.77.2.2", "10.78.1.2"))
    assert bench.periodic_work == [1_000, 1_001_000]


def test_under_steady_load_mail_is_looked_after_with_the_next_packet():
    bench = Bench()
    for bench.now_ns in (1_000, 2_000):
        bench.feed(PEER)
    bench.posted.append("work")
    bench.now_ns = 3_000
    bench.feed(PEER)
    assert bench.periodic_work == [1_000, 3_000]


def test_the_loop_hears_at_once_of_a_held_packet_that_is_due_before_its_next_chores():
    bench = Bench("n1->n2 delay 1ms")
    for bench.now_ns, data in ((1_000, tcp("10.77.2.2", "10.78.1.2")), (2_000, PEER)):
        bench.feed(data)
    assert bench.periodic_work == [1_000, 2_000]
