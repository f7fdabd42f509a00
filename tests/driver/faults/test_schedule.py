from __future__ import annotations

import functools
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftmon.driver.faults.faults import catalogue, fault_kind, make_fault, random_faults
from raftmon.driver.faults.schedule import PlannedFault, check_triggers, plan_faults
from raftmon.setup.errors import InputError

NODES = ("n1", "n2", "n3")
KNOWN = list(catalogue(NODES))


def plan(text: str, run_s: float = 20.0, **keywords: str) -> list[PlannedFault]:
    return plan_faults(text, functools.partial(fault_kind, nodes=NODES), run_s, random_from=random_faults(), **keywords)


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
        ("kill-everything", "unknown fault 'kill-everything': did you mean"),
        ("kill-leader@5s..2s", "before its start"),
        ("kill-leader@30s..40s", "after the workload's 20 s"),
        ("kill-leader@soon..40s", "'soon' is not a duration"),
        ("kill-leader@5s", "write NAME, NAME@10s..20s"),
        ("slow-links(delay)", "the option 'delay' has no value"),
        ("/no/such/schedule.toml", "cannot be read"),
        ("kill-leader@when(term > 5)", "write NAME, NAME@10s..20s, NAME@when"),
        ("kill-leader@when(term > 5)..soon", "'soon' is not a duration"),
        ("kill-leader@when(pigs fly)..3s", "--fault kill-leader: the trigger 'pigs fly' cannot be read"),
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
        needed = {
            word: "etcd@3.5.30"
            for word, option in fault_kind(name, NODES).options.items()
            if option.selects == "server"
        }
        assert make_fault(name, needed, NODES).name == name


def test_unknown_options_are_refused_with_those_there_are():
    with pytest.raises(InputError, match="slow-links has no option 'speed'; it has delay, jitter, where"):
        make_fault("slow-links", {"speed": "1"}, NODES)
    with pytest.raises(InputError, match="kill-leader has no option 'how'; it has none"):
        make_fault("kill-leader", {"how": "drop"}, NODES)
    with pytest.raises(InputError, match="how=shout is not known"):
        make_fault("halves", {"how": "shout"}, NODES)


@pytest.mark.parametrize(
    "trigger",
    [
        "MsgSnap -> n3",
        "term > 5",
        "leader changes nth 2 within 10s",
        "n3 is catching up by 50",
        'n1->n2 MsgApp key has "a,b" and (term > 3 or index > 9)',
    ],
)
def test_a_fault_may_start_when_something_is_seen_on_the_wire(trigger: str):
    written = f"halves@1s..2s,slow-links(delay=5ms,where=leader)@when({trigger})..3s"
    triggered, halves = plan(written)
    assert triggered == PlannedFault("slow-links", 0, 3, {"delay": "5ms", "where": "leader"}, trigger)
    assert triggered.to_json()["when"] == trigger
    assert halves == PlannedFault("halves", 1, 2)
    assert "when" not in halves.to_json()


def test_the_word_when_may_be_written_twice_and_lasting_may_be_a_part_of_the_run():
    (fault,) = plan("kill-leader@when(when leader changes)..25%")
    assert fault == PlannedFault("kill-leader", 0, 5, {}, "leader changes")


def test_a_trigger_names_hosts_that_there_are():
    faults = plan("halves,kill-leader@when(MsgSnap -> n4)..3s")
    check_triggers(faults, ("n1", "n4"))
    with pytest.raises(InputError, match=r"--fault kill-leader: .*\n.*unknown host 'n4' \(available: n1, n2"):
        check_triggers(faults, ("n1", "n2"))


def test_a_toml_schedule_has_triggers(tmp_path: Path):
    path = tmp_path / "faults.toml"
    path.write_text('[[fault]]\nname="slow-node"\nwhen="n2 is catching up"\nfor="3s"\ndelay="20ms"\n')
    assert plan(str(path)) == [PlannedFault("slow-node", 0, 3, {"delay": "20ms"}, "n2 is catching up")]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('when="term > 5"', "when needs for"),
        ('for="3s"', "for needs when"),
        ('when="term > 5"\nfor="3s"\nstart="1s"', "it has a trigger and a time"),
        ('when="pigs fly"\nfor="3s"', "the trigger 'pigs fly' cannot be read"),
    ],
)
def test_half_a_trigger_in_a_schedule_is_refused(tmp_path: Path, lines: str, words: str):
    path = tmp_path / "faults.toml"
    path.write_text(f'[[fault]]\nname="kill-leader"\n{lines}\n')
    with pytest.raises(InputError, match=words):
        plan(str(path))


def test_every_counts_for_those_before_it_that_can_be_repeated():
    faults = plan("compact,defragment(node=leader),move-leader@every 500ms")
    assert {(fault.name, fault.start_s, fault.stop_s, fault.options["every"]) for fault in faults} == {
        (name, 0.0, 20.0, "500ms") for name in ("compact", "defragment", "move-leader")
    }
    assert next(fault for fault in faults if fault.name == "defragment").options["node"] == "leader"
    timed = {
        fault.name: fault.options.get("every") for fault in plan("compact@1s..2s,kill-leader,move-leader@every 1s")
    }
    assert timed == {"compact": None, "kill-leader": None, "move-leader": "1s"}
    own = {fault.name: fault.options for fault in plan("compact(every=2s),move-leader@every 1s")}
    assert own["compact"]["every"] == "2s"
