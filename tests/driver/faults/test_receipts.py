"""What each fault shows for itself, and the faults on links, processes and the API that came with it."""

import threading
from random import Random
from typing import Any

import pytest

from raftmon.adapters.capabilities import Compact, Defragment, MoveLeader, Snapshot
from raftmon.driver.faults.api import ApiFault
from raftmon.driver.faults.faults import fault_kind, make_fault
from raftmon.driver.faults.grudges import chain, star
from raftmon.driver.faults.receipts import Receipt, receipt_of
from raftmon.driver.faults.schedule import plan_faults
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.topology import Host
from tests.driver.faults.fake_target import FakeTarget

NODES = ("n1", "n2", "n3")


def made(name: str, **options: str) -> Any:
    return make_fault(name, options, NODES)


class System:
    """A system with all three operations; it refuses what ``refuses`` says."""

    refuses = False

    def _answer(self, text: str) -> str:
        if self.refuses:
            raise RaftmonError("it will not")
        return text

    def compact(self, node: Host, timeout_s: float) -> str:
        return self._answer(f"{node.name} compacted")

    def defragment(self, node: Host, timeout_s: float) -> str:
        return self._answer(f"{node.name} defragmented")

    def snapshot(self, node: Host, timeout_s: float) -> str:
        return self._answer(f"{node.name} saved a snapshot")

    def move_leader(self, leader: Host, to: Host, timeout_s: float) -> str:
        return self._answer(f"{leader.name} to {to.name}")


def shown(fault: Any, target: FakeTarget) -> Receipt:
    fault.start(target, Random(1))
    found = receipt_of(fault, target)
    fault.stop(target)
    return found


def test_cuts_are_confirmed_by_the_packets_that_they_stopped() -> None:
    target = FakeTarget()
    assert shown(made("halves"), target) == ("confirmed", "5 of 7 packets stopped")
    target.counts = (0, 0)
    assert shown(made("halves"), target).verdict == "inconclusive"
    target.counts = (9, 0)
    assert shown(made("lossy-links"), target).verdict == "mismatch"
    assert not target.rules


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("slow-links", "delayed"),
        ("lossy-links", "lost"),
        ("duplicated-packets", "duplicated"),
        ("reordered-packets", "reordered"),
        ("rate-limit", "held to the rate"),
        ("slow-node", "delayed"),
    ],
)
def test_what_bad_links_did_is_said_in_words(name: str, words: str) -> None:
    assert shown(made(name), FakeTarget()).sentence == f"5 of 7 packets {words}"


def test_processes_are_confirmed_by_their_state() -> None:
    target = FakeTarget()
    for name in ("kill-leader", "pause-leader", "restart-leader", "power-cut"):
        assert shown(made(name), target).verdict == "confirmed", name
    fault = made("pause-leader")
    fault.start(target, Random(1))
    target.still.clear()
    assert receipt_of(fault, target) == ("mismatch", "n1 ran although paused")
    fault = made("kill-leader")
    fault.start(target, Random(1))
    target.dead.clear()
    assert receipt_of(fault, target) == ("mismatch", "n1 ran although killed")


def test_a_disk_is_confirmed_by_the_calls_that_met_it() -> None:
    target = FakeTarget()
    fault = made("disk-error", node="n2")
    fault.start(target, Random(1))
    assert receipt_of(fault, target).verdict == "inconclusive"
    target.disk("n2").calls = 3
    assert receipt_of(fault, target) == ("confirmed", "3 calls of n2 met it")


def test_a_receipt_that_cannot_be_asked_for_costs_nothing() -> None:
    class Broken:
        def receipt(self, _target: Any) -> Receipt:
            raise OSError("gone")

    assert receipt_of(Broken(), FakeTarget()).verdict == "inconclusive"
    assert receipt_of(object(), FakeTarget()).verdict == "inconclusive"


def test_deaf_mute_star_and_chain_cut_what_they_say() -> None:
    target = FakeTarget()
    links = {}
    for name in ("deaf", "mute", "star", "chain"):
        links[name] = {str(link) for link in made(name).start(target, Random(1)).links}
    assert links["deaf"] == {"n2->n1", "n3->n1"}
    assert links["mute"] == {"n1->n2", "n1->n3"}
    assert links["star"] == {"n2->n3", "n3->n2"}
    assert links["chain"] in ({"n1->n3", "n3->n1"}, {"n1->n2", "n2->n1"})
    assert {str(link) for link in star("abcd")} == {f"{a}->{b}" for a in "bcd" for b in "bcd" if a != b}
    assert {str(link) for link in chain("abcd")} == {"a->c", "c->a", "a->d", "d->a", "b->d", "d->b"}


