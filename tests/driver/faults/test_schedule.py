from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.faults.registry import RANDOM_FAULTS, catalogue, make_fault
from driver.faults.schedule import PlannedFault, plan_faults
from setup.errors import InputError

NODES = ("n1", "n2", "n3")
KNOWN = list(catalogue(NODES))


def plan(text: str, run_s: float = 20.0, **keywords: str) -> list[PlannedFault]:
    return plan_faults(text, KNOWN, run_s, random_from=RANDOM_FAULTS, **keywords)


def test_none_plans_nothing():
    assert plan("none") == plan("") == []


def test_one_fault_without_times_takes_the_middle_third():
    assert plan("kill-leader", 30) == [PlannedFault("kill-leader", 10, 20)]


def test_several_without_times_follow_each_other_inside_the_run():
    faults = plan("kill-leader,halves,pause-n2")
    assert [fault.name for fault in faults] == ["kill-leader", "halves", "pause-n2"]
    assert all(a.stop_s <= b.start_s for a, b in itertools.pairwise(faults))
    assert faults[-1].stop_s < 20


def test_times_are_seconds_or_parts_of_the_run():
    assert plan("kill-n2@2.5s..4s,halves@50%..75%") == [
        PlannedFault("kill-n2", 2.5, 4),
        PlannedFault("halves", 10, 15),
    ]


def test_options_stand_in_parentheses_and_may_hold_commas():
    (fault,) = plan("slow-links(delay=50ms,where=leader)@1s..2s")
    assert fault.options == {"delay": "50ms", "where": "leader"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kill-everything", "there is no fault 'kill-everything'; there are kill-one"),
        ("kill-leader@5s..2s", "before its start"),
        ("kill-leader@30s..40s", "after the workload's 20 s"),
        ("kill-leader@soon..40s", "'soon' is not a duration"),
        ("kill-leader@5s", "write NAME, NAME@10s..20s"),
        ("slow-links(delay)", "the option 'delay' has no value"),
        ("/no/such/schedule.toml", "cannot be read"),
    ],
)
def test_bad_text_is_refused_in_words(text: str, words: str):
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        plan(text)


def test_a_toml_schedule_names_faults_times_and_options(tmp_path: Path):
    path = tmp_path / "faults.toml"
    path.write_text('[[fault]]\nname="slow-links"\nstart="1s"\nstop="50%"\ndelay="20ms"\n[[fault]]\nname="kill-n1"\n')
    slow, kill = plan(str(path))
    assert slow == PlannedFault("slow-links", 1, 10, {"delay": "20ms"})
    assert kill.name == "kill-n1"
    assert kill.start_s > slow.start_s


def test_toml_mistakes_name_file_and_entry(tmp_path: Path):
    path = tmp_path / "faults.toml"
    path.write_text('[[fault]]\nstart="1s"\n')
    with pytest.raises(InputError, match=r"faults.toml, \[\[fault\]\] 1: it has no name"):
        plan(str(path))
    path.write_text("[[fault]")
    with pytest.raises(InputError, match="this is not TOML"):
        plan(str(path))


@given(st.text(max_size=8), st.floats(10, 600))
def test_random_is_a_pure_function_of_the_seed_and_stays_in_the_run(seed: str, run_s: float):
    faults = plan("random", run_s, seed=seed)
    assert faults == plan("random", run_s, seed=seed)
    assert all(0 <= fault.start_s <= fault.stop_s <= run_s for fault in faults)


def test_every_fault_of_the_catalogue_can_be_made():
    for name in KNOWN:
        assert make_fault(name, {}, NODES).name == name


def test_unknown_options_are_refused_with_those_there_are():
    with pytest.raises(InputError, match="slow-links has no option 'speed'; it has delay, jitter, where"):
        make_fault("slow-links", {"speed": "1"}, NODES)
    with pytest.raises(InputError, match="kill-leader has no option 'how'; it has none"):
        make_fault("kill-leader", {"how": "drop"}, NODES)
    with pytest.raises(InputError, match="how=shout is not known"):
        make_fault("halves", {"how": "shout"}, NODES)
