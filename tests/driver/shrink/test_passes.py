"""What is left out: nothing that is needed, and everything that is not."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from raftmon.driver.faults.faults import fault_kind
from raftmon.driver.faults.schedule import PlannedFault, plan_faults
from raftmon.driver.faults.text import fault_text, schedule_text
from raftmon.driver.run.config import RunConfig
from raftmon.driver.shrink.passes import REDUCTIONS, minimised, squeezed


@given(st.integers(0, 12), st.data())
def test_exactly_what_is_needed_is_left(count: int, data: st.DataObject) -> None:
    items = list(range(count))
    needed = set(data.draw(st.lists(st.sampled_from(items), unique=True)) if items else [])
    calls = 0

    def fails(part: Sequence[int]) -> bool:
        nonlocal calls
        calls += 1
        return needed <= set(part)

    assert minimised(items, fails) == sorted(needed)
    assert calls <= 4 * count * (len(needed) + 1) + 2


def test_any_one_of_two_causes_is_enough() -> None:
    assert len(minimised(list("abcdef"), lambda part: "b" in part or "e" in part)) == 1


TIMES = st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 9)), max_size=5)


@given(TIMES)
def test_squeezed_faults_keep_their_order_length_and_overlaps(times: list[tuple[float, float]]) -> None:
    faults = [PlannedFault("halves", start, start + lasting) for start, lasting in sorted(times)]
    moved, duration_s = squeezed(faults)
    moved.sort(key=lambda fault: fault.start_s)
    for before, after in zip(faults, moved, strict=True):
        assert abs((after.stop_s - after.start_s) - (before.stop_s - before.start_s)) < 1e-6
        assert after.start_s <= before.start_s + 1e-9
        assert after.stop_s <= duration_s
    for (a, b), (c, d) in zip(pairwise(faults), pairwise(moved), strict=True):
        if b.start_s < a.stop_s:
            assert abs((d.start_s - c.start_s) - (b.start_s - a.start_s)) < 1e-6


@given(TIMES, st.sampled_from([None, "n1->n2 MsgVote", "term > 5"]))
def test_a_schedule_is_read_back_from_its_text(times: list[tuple[float, float]], when: str | None) -> None:
    faults = [
        PlannedFault(
            "slow-links",
            0.0 if when else round(start, 3),
            round((0 if when else start) + lasting, 3),
            {"delay": "5ms"},
            when,
        )
        for start, lasting in times
    ]
    again = plan_faults(schedule_text(faults), fault_kind, 60.0)
    assert sorted(map(fault_text, again)) == sorted(map(fault_text, faults))


def test_every_reduction_ends() -> None:
    config = RunConfig(
        nodes=7, clients=40, client_hosts=4, keys=64, duration_s=60, faults="none", rate=50.0, link_latency_ms=2.0,
        pin="n1", scripts=("a.py",), workload_options=("size=3",), topology="wan",
    )  # fmt: skip
    for what, change in REDUCTIONS:
        steps = 0
        while (smaller := change(config)) is not None and smaller != config:
            config, steps = smaller, steps + 1
            assert steps < 20, what
    assert (config.nodes, config.clients, config.keys, config.duration_s, config.client_hosts) == (3, 1, 1, 1.0, 1)
