from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.fidelity import MonitorCounters
from raftmon.monitor.packets.addresses import AddressBook
from raftmon.monitor.queue.delivery import Delivery
from raftmon.monitor.queue.task_pool import TaskPool
from raftmon.monitor.rules.task import Task
from raftmon.monitor.rules.verdict import DROP, Copy, Verdict
from raftmon.setup.topology import Topology

BOOK = AddressBook(MonitorConfig.of_topology(Topology.star(2), Path("/x"), monotonic_ns=1, wall_ns=2))


def tcp(payload, source="10.77.1.2", target="10.78.2.2"):
    return bytes(IP(src=source, dst=target) / TCP(dport=2380) / Raw(payload))


def delivered(payload):
    return tcp(payload, "10.78.1.2", "10.77.2.2")


DATA = tcp(b"hello")
ROUTE = BOOK.find(DATA, DATA[12:20])


class Packet:
    """A queued packet that remembers what became of it."""

    def __init__(self, log, data=DATA):
        self.id = 1
        self.data = data
        self.log = log

    def get_payload(self):
        return self.data

    def set_payload(self, payload):
        self.data = payload

    def accept(self):
        self.log.append(("accept", self.data))

    def drop(self):
        self.log.append(("drop", None))


class Bench:
    def __init__(self, hold_max=10, leaves=True):
        self.log = []
        self.counters = MonitorCounters()
        self.ended = []
        self.tasks = TaskPool(self.ended.append, 10.0)
        self.delivery = Delivery(hold_max, self._send, self.tasks, self.counters)
        self._leaves = leaves

    def _send(self, packet):
        self.log.append(("raw", packet))
        return self._leaves

    def perform(self, verdict, now_ns=100):
        return self.delivery.perform(Packet(self.log), DATA, ROUTE, verdict, now_ns)


@pytest.fixture
def bench():
    return Bench()


def test_a_dropped_packet_is_recorded_as_not_delivered(bench):
    frame = bench.perform(DROP)
    assert bench.log == [("drop", None)]
    assert (frame.delivered, frame.comment, frame.data) == (False, "drop", DATA)
    assert bench.counters.dropped == 1


def test_a_rewritten_packet_leaves_in_delivery_addresses_and_both_versions_are_recorded(bench):
    frame = bench.perform(Verdict((Copy(0, tcp(b"jello")),), "r", "rewrite"))
    assert bench.log == [("accept", delivered(b"jello"))]
    assert (frame.data, frame.sent) == (DATA, tcp(b"jello"))
    assert bench.counters.modified == 1


def test_a_delayed_packet_leaves_when_due_in_delivery_addresses(bench):
    bench.perform(Verdict((Copy(500),), "r", "delay"))
    assert bench.log == []
    assert (bench.delivery.next_due_ns, bench.delivery.held) == (500, 1)
    bench.delivery.release_due(499)
    assert bench.log == []
    bench.delivery.release_due(650)
    assert bench.log == [("accept", delivered(b"hello"))]
    assert bench.counters.hold_lateness_ns.largest == 150


def test_duplicates_go_through_the_raw_socket_and_late_ones_wait(bench):
    bench.perform(Verdict((Copy(), Copy(), Copy(900)), "r", "duplicate"))
    assert bench.log == [("accept", delivered(b"hello")), ("raw", delivered(b"hello"))]
    bench.delivery.release_due(900)
    assert bench.log[2:] == [("raw", delivered(b"hello"))]
    assert bench.counters.copied == 2


def test_injected_packets_leave_as_they_are(bench):
    bench.perform(Verdict((), "r", "reject", (b"reset", b"icmp")))
    assert bench.log == [("drop", None), ("raw", b"reset"), ("raw", b"icmp")]
    assert bench.counters.injected == 2


def test_what_cannot_be_sent_is_counted():
    bench = Bench(leaves=False)
    bench.perform(Verdict((Copy(), Copy()), "r", "x", (b"y",)))
    assert bench.counters.inject_failed == 2


def test_a_full_hold_lets_packets_go_at_once_and_counts_them():
    bench = Bench(hold_max=1)
    bench.perform(Verdict((Copy(500),), "r", "delay"))
    bench.perform(Verdict((Copy(500),), "r", "delay"))
    assert bench.log == [("accept", delivered(b"hello"))]
    assert (bench.counters.hold_overflow, bench.counters.delayed) == (1, 1)


def test_packets_of_a_task_wait_for_its_end_in_order(bench):
    task = Task("work", lambda: None)
    bench.perform(Verdict((Copy(0, tcp(b"one")),), "r", "held", task=task))
    bench.perform(Verdict((Copy(0, tcp(b"two")),), "r", "held", task=task))
    assert bench.log == []
    assert bench.delivery.held == 2
    bench.tasks.close()
    bench.delivery.task_ended(task, 200)
    assert bench.log == [("accept", delivered(b"one")), ("accept", delivered(b"two"))]
    bench.perform(Verdict((Copy(),), "r", "", task=task), 300)
    assert len(bench.log) == 3


def test_packets_of_a_task_that_hangs_go_at_its_limit(bench):
    import threading

    go = threading.Event()
    task = Task("hangs", lambda: go.wait(30), limit_s=1e-6)
    bench.perform(Verdict((Copy(),), "r", "held", task=task), now_ns=100)
    assert bench.delivery.next_due_ns == 1100
    bench.delivery.release_due(1100)
    assert bench.log == [("accept", delivered(b"hello"))]
    assert bench.tasks.timed_out == 1
    go.set()


def test_a_task_without_copies_starts_and_the_packet_is_dropped(bench):
    task = Task("kill", lambda: None)
    bench.perform(Verdict((), "r", "drop", task=task))
    assert bench.log == [("drop", None)]
    assert task.started
    bench.tasks.close()


def test_at_the_end_everything_held_leaves(bench):
    task = Task("work", lambda: None)
    bench.perform(Verdict((Copy(10**15),), "r", "delay"))
    bench.perform(Verdict((Copy(),), "r", "held", task=task))
    bench.delivery.drain()
    assert bench.log == [("accept", delivered(b"hello"))] * 2
    assert bench.delivery.held == 0
    bench.tasks.close()
