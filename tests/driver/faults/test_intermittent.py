from __future__ import annotations

import threading
from random import Random

import pytest

from raftmon.driver.faults.faults import make_fault
from raftmon.driver.faults.intermittent import Intermittent
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.topology import Link
from tests.driver.faults.fake_target import FakeTarget


class Counting(FakeTarget):
    """Says when links have been cut and joined so often."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = threading.Event()
        self.fails = False

    def add_rules(self, name, lines):
        if self.fails and self.log:
            raise RaftmonError("the monitor is gone")
        super().add_rules(name, lines)
        if sum(line.startswith("add") for line in self.log) >= 3:
            self.twice.set()

    def remove_rules(self, name):
        super().remove_rules(name)
        if self.fails:
            self.twice.set()


def test_links_are_cut_and_joined_again_and_again_and_joined_in_the_end():
    target = Counting()
    fault = Intermittent("intermittent-partial", 0.001)
    effect = fault.start(target, Random(1))
    assert target.twice.wait(10)
    fault.stop(target)
    assert target.rules == {}
    verbs = [line.split()[0] for line in target.log]
    assert verbs == ["add", "remove"] * (len(verbs) // 2)
    assert fault.cuts == len(verbs) // 2
    (follower,) = set(effect.nodes) - {"n1"}
    assert effect.links == {Link("n1", follower), Link(follower, "n1")}


def test_a_full_one_cuts_a_follower_from_everybody_and_leaves_the_leader_its_majority():
    target = FakeTarget(5, leader="n3")
    fault = Intermittent("intermittent-full", 60)
    effect = fault.start(target, Random(2))
    fault.stop(target)
    alone = [node for node in effect.nodes if sum(node == link.source for link in effect.links) == 4]
    assert len(alone) == 1
    assert alone != ["n3"]


def test_a_failure_on_the_way_is_told_when_it_is_healed():
    target = Counting()
    target.fails = True
    fault = Intermittent("intermittent-partial", 0.001)
    fault.start(target, Random(1))
    assert target.twice.wait(10)
    fault._thread.join(10)
    with pytest.raises(RaftmonError, match="the monitor is gone"):
        fault.stop(target)


@pytest.mark.parametrize(("options", "words"), [({"mtbf": "0s"}, "more than 0"), ({"how": "burn"}, "drop or reject")])
def test_options_that_cannot_be_are_refused(options: dict[str, str], words: str):
    with pytest.raises(InputError, match=words):
        make_fault("intermittent-full", options, ("n1", "n2"))


def test_a_cut_that_is_still_on_counts_in_the_receipt():
    target = FakeTarget(leader="n1")
    fault = Intermittent("intermittent-partial", 60)
    fault.start(target, Random(1))
    assert fault.receipt(target) == ("confirmed", "5 packets stopped in 1 cuts")
    fault.stop(target)
