"""The register checker whole: planted faults found and named, deletes and mute failed cas exact, limits, words."""

import random
from dataclasses import replace

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.register import RegisterChecker
from raftmon.driver.checkers.search.models import CasRegister
from raftmon.driver.checkers.search.search import search
from raftmon.driver.histories.model import History, Meta
from raftmon.driver.histories.operation import Outcome
from tests.driver.checkers.every_order import explainable, register
from tests.driver.checkers.making import FAIL, INFO, history, op
from tests.driver.checkers.zones.small_registers import small_history
from tests.driver.histories.synthetic import register_deeds, simulate


def check(*operations):
    return RegisterChecker().check(history(*operations))


def sound(seed=1, operations=400, keys=3):
    """A long valid history whose latencies are ms."""
    rng = random.Random(seed)
    deeds = register_deeds(keys, write=0.4, cas=0.1)
    made = simulate(deeds, {}, operations, 5, rng, indefinite=0.02, latency_ns=1_000_000)
    return [replace(operation) for operation in made.operations]


def of(operations, f, start=100, key="k1"):
    """The first successful ``f`` on ``key`` from place ``start`` on."""
    return next(o for o in operations[start:] if o.f == f and o.key == key and o.outcome is Outcome.OK and o.value)


def judged(operations):
    return RegisterChecker().check(History(operations))


def stale_read(operations):
    read = of(operations, "read", 300)
    older = [o for o in operations if o.f == "write" and o.key == "k1" and o.outcome is Outcome.OK]
    read.value = older[0].value
    return read, "was stale|there before"


def lost_write(operations):
    """Everybody goes on seeing what was there before a write that was acknowledged."""
    write = of(operations, "write", 200)
    later = [o for o in operations if o.key == "k1" and o.call_ns > write.return_ns + 3_000_000]
    first = next(o for o in later if o.f == "read" and o.outcome is Outcome.OK)
    before = [o for o in operations if o.f == "write" and o.key == "k1" and o.outcome is Outcome.OK]
    first.value = [o for o in before if o.return_ns < write.call_ns][-1].value
    return first, "was stale|there before|though the cas"


def value_from_nowhere(operations):
    read = of(operations, "read")
    read.value = 10**9
    return read, "which nobody had written"


def dirty_read(operations):
    read = of(operations, "read")
    failed = next(o for o in operations if o.f == "cas" and o.outcome is Outcome.FAIL and o.key == "k1")
    read.value = failed.value[1]
    return read, "which certainly failed"


def read_from_the_future(operations):
    read = of(operations, "read", 50)
    write = of(operations, "write", 250)
    read.value = write.value
    return read, "began|there before"


def two_winners(operations):
    one = of(operations, "cas", 50)
    late = next(
        o for o in operations if o.f == "write" and o.key == "k1" and o.call_ns > one.return_ns and o.outcome is OK
    )
    late.f, late.value = "cas", [one.value[0], late.value]
    return late, "both replaced"


def forgotten(operations):
    read = of(operations, "read", 300)
    read.value = None
    return read, "what was there at first|was stale"


OK = Outcome.OK


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "plant",
    [stale_read, lost_write, value_from_nowhere, dirty_read, read_from_the_future, two_winners, forgotten],
    ids=lambda plant: plant.__name__,
)
def test_a_planted_fault_is_found_and_named(plant, seed):
    operations = sound(seed)
    assert judged(operations).valid is Valid.YES
    culprit, words = plant(operations)
    result = judged(operations)
    assert result.valid is Valid.NO
    found = result.counterexample
    assert found.key == "k1"
    assert any(part in result.sentence for part in words.split("|")), result.sentence
    assert culprit in found.operations
    assert len(found.operations) <= 4
    assert search(found.operations, CasRegister()).valid is Valid.NO
    assert all(operation in operations for operation in found.operations)


