from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from raftmon.adapters.base import Definite, Indefinite
from raftmon.driver.faults.base import Unavailable
from raftmon.driver.faults.faults import catalogue, make_fault
from raftmon.setup.errors import InputError
from tests.driver.faults.fake_target import FakeTarget

NODES = ("n1", "n2", "n3")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("raftmon.driver.faults.membership.PAUSE_S", 0.0)


def test_a_removed_node_is_out_and_dead_until_it_joins_anew(tmp_path: Path):
    target = FakeTarget(leader="n1")
    system = target.with_system(tmp_path)
    fault = make_fault("member-remove", {"node": "n2"}, NODES)
    assert fault.start(target, Random(1)).nodes == ("n2",)
    assert set(system.names) == {"n1", "n3"}
    assert target.dead == {"n2"}
    fault.stop(target)
    assert set(system.names) == set(NODES)
    assert target.log == ["kill n2", "start n2 fresh among n1,n2,n3"]


def test_a_replaced_node_is_back_at_once_with_nothing_on_its_disk(tmp_path: Path):
    target = FakeTarget(leader="n1")
    system = target.with_system(tmp_path)
    fault = make_fault("member-replace", {"node": "leader"}, NODES)
    fault.start(target, Random(1))
    assert target.log == ["kill n1", "start n1 fresh among n1,n2,n3"]
    fault.stop(target)
    assert set(system.names) == set(NODES)
    assert len(target.log) == 2


def test_an_added_node_is_put_out_again(tmp_path: Path):
    target = FakeTarget()
    system = target.with_system(tmp_path)
    fault = make_fault("member-add", {}, NODES)
    assert fault.start(target, Random(1)).nodes == ("n4",)
    assert set(system.names) == {*NODES, "n4"}
    assert target.log == ["start n4 fresh among n1,n2,n3,n4"]
    fault.stop(target)
    assert set(system.names) == set(NODES)
    assert "n4" not in target.alive()


def test_a_change_that_certainly_did_not_happen_is_asked_for_again(tmp_path: Path):
    target = FakeTarget()
    system = target.with_system(tmp_path)
    system.refusals = [Definite("etcdserver: unhealthy cluster")] * 3
    make_fault("member-remove", {"node": "n2"}, NODES).start(target, Random(1))
    assert set(system.names) == {"n1", "n3"}


def test_a_change_whose_fate_is_unknown_is_looked_for_and_not_made_twice(tmp_path: Path):
    target = FakeTarget()
    system = target.with_system(tmp_path)
    asked = []

    def remove(through, node, timeout_s):
        asked.append(node.name)
        del system.names[node.name]
        raise Indefinite("no answer")

    system.remove_member = remove
    make_fault("member-remove", {"node": "n2"}, NODES).start(target, Random(1))
    assert asked == ["n2"]


def test_a_system_that_refuses_for_ever_makes_the_fault_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("raftmon.driver.faults.membership.CHANGE_S", 0.0)
    target = FakeTarget()
    target.with_system(tmp_path).refusals = [Definite("never")] * 100
    fault = make_fault("member-remove", {}, NODES)
    with pytest.raises(Unavailable, match="refused to change its members: never"):
        fault.start(target, Random(1))
    fault.stop(target)
    assert target.log == []


def test_the_change_is_carried_out_by_another_node_than_the_one_it_is_about(tmp_path: Path):
    target = FakeTarget(leader="n2")
    system = target.with_system(tmp_path)
    through = []
    remove = system.remove_member
    system.remove_member = lambda host, node, timeout_s: (through.append(host.name), remove(host, node, timeout_s))
    make_fault("member-remove", {"node": "leader"}, NODES).start(target, Random(1))
    assert through == ["n1"]


@pytest.mark.parametrize(
    ("name", "spares", "why"),
    [
        ("member-add", 0, "no host for a further node"),
        ("member-add", None, "no host"),
        ("member-remove", None, "no mem"),
    ],
)
def test_it_says_why_it_cannot_be_done(tmp_path: Path, name: str, spares: int | None, why: str):
    target = FakeTarget()
    if spares is not None:
        target.with_system(tmp_path, spares)
    reason = make_fault(name, {}, NODES).available(target)
    assert reason is not None
    assert why in reason


def test_only_an_added_node_needs_a_host_more():
    assert [catalogue()[name].spares for name in ("member-add", "member-remove", "kill-one")] == [1, 0, 0]


def test_a_selector_of_several_nodes_is_refused():
    with pytest.raises(InputError, match="more than one node"):
        make_fault("member-remove", {"node": "minority"}, NODES)


def test_a_system_that_adds_running_nodes_has_them_started_first(tmp_path: Path):
    target = FakeTarget(leader="n1")
    system = target.with_system(tmp_path)
    add = system.add_member

    def add_running(through, node, timeout_s):
        target.log.append(f"add {node.name}")
        add(through, node, timeout_s)

    system.add_member, system.joins_running = add_running, True
    fault = make_fault("member-replace", {"node": "n2"}, NODES)
    fault.start(target, Random(1))
    fault.stop(target)
    assert target.log == ["kill n2", "start n2 fresh among n1,n2,n3", "add n2"]
    assert set(system.names) == set(NODES)
