"""What holds for every workload's generator, and what a few of them promise beyond that."""

from __future__ import annotations

import pytest

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.capabilities import Fence, Lease, Lock, Revision, Transactions, Watch
from raftmon.adapters.nothing import NothingAdapter
from raftmon.adapters.systems import system
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.run.plan import calls_digest
from raftmon.driver.workloads.append import do_transaction
from raftmon.driver.workloads.base import Call, slot_random
from raftmon.driver.workloads.needs import check_client, check_needs, members_of
from raftmon.driver.workloads.uniform import UniformWorkload
from raftmon.driver.workloads.watch import watchers_of
from raftmon.driver.workloads.workloads import WORKLOADS, parameters_of, workload
from raftmon.setup.errors import InputError
from tests.driver.workloads.fake_store import FakeStore


@pytest.mark.parametrize("name", list(WORKLOADS))
def test_a_plan_is_a_function_of_seed_and_slot(name: str):
    assert calls_digest(workload(name), "7", 3) == calls_digest(workload(name), "7", 3)
    if name != "lease":  # whose chance only shows once a lease was granted
        assert calls_digest(workload(name), "7", 3) != calls_digest(workload(name), "8", 3)


@pytest.mark.parametrize("name", list(WORKLOADS))
def test_parameters_make_the_same_workload_again(name: str):
    made = workload(name)
    assert workload(name, made.parameters()).parameters() == made.parameters()


@pytest.mark.parametrize("name", ["uniform", "watch", "set"])
def test_no_two_slots_write_the_same_value(name: str):
    made = workload(name)
    written = [
        call.value
        for slot in range(3)
        for plan in [made.slot(slot, 3, slot_random("1", slot))]
        for call in (plan.next() for _ in range(100))
        if call.f in ("write", "add")
    ]
    assert len(written) > 50
    assert len(set(written)) == len(written)


def test_options_are_texts_of_the_type_of_the_default():
    found = parameters_of("uniform", ["max-key=9", "write_ratio=0.5", "choice=zipf"], keys=5)
    assert found == {"max_key": 9, "write_ratio": 0.5, "choice": "zipf"}
    assert parameters_of("register", [], keys=3) == {"keys": 3}


@pytest.mark.parametrize(
    ("option", "words"), [("size", "write NAME=VALUE"), ("speed=1", "set has size, sets, reads"), ("size=a", "a whole")]
)
def test_an_option_that_is_none_is_refused(option: str, words: str):
    with pytest.raises(InputError, match=words):
        parameters_of("set", [option])


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("uniform", {"write_ratio": 1.5}),
        ("uniform", {"payload_size": 0}),
        ("uniform", {"max_key": -1}),
        ("set", {"size": 0}),
        ("set", {"reads": 1.0}),
        ("append", {"most": 0}),
        ("bank", {"accounts": 1}),
        ("bank", {"reads": 1.0}),
        ("lock", {"guard": "hope"}),
        ("lock", {"guard": "memory", "locks": 2}),
        ("watch", {"session_s": 0.0}),
        ("lease", {"ttl_s": 0}),
        ("mixed", {"watchers_every": 1}),
        ("register", {"choice": "best"}),
    ],
)
def test_parameters_that_cannot_be_are_refused_in_words(name: str, bad):
    with pytest.raises(InputError):
        workload(name, bad)


def test_a_payload_has_the_size_that_was_asked_for_and_is_read_as_its_number():
    made = UniformWorkload(payload_size=10)
    store = FakeStore()
    made.perform(store, Call("write", "0", 42))
    assert store.data["0"] == "42--------"
    assert made.perform(store, Call("read", "0", None)) == 42
    assert made.unpacked("garbage") == "garbage"


def test_a_transaction_reads_its_own_appends_and_writes_all_lists_at_once():
    store = FakeStore()
    store.write("a0", [1])
    micro = [["append", "a0", 2], ["r", "a0", None], ["append", "a1", 3], ["r", "a1", None]]
    done = do_transaction(store, micro)
    assert done == [["append", "a0", 2], ["r", "a0", [1, 2]], ["append", "a1", 3], ["r", "a1", [3]]]
    assert store.log[-1][0] == store.log[-2][0]


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("append", Call("txn", None, [["append", "a0", 1]])),
        ("bank", Call("transfer", None, {"from": "b0", "to": "b1", "amount": 1})),
        ("set", Call("add", "s0", 1)),
    ],
)
def test_an_operation_whose_first_read_fails_has_certainly_not_happened(name: str, call: Call):
    class Deaf(FakeStore):
        def read(self, key):
            raise Indefinite("no answer")

        def read_many(self, keys):
            raise Indefinite("no answer")

    with pytest.raises(Definite, match="could not be read"):
        workload(name).perform(Deaf(), call)


