"""A share of the processor: by a control group where one can be made, by signals elsewhere; nothing is left."""

from pathlib import Path
from random import Random

import pytest

from raftmon.driver.faults import throttle
from raftmon.driver.faults.faults import make_fault
from raftmon.setup.cpu_groups import CpuParent
from raftmon.setup.errors import InputError
from tests.driver.faults.fake_target import FakeTarget

NODES = ("n1", "n2", "n3")
PARENT = CpuParent(Path("/nowhere"), 2, Path("/nowhere"))


class Group:
    """A group that says how often it made its processes wait."""

    open, waited, refuses = [], (7, 0.4), False

    def __init__(self, _parent, name):
        self.name = name
        self.open.append(name)

    def limit(self, share, processors):
        if self.refuses:
            raise OSError("the kernel says no")

    def take(self, pids):
        pass

    def throttled(self):
        return self.waited

    def close(self):
        self.open.remove(self.name)


@pytest.fixture
def groups(monkeypatch):
    monkeypatch.setattr(throttle, "cpu_parent", lambda: PARENT)
    monkeypatch.setattr(throttle, "CpuGroup", Group)
    monkeypatch.setattr(Group, "open", [])
    return Group


def made(**options):
    return make_fault("throttle", options, NODES)


def test_a_control_group_is_used_and_removed_and_the_kernels_count_is_the_receipt(groups):
    fault = made(node="all")
    assert "control group" in fault.start(FakeTarget(), Random(1)).sentence
    assert [name.split("-")[0] for name in groups.open] == list(NODES)
    verdict, sentence = fault.receipt(FakeTarget())
    assert verdict == "confirmed"
    assert "n2 waited 0.40 s in 7 periods" in sentence
    fault.stop(FakeTarget())
    fault.stop(FakeTarget())
    assert groups.open == []


def test_a_node_that_never_needed_more_is_no_proof(groups, monkeypatch):
    monkeypatch.setattr(Group, "waited", (0, 0.0))
    fault = made(node="n1")
    fault.start(FakeTarget(), Random(1))
    assert fault.receipt(FakeTarget()).verdict == "inconclusive"
    fault.stop(FakeTarget())


@pytest.mark.parametrize("kernel_refuses", [True, False])
def test_where_no_group_can_be_made_signals_are_used_unless_a_group_is_asked_for(groups, monkeypatch, kernel_refuses):
    if kernel_refuses:
        monkeypatch.setattr(Group, "refuses", True)
    else:
        monkeypatch.setattr(throttle, "cpu_parent", lambda: None)
    target, fault = FakeTarget(), made(node="n1")
    assert "SIGSTOP" in fault.start(target, Random(1)).sentence
    fault.stop(target)
    assert groups.open == []
    strict = made(node="n1", by="cgroup")
    if kernel_refuses:
        with pytest.raises(OSError, match="says no"):
            strict.start(target, Random(1))
    else:
        assert "Delegate=cpu" in strict.available(target)
    assert groups.open == []


def test_another_way_is_refused():
    with pytest.raises(InputError, match="by=magic is unknown"):
        made(by="magic")