def test_a_stale_read_is_told_with_three_operations_and_their_times():
    result = check(
        op(0, "write", 1, 1_000_000, 2_000_000, key="x"),
        op(1, "write", 2, 3_000_000, 4_000_000, key="x"),
        op(2, "read", 1, 5_000_000, 6_500_000, key="x"),
        op(3, "read", 2, 5_000_000, 6_500_000, key="x"),
    )
    assert result.sentence == (
        "invalid: on key 'x', process 2's read -> 1 (4.000 to 5.500 ms) was stale: process 1's write 2 (2.000 to "
        "3.000 ms) had ended before it began, and itself began after process 0's write 1 (0.000 to 1.000 ms) had ended"
    )
    assert [operation.process for operation in result.counterexample.operations] == [0, 1, 2]
    assert result.counterexample.minimal
    assert result.counterexample.timeline.count("\n") == 2


def test_of_several_failing_keys_the_first_in_time_is_explained():
    late = [op(0, "write", 1, 100, 101, key="a"), op(1, "read", None, 102, 103, key="a")]
    early = [op(2, "write", 1, 50, 51, key="b"), op(3, "read", None, 52, 53, key="b")]
    assert check(*late, *early).counterexample.key == "b"


def test_a_failed_cas_that_says_what_it_saw_is_a_read_of_it():
    wrote = [op(0, "write", 1, 0, 1), op(0, "write", 2, 2, 3)]
    stale = replace(op(1, "cas", [7, 8], 4, 5, outcome=FAIL), seen=1, has_seen=True)
    assert check(*wrote, stale).valid is Valid.NO
    assert check(*wrote, replace(stale, seen=2)).valid is Valid.YES


@pytest.mark.parametrize("seed", range(6))
def test_mute_failed_cas_are_judged_exactly(seed):
    rng = random.Random(seed)
    verdicts, searched = [0, 0], 0
    for _ in range(2000):
        operations = small_history(rng, tell=0.0, size=(3, 8))
        right = explainable(operations, register, None)
        verdicts[right] += 1
        result = judged(operations)
        searched += "searched_keys" in result.details
        assert result.valid is (Valid.YES if right else Valid.NO), operations
    assert min(verdicts) > 100
    assert searched > 10


def test_a_mute_failed_cas_that_must_have_found_its_value_is_wrong():
    result = check(op(0, "write", 1, 0, 1), op(1, "cas", [1, 2], 2, 3, outcome=FAIL), op(0, "read", 1, 4, 5, key=None))
    assert result.valid is Valid.NO
    assert "failed cas 1 -> 2" in result.sentence


def test_a_failed_cas_with_an_error_says_nothing():
    refused = op(1, "cas", [1, 2], 2, 3, outcome=FAIL, error="connection refused")
    assert check(op(0, "write", 1, 0, 1), refused, op(0, "read", 1, 4, 5)).valid is Valid.YES


@pytest.mark.parametrize("seed", range(6))
def test_deletes_without_revisions_are_judged_exactly(seed):
    rng = random.Random(100 + seed)
    verdicts = [0, 0]
    for _ in range(2000):
        operations = small_history(rng, delete=0.2)
        right = explainable(operations, register, None)
        verdicts[right] += 1
        assert judged(operations).valid is (Valid.YES if right else Valid.NO), operations
    assert min(verdicts) > 100


def with_revisions(rng):
    """A small history with deletes in which every answer carries the store's revision."""
    base = register_deeds(write=0.35, cas=0.2, delete=0.25)

    def deeds(state, rng, process):
        deed = base(state["store"], rng, process)
        changed = deed.outcome is Outcome.OK and deed.f in ("write", "cas")
        changed |= deed.f == "delete" and state["store"].get("k0") is not None
        deleted = deed.f == "delete" and changed
        revision = state["revision"] + changed
        deed.after = {"store": deed.after, "revision": revision}
        deed.key = (deed.key, revision, int(deleted))
        return deed

    start = {"store": {}, "revision": 1}
    made = simulate(deeds, start, rng.randint(2, 8), rng.randint(1, 3), rng, latency_ns=5).operations
    for operation in made:
        operation.key, revision, deleted = operation.key
        operation.extra = {"revision": revision, "deleted": deleted}
    return made