def test_a_full_list_and_a_full_set_are_left_by_all_slots_for_the_same_next_one():
    for name, call, full in (
        ("append", Call("txn", None, [["r", "a1", None]]), [["r", "a1", list(range(32))]]),
        ("set", Call("read", "s0", None), list(range(200))),
    ):
        made = workload(name)
        plans = [made.slot(slot, 2, slot_random("1", slot)) for slot in range(2)]
        for plan in plans:
            plan.observe(call, Outcome.OK, full)
        told = [{str(part) for _ in range(200) for part in _keys(plan.next())} for plan in plans]
        assert told[0] == told[1]
        assert ("a6" if name == "append" else "s1") in told[0]
        assert "a1" not in told[0]


def _keys(call: Call):
    return [key for _, key, _ in call.value] if call.f == "txn" else [call.key]


def test_a_bank_is_opened_once():
    bank, store = workload("bank", {"accounts": 2, "balance": 10}), FakeStore()
    bank.prepare(store)
    bank.perform(store, Call("transfer", None, {"from": "b0", "to": "b1", "amount": 4}))
    bank.prepare(store)
    assert store.read_many(["b0", "b1"]) == {"b0": 6, "b1": 14}
    with pytest.raises(Definite, match="only 6"):
        bank.perform(store, Call("transfer", None, {"from": "b0", "to": "b1", "amount": 7}))


def test_a_lock_whose_fate_is_unknown_is_not_released():
    plan = workload("lock").slot(0, 1, slot_random("1", 0))
    call = next(call for call in iter(plan.next, None) if call.f == "acquire")
    plan.observe(call, Outcome.OK, 7)
    read = plan.next()
    assert read.f == "read"
    plan.observe(read, Outcome.OK, [3])
    added = plan.next()
    assert (added.f, added.given[:3]) == ("add", ([3], "lock0", 7))
    plan.observe(added, Outcome.INFO, None)
    assert plan.next().f in ("acquire", "read")


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.INFO])
def test_a_set_that_could_not_be_read_under_its_lock_is_not_added_to(outcome: Outcome):
    plan = workload("lock").slot(0, 1, slot_random("1", 0))
    call = next(call for call in iter(plan.next, None) if call.f == "acquire")
    plan.observe(call, Outcome.OK, 7)
    read = plan.next()
    assert read.f == "read"
    plan.observe(read, outcome, None)
    then = plan.next()
    assert then.f != "add"
    assert (then.f == "release") == (outcome is Outcome.FAIL)


@pytest.mark.parametrize("name", list(WORKLOADS))
def test_a_client_that_can_only_read_write_and_cas_is_told_what_it_lacks(name: str):
    class Plain:
        read = write = cas = close = None

    made = workload(name)
    if not made.needs:
        check_client(made, Plain())
        return
    with pytest.raises(InputError, match=made.needs[0].__name__.lower()):
        check_client(made, Plain(), "plain")
    check_client(made, FakeStore())


def test_what_a_system_lacks_is_said_before_anything_is_started():
    with pytest.raises(InputError, match="the workload bank cannot run on nothing"):
        check_needs(workload("bank"), NothingAdapter())


@pytest.mark.parametrize("name", ["nats", "pysyncobj", "zookeeper", "memory"])
def test_a_system_with_nodes_that_lacks_something_is_refused_before_they_are_started(name: str):
    check_needs(workload("set"), system(name, {}))
    with pytest.raises(InputError, match=f"the workload bank cannot run on {name}"):
        check_needs(workload("bank"), system(name, {}))


def test_the_members_of_a_protocol_are_its_methods_and_attributes():
    assert members_of(Revision) == ["revision"]
    assert members_of(Transactions) == ["read_many", "transact"]
    assert members_of(Lock) == ["acquire", "release"]
    assert members_of(Fence) == ["write_held"]
    assert members_of(Watch) == ["watch"]
    assert members_of(Lease) == ["grant", "keep_alive", "revoke", "write_leased"]


def test_every_node_has_a_watcher_and_somebody_writes():
    assert [watchers_of(slots) for slots in (1, 2, 3, 5, 10)] == [0, 1, 2, 3, 6]


def test_some_watchers_are_slow_and_some_holds_are_long():
    watch = workload("watch", {"slow": 0.5, "slow_ms": 30.0}).slot(0, 5, slot_random("1", 0))
    assert {watch.next().given for _ in range(50)} == {0.0, 0.03}
    lock = workload("lock", {"long": 0.5, "ttl_s": 3.0, "hold_ms": 4.0})
    plan, pauses = lock.slot(0, 1, slot_random("1", 0)), set()
    for _ in range(400):
        call = plan.next()
        if call.f == "add":
            pauses.add(lock.pause_ms(call))
        plan.observe(call, Outcome.OK, 7 if call.f == "acquire" else [])
    assert pauses == {4.0, 6000.0}
