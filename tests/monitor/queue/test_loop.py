import os

import pytest

from tests.monitor.live import Live, echo, exchange, until

pytestmark = pytest.mark.net


@pytest.fixture
def live(tmp_path):
    with Live(tmp_path) as one:
        yield one


def test_it_lets_others_finish_unless_a_held_packet_must_leave_in_time(live):
    def policy():
        return os.sched_getscheduler(live.process.pid)

    dialled, accepted = live.connect()
    echo(accepted)
    exchange(dialled, b"x")
    until(lambda: policy() == os.SCHED_BATCH)
    live.client.add("n1->n2 delay 60s")
    dialled.sendall(b"y")
    until(lambda: policy() == os.SCHED_OTHER)
    counters = live.finish()  # what is held leaves when the monitor ends
    assert counters["delayed"] >= 1
    assert counters["disturbed"] == []


def test_between_packets_that_follow_closely_it_takes_orders_and_ends(live):
    dialled, accepted = live.connect()
    echo(accepted)
    for number in range(20):
        exchange(dialled, b"x" * 200_000)
        live.client.add(f"n2->n1 port {1000 + number} drop")
    assert len(live.client.stats()["rules"]) == 20
    assert live.finish()["disturbed"] == []
