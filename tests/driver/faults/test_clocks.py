"""Faults of clocks on programs of our own, and on real etcd, which says itself what time it is."""

import subprocess
import sys
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from raftmon.driver.faults.faults import make_fault
from raftmon.driver.faults.receipts import receipt_of
from raftmon.setup.clocks import why_not_clocks
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Host
from tests.driver.faults.fake_target import FakeTarget

NODES = ("n1", "n2", "n3")
needs_clocks = pytest.mark.skipif(why_not_clocks() is not None, reason=str(why_not_clocks()))


def made(name: str, **options: str) -> Any:
    return make_fault(name, {"node": "n1", **options}, NODES)


class Program:
    """A child that says the time on each line it is sent."""

    def __init__(self) -> None:
        code = "import sys, time\nfor line in sys.stdin: print(time.time(), time.monotonic(), flush=True)"
        self.child = subprocess.Popen(
            [sys.executable, "-uc", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ahead()

    def ahead(self) -> tuple[float, float]:
        assert self.child.stdin
        assert self.child.stdout
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        wall, monotonic = map(float, self.child.stdout.readline().split())
        return wall - time.time(), monotonic - time.monotonic()

    def node_time(self, _node: Host, _timeout_s: float) -> float | None:
        return float(int(time.time() + self.ahead()[0]))


@pytest.fixture
def program() -> Iterator[Program]:
    made = Program()
    yield made
    made.child.kill()
    made.child.communicate()


def target_of(program: Program, adapter: object = None) -> FakeTarget:
    target = FakeTarget()
    target.adapter = adapter
    target.pids = {"n1": [program.child.pid]}
    return target


@needs_clocks
@pytest.mark.parametrize(("by", "seconds"), [("1h", 3600), ("-90s", -90)])
def test_a_jump_is_seen_by_the_program_told_by_it_and_healed(program: Program, by: str, seconds: int) -> None:
    target, fault = target_of(program, program), made("clock-jump", by=by)
    effect = fault.start(target, Random(1))
    assert effect.nodes == ("n1",)
    assert f"{seconds:+d} s" in effect.sentence
    assert program.ahead()[0] == pytest.approx(seconds, abs=5)
    found = receipt_of(fault, target)
    assert found.verdict == "confirmed"
    assert "n1 said it was" in found.sentence
    fault.stop(target)
    assert program.ahead()[0] == pytest.approx(0, abs=5)


@needs_clocks
def test_a_clock_that_does_not_show_it_is_a_mismatch(program: Program) -> None:
    class Right:
        def node_time(self, _node: Host, _timeout_s: float) -> float:
            return time.time()

    target, fault = target_of(program, Right()), made("clock-jump")
    fault.start(target, Random(1))
    assert receipt_of(fault, target).verdict == "mismatch"
    fault.stop(target)


@needs_clocks
def test_a_system_that_says_no_time_is_read_in_its_memory(program: Program) -> None:
    target, fault = target_of(program), made("clock-jump")
    fault.start(target, Random(1))
    assert "n1 reads +3600.000 s" in receipt_of(fault, target).sentence
    fault.stop(target)


@needs_clocks
def test_drift_grows_and_strobe_goes_to_and_fro(program: Program) -> None:
    target = target_of(program)
    drift = made("clock-drift", rate="100%")
    drift.start(target, Random(1))
    while program.ahead()[0] < 0.2:
        pass
    drift.stop(target)
    strobe = made("clock-strobe", by="1h", every="50ms")
    strobe.start(target, Random(1))
    while program.ahead()[0] > 1800:
        pass
    while program.ahead()[0] < 1800:
        pass
    target.adapter = program
    assert receipt_of(strobe, target).verdict == "confirmed"
    strobe.stop(target)
    assert program.ahead()[0] == pytest.approx(0, abs=5)


@needs_clocks
def test_a_program_that_is_started_again_is_given_the_same_clock(program: Program) -> None:
    target, fault, again = target_of(program), made("clock-jump"), Program()
    fault.start(target, Random(1))
    target.pids = {"n1": [again.child.pid]}
    while again.ahead()[0] < 1800:
        pass
    fault.stop(target)
    assert again.ahead()[0] == pytest.approx(0, abs=5)
    again.child.kill()
    again.child.communicate()


@needs_clocks
def test_a_monotonic_clock_goes_forward_and_is_never_set_back(program: Program) -> None:
    target, fault = target_of(program), made("clock-jump", by="60s", clock="both")
    fault.start(target, Random(1))
    assert program.ahead() == pytest.approx((60, 60), abs=5)
    fault.stop(target)
    assert program.ahead() == pytest.approx((0, 60), abs=5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clock-jump", {"by": "soon"}),
        ("clock-jump", {"by": "-1s", "clock": "both"}),
        ("clock-jump", {"clock": "sun"}),
        ("clock-drift", {"rate": "fast"}),
        ("clock-strobe", {"every": "1ms"}),
    ],
)
def test_values_that_cannot_be_are_refused(name: str, options: dict[str, str]) -> None:
    with pytest.raises(InputError, match=name):
        made(name, **options)


@needs_clocks
@pytest.mark.net
@pytest.mark.servers
def test_etcd_says_it_is_an_hour_later_while_the_cluster_serves(cluster: Any, clients: Any, history: Any) -> None:
    node, adapter = cluster.inner.topology.host("n1"), cluster.inner.adapter
    with clients.working(at_least=50), cluster.fault("clock-jump", node="n1", by="1h") as effect:
        assert effect.nodes == ("n1",)
        assert adapter.node_time(node, 5.0) - time.time() == pytest.approx(3600, abs=5)
    assert adapter.node_time(node, 5.0) - time.time() == pytest.approx(0, abs=5)
    cluster.wait_healthy()
    history.assert_valid()
