"""A broken assumption is named and makes the verdict unknown."""

import orjson
import pytest

from raftmon.driver.checkers.assumptions import EMPTY, FIDELITY, NOT_EMPTY, UNIQUE, Assumptions
from raftmon.driver.checkers.base import Valid, combine
from raftmon.driver.checkers.register import RegisterChecker
from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.model import MONOTONIC, ONE_IN_FLIGHT, READABLE


def event(process, kind, f, value, time_ns, **more):
    return {"process": process, "type": kind, "f": f, "key": "x", "value": value, "time_ns": time_ns, **more}


WROTE = [event(0, "invoke", "write", 1, 1), event(0, "ok", "write", 1, 2)]


def assumed(folder, events, monitor=None, config=None):
    lines = [item if isinstance(item, bytes) else orjson.dumps(item) for item in events]
    (folder / "history.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    if config is not None:
        (folder / "config.json").write_bytes(orjson.dumps({"config": config}))
    if monitor is not None:
        (folder / "monitor.json").write_bytes(orjson.dumps(monitor))
    return Assumptions().check(read_history(folder))


def names(result):
    return [broken["assumption"] for broken in result.details["broken"]]


RUN = {"workload": "register"}


def test_a_sound_history_breaks_none(tmp_path):
    assert assumed(tmp_path, WROTE, config=RUN).valid is Valid.YES


@pytest.mark.parametrize(
    ("events", "config", "name", "words"),
    [
        ([], None, NOT_EMPTY, "no operation"),
        ([*WROTE, b"{nonsense"], None, READABLE, "line 3"),
        ([event(0, "invoke", "read", None, 0), *WROTE], None, ONE_IN_FLIGHT, "line 2"),
        ([event(0, "invoke", "write", 1, 5), event(0, "ok", "write", 1, 2)], None, MONOTONIC, "line 2"),
        (
            [*WROTE, event(1, "invoke", "write", 1, 3), event(1, "ok", "write", 1, 4)],
            RUN,
            UNIQUE,
            "1 is written to 'x'",
        ),
        ([event(1, "invoke", "read", None, 0), event(1, "ok", "read", 99, 0), *WROTE], RUN, EMPTY, "99"),
    ],
    ids=["nothing done", "unreadable", "two open", "clock back", "not unique", "not empty"],
)
def test_a_broken_assumption_is_named(tmp_path, events, config, name, words):
    result = assumed(tmp_path, events, config=config)
    assert result.valid is Valid.UNKNOWN
    assert name in names(result)
    assert words in result.sentence


def test_repeated_values_outside_a_run_are_the_searchs_matter(tmp_path):
    twice = [*WROTE, event(1, "invoke", "write", 1, 3), event(1, "ok", "write", 1, 4)]
    assert assumed(tmp_path, twice).valid is Valid.YES


def test_a_monitor_that_lost_packets_is_named(tmp_path):
    from raftmon.monitor.fidelity import disturbances as reasons

    lossy = {"queue_drops": 3}
    expected = reasons(lossy)
    result = assumed(tmp_path, WROTE, monitor=lossy, config=RUN)
    assert expected
    assert names(result) == [FIDELITY] * len(expected)
    assert expected[0] in result.sentence


@pytest.mark.parametrize("content", [b"", b"[]"])
def test_counters_that_cannot_be_read_are_named(tmp_path, content):
    (tmp_path / "monitor.json").write_bytes(content)
    assert names(assumed(tmp_path, WROTE, config=RUN)) == [FIDELITY]


def test_a_monitored_run_without_counters_is_named(tmp_path):
    assert names(assumed(tmp_path, WROTE, config={**RUN, "monitored": True})) == [FIDELITY]


def test_a_broken_assumption_outweighs_what_a_checker_found(tmp_path):
    events = [*WROTE, event(1, "invoke", "read", None, 3), event(1, "ok", "read", None, 4), b"{nonsense"]
    assumptions = assumed(tmp_path, events)
    register = RegisterChecker().check(read_history(tmp_path))
    assert register.valid is Valid.NO
    assert combine([assumptions, register]) is Valid.UNKNOWN
