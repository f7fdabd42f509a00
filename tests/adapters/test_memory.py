import json
import time

import pytest

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.memory import LIES, MemoryAdapter
from raftmon.adapters.memory_register import Register
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Topology

NODE = Topology.star(1).nodes[0]


def client(tmp_path=None, lie="", probability=1.0):
    options = {"lie": lie, "lie_probability": probability, "latency_ms": 0}
    if tmp_path is not None:
        options["lies_log"] = str(tmp_path / "lies.jsonl")
    made = MemoryAdapter(options).connect(NODE, 1.0)
    made.process = 7
    return made


def lies(tmp_path):
    return [json.loads(line) for line in (tmp_path / "lies.jsonl").read_text().splitlines()]


def test_without_lies_it_is_a_register():
    honest = client()
    assert honest.read("k") is None
    honest.cas("k", None, 1)
    honest.write("k", 2)
    with pytest.raises(Definite) as failed:
        honest.cas("k", 1, 3)
    assert (failed.value.seen, failed.value.has_seen) == (2, True)
    honest.cas("k", 2, 3)
    assert honest.read("k") == 3
    assert honest.read("other") is None


def test_a_lost_write_is_acknowledged_and_gone(tmp_path):
    liar = client(tmp_path, "lost-write")
    liar.write("k", 1)
    assert liar.read("k") is None
    assert [(lie["lie"], lie["process"], lie["key"], lie["value"]) for lie in lies(tmp_path)] == [
        ("lost-write", 7, "k", 1)
    ]


def test_a_dirty_cas_succeeds_on_another_value(tmp_path):
    liar = client(tmp_path, "dirty-cas")
    liar.cas("k", 41, 42)
    assert liar.read("k") == 42
    assert lies(tmp_path)[0]["value"] == [41, 42]


def test_a_phantom_was_never_written(tmp_path):
    liar = client(tmp_path, "phantom-read")
    liar.write("k", 1)
    assert liar.read("k") == "phantom-1" == lies(tmp_path)[0]["value"]


def test_a_false_failure_did_happen(tmp_path):
    liar = client(tmp_path, "false-fail")
    with pytest.raises(Definite):
        liar.write("k", 1)
    assert liar.read("k") == 1
    assert lies(tmp_path)[0]["lie"] == "false-fail"


@pytest.mark.parametrize(("lie", "after"), [("timeout-applied", 1), ("timeout-lost", None)])
def test_an_unknown_outcome_is_no_lie_whether_it_happened_or_not(tmp_path, lie, after):
    liar = client(tmp_path, lie)
    with pytest.raises(Indefinite):
        liar.write("k", 1)
    assert liar.read("k") == after
    assert lies(tmp_path) == []


def test_a_stale_read_is_told_only_where_no_order_of_events_makes_it_right():
    register = Register()
    first = register.write("k", 1, called_ns=100)
    first.answered_ns = 200
    second = register.write("k", 2, called_ns=150)  # called for before the first was answered: either may be later
    second.answered_ns = 300
    assert register.stale("k", before_ns=400).value is None
    third = register.write("k", 3, called_ns=500)
    assert register.stale("k", before_ns=550).value is None  # the third is not answered yet
    third.answered_ns = 600
    assert register.stale("k", before_ns=590).value is None
    assert register.stale("k", before_ns=700).value == 2


def test_there_is_no_stale_value_before_the_first_write():
    assert Register().stale("k", before_ns=10**12) is None


def test_a_stale_read_returns_what_was_replaced(tmp_path):
    liar = client(tmp_path, "stale-read")
    liar.write("k", 1)
    written_ns = time.monotonic_ns()
    value = liar.read("k")
    while value == 1:  # as long as the write may count as concurrent there is nothing to lie with
        assert time.monotonic_ns() - written_ns < 10_000_000_000
        value = liar.read("k")
    assert value is None
    assert lies(tmp_path)[0]["lie"] == "stale-read"


def test_the_same_seed_tells_the_same_lies(tmp_path):
    told = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        liar = client(tmp_path / name, "lost-write", 0.3)
        for value in range(50):
            liar.write("k", value)
        told.append([lie["value"] for lie in lies(tmp_path / name)])
    assert told[0] == told[1]
    assert 5 < len(told[0]) < 30


def test_every_lie_is_explained_and_unknown_ones_are_refused():
    assert all(LIES.values())
    with pytest.raises(InputError, match="stale-read"):
        MemoryAdapter({"lie": "white"})


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match="no-such-folder"):
        MemoryAdapter({"lies_log": str(tmp_path / "no-such-folder" / "x")})