def test_any_links_can_be_cut_by_name() -> None:
    target = FakeTarget()
    effect = made("cut", links="n1->n2+n2<->n3").start(target, Random(1))
    assert {str(link) for link in effect.links} == {"n1->n2", "n2->n3", "n3->n2"}
    with pytest.raises(InputError, match="write n1->n2"):
        made("cut", links="n1-n2")
    with pytest.raises(InputError, match="no host n9"):
        made("cut", links="n1->n9").available(target)


def test_a_jam_queues_and_delivers_at_the_end() -> None:
    target = FakeTarget()
    fault = made("jam")
    fault.start(target, Random(1))
    ((line,),) = target.rules.values()
    assert line.endswith("delay 600s unordered")
    assert receipt_of(fault, target).sentence == "5 of 7 packets queued"
    fault.stop(target)
    assert target.log[-1] == "flush"
    assert not target.rules


class Pausing(FakeTarget):
    """Says when a node has been paused twice."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = threading.Event()

    def pause(self, node: str) -> None:
        super().pause(node)
        if self.log.count(f"pause {node}") == 2:
            self.twice.set()


@pytest.mark.parametrize(
    "fault",
    [
        made("throttle", node="n2", share="90%", by="signals"),
        made("stutter", node="n2", least="1ms", most="2ms", pause="2ms"),
    ],
)
def test_a_duty_cycle_stops_and_goes_and_ends_going(fault: Any) -> None:
    target = Pausing()
    fault.start(target, Random(1))
    assert target.twice.wait(10)
    assert receipt_of(fault, target).verdict == "confirmed"
    fault.stop(target)
    assert target.log[-1] == "resume n2"
    assert target.log.count("pause n2") == target.log.count("resume n2")


def test_clients_are_paused_by_their_host() -> None:
    target = FakeTarget()
    assert shown(made("pause-client", host="all"), target) == ("confirmed", "c1 stood still until the heal")
    assert target.log == ["pause c1", "resume c1"]
    with pytest.raises(InputError, match="no client host c7"):
        made("pause-client", host="c7").available(target)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("compact", "n1 compacted"),
        ("defragment", "n1 defragmented"),
        ("defragment-all", "n3"),
        ("snapshot", "saved a snapshot"),
        ("move-leader", "n1 to n"),
    ],
)
def test_operations_of_the_api_are_done_and_confirmed(name: str, said: str) -> None:
    target = FakeTarget()
    fault = made(name)
    assert "has no operation" in fault.available(target)
    target.adapter = System()
    assert isinstance(target.adapter, Compact | Defragment | MoveLeader | Snapshot)
    assert fault.available(target) is None
    assert said in fault.start(target, Random(1)).sentence
    assert fault.receipt(target).verdict == "confirmed"
    fault.stop(target)


def test_an_operation_that_is_refused_is_told_and_one_can_be_repeated() -> None:
    target = FakeTarget()
    target.adapter = system = System()
    system.refuses = True
    fault = ApiFault("compact", "compact", "leader", None)
    assert fault.start(target, Random(1)).sentence == "compact: refused: it will not"
    assert fault.receipt(target).verdict == "mismatch"
    system.refuses = False
    again = made("compact", every="50ms")
    again.start(target, Random(1))
    for _ in range(200):
        if "done 3" in again.receipt(target).sentence:
            break
        threading.Event().wait(0.05)
    else:
        raise AssertionError(again.receipt(target))
    again.stop(target)


def test_every_lasts_for_the_whole_run() -> None:
    (fault,) = plan_faults("move-leader@every 500ms", fault_kind, 20.0)
    assert (fault.start_s, fault.stop_s, dict(fault.options)) == (0.0, 20.0, {"every": "500ms"})
    assert len(plan_faults("compact,defragment-leader,move-leader@every 500ms", fault_kind, 20.0)) == 3
    with pytest.raises(InputError, match="not done again and again"):
        plan_faults("halves@every 2s", fault_kind, 20.0)
