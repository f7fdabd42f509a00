"""Whatever is drawn or mutated is a schedule that a run takes, and chance is the seed's alone."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from raftmon.driver.explore.corpus import Corpus
from raftmon.driver.explore.schedules import MOST_FAULTS, POOL, TRIGGERS, Drawer, Schedule
from raftmon.driver.faults.faults import fault_kind, fault_kinds
from raftmon.driver.faults.schedule import plan_faults
from raftmon.driver.faults.text import fault_text

KNOWN = [one for one in POOL if one[0] in fault_kinds()]


def chain(seed: int, length: int, triggers: tuple[str, ...] = TRIGGERS) -> list[Schedule]:
    drawer = Drawer(KNOWN, 3.0, Random(seed), triggers)
    found = [drawer.fresh()]
    for _ in range(length):
        found.append(drawer.mutated(found[-1], found[0]))
    return found


@given(st.integers(0, 10_000))
def test_every_schedule_fits_its_trial_and_reads_as_an_option(seed: int) -> None:
    for schedule in chain(seed, 20):
        assert 1 <= len(schedule.faults) <= MOST_FAULTS
        for fault in schedule.faults:
            assert 0 <= fault.start_s < fault.stop_s <= 3.0 + 1e-9, fault
            assert fault.stop_s - fault.start_s >= 0.04
        again = plan_faults(schedule.text, fault_kind, 3.0)
        assert sorted(map(fault_text, again)) == sorted(map(fault_text, schedule.faults))


def test_the_same_seed_draws_the_same() -> None:
    assert chain(7, 30) == chain(7, 30)
    assert chain(7, 30) != chain(8, 30)


def test_mutation_reaches_triggers_and_every_number_of_faults() -> None:
    seen = [schedule for seed in range(40) for schedule in chain(seed, 30)]
    assert {len(schedule.faults) for schedule in seen} == set(range(1, MOST_FAULTS + 1))
    waits = {fault.when for schedule in seen for fault in schedule.faults}
    assert {None, *TRIGGERS} <= waits
    assert {"MsgVote nth 2", "MsgApp nth 99", "MsgApp nth 101"} <= waits, "moved by one message"
    assert {wait.partition(" nth ")[0] for wait in waits if wait} == {one.partition(" nth ")[0] for one in TRIGGERS}
    links = {fault.options.get("links") for schedule in seen for fault in schedule.faults if fault.name == "cut"}
    assert {"n1->n2", "n2->n1", "n2<->n3"} < links, "links are swapped"
    without = [schedule for seed in range(10) for schedule in chain(seed, 30, ())]
    assert {fault.when for schedule in without for fault in schedule.faults} == {None}


def test_the_corpus_prefers_what_brought_much_and_was_seldom_chosen() -> None:
    corpus = Corpus()
    first, second, *_ = chain(1, 3)
    corpus.add(first, {f"{number}" for number in range(50)}, 1.0, "")
    corpus.add(second, {"x"}, 2.0, "")
    random = Random(1)
    chosen = [corpus.choose(random).schedule for _ in range(400)]
    assert chosen[:10].count(first) >= 8
    assert 5 < chosen.count(second) < 200
