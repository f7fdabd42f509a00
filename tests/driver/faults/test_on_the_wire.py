"""Who leads, and when a fault's moment has come, as a real etcd's packets show it."""

from __future__ import annotations

import time

import orjson
import pytest

from raftmon.driver.cluster.leadership import WIRE
from raftmon.driver.cluster.status_poller import StatusPoller
from raftmon.driver.faults.faults import make_fault
from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.faults.worker import FaultWorkers
from raftmon.driver.testing.waiting import eventually

pytestmark = [pytest.mark.net, pytest.mark.servers]


def _by_wire(cluster):
    """The leader by the wire's word, waited for."""

    def ask():
        seen = cluster.inner.find_leader()
        return seen if seen is not None and seen.witness == WIRE else None

    return eventually(ask, "a leader seen on the wire")


def test_the_leader_seen_on_the_wire_is_never_one_that_was_killed_or_replaced(cluster):
    first = _by_wire(cluster)
    cluster.kill(first.node)
    while (seen := cluster.inner.find_leader()) is None:
        pass
    assert seen.node != first.node
    cluster.start(first.node)
    again = cluster.inner.find_leader()
    assert again is not None
    assert again.node != first.node
    cluster.wait_healthy()
    second = _by_wire(cluster)
    cluster.isolate(second.node)
    third = eventually(lambda: (now := _by_wire(cluster)).node != second.node and now, "another leader", 30)
    assert third.term > second.term
    cluster.heal()
    for _ in range(20):
        now = cluster.inner.find_leader()
        assert now is None or (now.node, now.term) != (second.node, second.term)


def test_a_trigger_on_the_wire_starts_a_fault_and_nodes_words_are_events(cluster):
    inner = cluster.inner
    crew = FaultWorkers(
        target=inner,
        planned=[
            # Until the end: were it started again at once, it might win the election itself.
            PlannedFault("kill-leader", 0.0, 600.0, when="MsgHeartbeat nth 3"),
            PlannedFault("pause-follower", 0.0, 0.2, when="leader changes"),
            PlannedFault("halves", 0.0, 0.2, when="term > 99"),
            PlannedFault("bridge", 0.0, 0.2, when="term > 99 within 100ms"),
        ],
        make=lambda planned: make_fault(planned.name, planned.options, cluster.nodes),
        healthy=lambda: True,
        seed="1",
        log=inner.log,
        on_change=lambda _text: None,
    )
    old = cluster.leader()
    with StatusPoller(inner.statuses, inner.log, 0.05):
        crew.begin(time.monotonic_ns())
        kill, pause, never, late = crew.records
        eventually(lambda: pause.health_after and late.unavailable, "a new leader and the second fault healed")
        eventually(lambda: _said(inner, "leader") >= 2, "two nodes saying that they lead")
        crew.end()
    assert kill.effect.nodes == (old,)
    assert kill.trigger_message.startswith(f"MsgHeartbeat {old}->")
    assert kill.triggered_ns < kill.start_ns
    assert kill.reaction_ms > (kill.start_ns - kill.triggered_ns) / 1e6
    assert kill.leader_witness in ("wire", "status")
    assert pause.triggered_ns > kill.start_ns
    assert never.unavailable.startswith("its moment never came: the run ended")
    assert late.unavailable.startswith("its moment never came in the time it was given")


def _said(inner, role):
    """How many different nodes said that they have that role."""
    events = [orjson.loads(line) for line in inner.folder.events.read_bytes().splitlines()]
    return len({event["node"] for event in events if event["event"] == "status" and event["role"] == role})
