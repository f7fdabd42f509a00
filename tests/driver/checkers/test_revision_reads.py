"""Reads at revisions: right stores are never called wrong, and planted faults are found, with and without the wire."""

import random

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.revision_reads import RevisionReads
from raftmon.driver.checkers.wire.words import Committed
from tests.driver.checkers.making import FAIL, INFO, found, history, op


def run(rng, steps):
    """A right store: (operations, committed puts). Some writes are unknown, done or not, and some fail."""
    revision, index, at = 1, 10, 0
    log, operations, committed = [], [], []
    for value in range(1, steps + 1):
        key = rng.choice("ab")
        call = at + rng.randrange(1, 50)
        at = call + rng.randrange(1, 50)
        kind = rng.choice(["write", "write", "read", "read-at", "read-local"])
        index += rng.randrange(3)  # entries of others lie between
        if kind == "write":
            outcome = rng.choices(["ok", "info", "fail"], [6, 2, 1])[0]
            operations.append(op(value % 3, "write", value, call, at, key=key))
            if outcome == "ok" or (outcome == "info" and rng.random() < 0.5):
                revision, index = revision + 1, index + 1
                log.append((revision, key, value))
                committed.append(Committed(2, index, key, str(value), at))
            if outcome == "ok":
                operations[-1].extra = {"revision": revision}
            else:
                operations[-1].outcome, operations[-1].return_ns = (INFO, None) if outcome == "info" else (FAIL, at)
            continue
        asked = rng.randint(1, revision) if kind in ("read-at", "read-local") else revision
        held = [old for made, name, old in log if made <= asked and name == key]
        extra = {"revision": revision, "at": asked} if kind == "read-at" else {"revision": asked}
        operations.append(op(value % 3, kind, held[-1] if held else None, call, at, key=key, **extra))
    return operations, committed


def both(operations, committed):
    told = history(*operations)
    return RevisionReads().check(told), RevisionReads(committed).check(told)


def test_a_right_store_is_never_called_wrong():
    rng = random.Random(5)
    judged = 0
    for _ in range(4000):
        operations, committed = run(rng, rng.randint(1, 25))
        for result in both(operations, committed):
            assert result.valid is not Valid.NO, (operations, result.sentence)
            judged += result.valid is Valid.YES
    assert judged > 4000


def test_a_read_of_another_value_is_found_by_the_wire_wherever_a_write_told_its_revision():
    rng = random.Random(6)
    caught = 0
    for _ in range(3000):
        operations, committed = run(rng, 25)
        made = {(one.extra or {}).get("revision") for one in operations if one.f == "write" and one.outcome == "ok"}
        reads = [one for one in operations if one.f in ("read-at", "read-local")]
        exact = [one for one in reads if one.extra.get("at", one.extra["revision"]) in made]
        if not exact:
            continue
        read = rng.choice(exact)
        others = [one.value for one in operations if one.f == "write" and one.outcome == "ok" and one.key == read.key]
        read.value = rng.choice([value for value in [*others, None] if value != read.value] or ["nothing"])
        assert RevisionReads(committed).check(history(*operations)).valid is Valid.NO
        caught += 1
    assert caught > 1000


def plain():
    """Three writes (the second failed, the last is of another key), and a read of each kind."""
    return [
        op(0, "write", 1, 10, 20, key="a", revision=2),
        op(0, "write", 2, 30, 40, key="a", revision=3),
        op(0, "write", 3, 50, 60, key="b", revision=4),
        op(1, "write", 9, 70, 80, key="a"),
        op(1, "read", 2, 90, 100, key="a", revision=4),
        op(1, "read-at", 1, 110, 120, key="a", revision=4, at=2),
        op(2, "read-local", 2, 130, 140, key="a", revision=3),
        op(2, "read-local", None, 150, 160, key="b", revision=3),
    ]


WIRE = [Committed(2, 5, "a", "1", 1), Committed(2, 6, "a", "2", 2), Committed(2, 8, "b", "3", 3)]


def failed(operations):
    operations[3].outcome = FAIL


def change(place, **fields):
    def spoil(operations):
        for name, value in fields.items():
            setattr(operations[place], name, value)

    return spoil


def two_values(operations):
    operations.append(op(0, "read-at", 1, 170, 180, key="a", revision=4, at=4))


FAULTS = {
    "read-differs": change(4, value=1),
    "past-differs": change(5, value=2),
    "local-differs": change(6, value=1),
    "local-differs of a key that was not there": change(7, value=3),
    "failed-but-seen": change(4, value=9),
    "never-written": change(5, value=77),
    "revision-back": change(4, extra={"revision": 3}),
    "duplicate-revision": change(2, extra={"revision": 3}),
    "changed": two_values,
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("wire", [False, True])
def test_a_planted_fault_is_found_and_named(name, wire):
    operations = plain()
    failed(operations)
    checker = RevisionReads(WIRE) if wire else RevisionReads()
    assert checker.check(history(*operations)).valid is Valid.YES
    FAULTS[name](operations)
    result = checker.check(history(*operations))
    assert result.valid is Valid.NO
    assert name.split(" ")[0] in found(result)


def test_what_rests_on_an_entry_that_was_not_seen_is_unknown():
    operations = plain()
    failed(operations)
    operations[4].value = 1
    told = history(*operations)
    assert RevisionReads(WIRE, complete=False).check(told).valid is Valid.UNKNOWN
    assert RevisionReads([]).check(told).valid is Valid.UNKNOWN
    assert RevisionReads().check(history(*operations[:4])).valid is Valid.UNKNOWN


def test_the_wire_knows_where_a_write_of_unknown_outcome_stands():
    operations = plain()
    operations[3].outcome, operations[3].return_ns = INFO, None
    operations[5].value = 9  # it was read at revision 2, and was written after it
    told = history(*operations)
    assert RevisionReads().check(told).valid is Valid.YES
    after = [*WIRE, Committed(2, 9, "a", "9", 4)]
    assert found(RevisionReads(after).check(told)) == {"past-differs"}
