"""Upgrades go from node to node, stay, and are confirmed by what runs."""

from random import Random

import pytest

from raftmon.driver.cli.run import servers_of
from raftmon.driver.faults.faults import make_fault
from raftmon.setup.errors import InputError
from tests.driver.faults.fake_target import FakeTarget

NODES = ("n1", "n2", "n3")


def test_one_node_is_upgraded_for_good() -> None:
    target = FakeTarget()
    fault = make_fault("upgrade", {"node": "n2", "to": "etcd@3.5.30"}, NODES)
    assert fault.start(target, Random(1)).nodes == ("n2",)
    assert fault.receipt(target) == ("confirmed", "n2 serves with etcd@3.5.30")
    fault.stop(target)
    assert target.log == ["upgrade n2 etcd@3.5.30"]


def test_a_rolling_upgrade_leaves_the_leader_for_last() -> None:
    target = FakeTarget(leader="n1")
    fault = make_fault("rolling-upgrade", {"to": "etcd@3.5.30"}, NODES)
    fault.start(target, Random(1))
    assert fault.receipt(target).verdict == "confirmed"
    fault.stop(target)
    assert target.log == [f"upgrade {node} etcd@3.5.30" for node in ("n2", "n3", "n1")]


def test_a_node_that_does_not_run_afterwards_is_a_mismatch() -> None:
    target = FakeTarget()
    fault = make_fault("upgrade", {"node": "n2", "to": "etcd@3.5.30"}, NODES)
    fault.start(target, Random(1))
    target.dead.add("n2")
    assert fault.receipt(target).verdict == "mismatch"


def test_a_failure_on_the_way_is_told_at_the_end() -> None:
    class Failing(FakeTarget):
        def upgrade(self, node: str, spec: str) -> None:
            raise InputError(f"{node} cannot run {spec}")

    target = Failing()
    fault = make_fault("rolling-upgrade", {"to": "etcd@3.5.30"}, NODES)
    fault.start(target, Random(1))
    assert fault.receipt(target).verdict == "mismatch"
    with pytest.raises(InputError, match="cannot run"):
        fault.stop(target)


def test_the_server_must_be_named() -> None:
    with pytest.raises(InputError, match="say to which server"):
        make_fault("upgrade", {}, NODES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, (None, {})),
        ("etcd@3.4.23", ("etcd@3.4.23", {})),
        ("/opt/a=b/etcd", ("/opt/a=b/etcd", {})),
        ("n1=etcd@3.4.23,n2=etcd@3.5.16", (None, {"n1": "etcd@3.4.23", "n2": "etcd@3.5.16"})),
        ("n1=etcd@3.5.16,etcd@3.4.23", ("etcd@3.4.23", {"n1": "etcd@3.5.16"})),
    ],
)
def test_mixed_servers_are_read(text: str | None, expected: tuple[str | None, dict[str, str]]) -> None:
    assert servers_of(text) == expected


@pytest.mark.parametrize("text", ["n1=", "n1=a,b,c", "=a"])
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="write n1="):
        servers_of(text)
