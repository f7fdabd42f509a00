import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import slot_random
from raftmon.driver.workloads.register import RegisterWorkload
from raftmon.setup.errors import InputError


def calls(slot, slots, count, seed="1", observe=None, **parameters):
    plan = RegisterWorkload(**parameters).slot(slot, slots, slot_random(seed, slot))
    made = []
    for _ in range(count):
        call = plan.next()
        made.append(call)
        if observe is not None:
            plan.observe(call, *observe(call))
    return made


def new_value(call):
    return call.value[1] if call.f == "cas" else call.value


@given(slots=st.integers(1, 9), seed=st.text(max_size=5))
def test_no_value_is_written_twice_by_any_slot(slots, seed):
    values = [
        new_value(call) for slot in range(slots) for call in calls(slot, slots, 100, seed=seed) if call.f != "read"
    ]
    assert len(values) == len(set(values))


def test_a_value_names_its_slot():
    assert all((new_value(call) - 1) % 7 == 3 for call in calls(3, 7, 200) if call.f != "read")


def test_same_seed_same_calls_other_seed_other_calls():
    assert calls(0, 2, 100, seed="a") == calls(0, 2, 100, seed="a")
    assert calls(0, 2, 100, seed="a") != calls(0, 2, 100, seed="b")
    assert calls(0, 2, 100, seed="a") != calls(1, 2, 100, seed="a")


def test_what_was_seen_changes_only_what_a_cas_expects():
    blind = calls(0, 1, 300)
    seeing = calls(0, 1, 300, observe=lambda call: (Outcome.OK, "seen" if call.f == "read" else call.value))
    assert [(call.f, call.key, new_value(call)) for call in blind] == [
        (call.f, call.key, new_value(call)) for call in seeing
    ]
    assert [call.value for call in blind if call.f == "cas"] != [call.value for call in seeing if call.f == "cas"]


def test_a_cas_expects_what_its_slot_last_saw_at_the_key():
    plan = RegisterWorkload(keys=1, reads=0, writes=0, cas=1).slot(0, 1, slot_random("1", 0))
    first = plan.next()
    assert first.value == (None, 1)
    plan.observe(first, Outcome.FAIL, 41)
    second = plan.next()
    assert second.value == (41, 2)
    plan.observe(second, Outcome.OK, second.value)
    third = plan.next()
    assert third.value == (2, 3)
    plan.observe(third, Outcome.INFO, None)
    assert plan.next().value == (2, 4)


def test_weights_of_zero_leave_an_operation_out():
    assert {call.f for call in calls(0, 1, 200, writes=0, cas=0)} == {"read"}
    assert {call.f for call in calls(0, 1, 200)} == {"read", "write", "cas"}


def test_all_keys_are_used_and_read_at_the_end():
    used = {call.key for call in calls(0, 1, 500, keys=4)}
    assert used == {"k0", "k1", "k2", "k3"} == {call.key for call in RegisterWorkload(keys=4).last_calls()}


@pytest.mark.parametrize(
    ("parameters", "word"),
    [({"reads": -1}, "reads"), ({"reads": 0, "writes": 0, "cas": 0}, "above 0"), ({"keys": 0}, "keys")],
)
def test_what_cannot_work_is_refused_in_words(parameters, word):
    with pytest.raises(InputError, match=word):
        RegisterWorkload(**parameters)