def test_deletes_with_revisions_need_no_search():
    rng = random.Random(3)
    without_search = 0
    for _ in range(2000):
        operations = with_revisions(rng)
        result = judged(operations)
        assert result.valid is Valid.YES, operations
        without_search += any(o.f == "delete" for o in operations) and "searched_keys" not in result.details
    assert without_search > 1000


def test_a_wrong_nothing_is_told_apart_by_revision():
    operations = [
        op(0, "write", 1, 0, 1, revision=2),
        op(0, "delete", None, 2, 3, revision=3, deleted=1),
        op(0, "write", 2, 4, 5, revision=4),
        op(1, "read", None, 6, 7, revision=3),
    ]
    result = check(*operations)
    assert result.valid is Valid.NO
    assert "searched_keys" not in result.details
    operations[3].call_ns = 3
    operations[3].return_ns = 5
    assert check(*operations).valid is Valid.YES


def test_repeated_values_are_searched_and_judged_exactly():
    operations = [op(0, "write", 1, 0, 1), op(0, "write", 2, 2, 3), op(0, "write", 1, 4, 5), op(1, "read", 1, 6, 7)]
    result = check(*operations)
    assert result.valid is Valid.YES
    assert "more than once" in result.details["searched_keys"]["None"]
    assert check(*operations, op(1, "read", 2, 8, 9)).valid is Valid.NO


def test_what_cannot_be_searched_in_time_is_unknown_with_the_reason():
    operations = [op(90, "write", 41, -9, -8), op(90, "write", 41, -7, -6), op(99, "read", 41, 10**7, 10**7 + 1)]
    operations += [op(n, "write", n, 0, 10**6) for n in range(40)]
    result = RegisterChecker().limited(0.3, None).check(history(*operations))
    assert result.valid is Valid.UNKNOWN
    assert "more than once" in result.sentence
    assert "0.3 s" in result.sentence
    assert result.details["longest_prefix"]


def test_another_initial_value_can_be_named():
    operations = [op(0, "read", 0, 0, 1), op(0, "write", 1, 2, 3)]
    assert RegisterChecker().check(History(operations, meta=Meta(initial=0))).valid is Valid.YES
    assert RegisterChecker().check(History(operations)).valid is Valid.NO


def test_functions_and_values_that_no_register_knows_are_left_out_and_told():
    result = check(op(0, "write", 1, 0, 1), op(0, "frobnicate", 3, 2, 3), op(0, "cas", 5, 4, 5), op(0, "read", 1, 6, 7))
    assert result.valid is Valid.YES
    assert result.details["left_out"] == 2
    assert "frobnicate" in result.details["left_out_functions"]


@pytest.mark.parametrize(
    "operations",
    [
        [],
        [op(0, "write", 1, 0, 1, outcome=FAIL, error="x")],
        [op(0, "write", 1, 0, None, outcome=INFO)],
        [op(0, "read", None, 0, 1, outcome=FAIL, error="x"), op(1, "read", None, 2, None, outcome=INFO)],
    ],
    ids=["nothing", "only failures", "indefinite first", "only failed reads"],
)
def test_histories_in_which_nothing_succeeded_are_valid(operations):
    assert check(*operations).valid is Valid.YES


def test_any_number_of_indefinite_writes_costs_nothing():
    operations = [op(1000 + n, "write", n, n, None, outcome=INFO) for n in range(20_000)]
    operations += [op(0, "read", None, 10**6, 10**6 + 1), op(0, "read", 77, 10**6 + 2, 10**6 + 3)]
    result = check(*operations)
    assert result.valid is Valid.YES
    assert "searched_keys" not in result.details
