"""A run's report: made of whatever files there are, and of nothing else."""

import sqlite3

import orjson
import pytest

from raftmon.driver.checkers.availability.checker import Availability
from raftmon.driver.checkers.availability.measure import Window
from raftmon.driver.checkers.base import Result, Valid
from raftmon.driver.report.report import render_report, write_report
from raftmon.setup.errors import InputError
from tests.driver.checkers.making import INFO, history, op
from tests.driver.report.test_page import Page

MS = 1_000_000


def whole_run(folder):
    """A folder with every file, of a run in which n1 was cut off for a second."""
    operations, events = [], []
    for node in ("n1", "n2"):
        for ms in range(0, 3000, 20):
            good = node == "n2" or not 1000 <= ms < 2000
            back = (ms + 3) * MS if good else None
            operations.append(
                op(len(operations), "write", ms, ms * MS, back, node=node, **({} if good else {"outcome": INFO}))
            )
    for number, one in enumerate(operations):
        base = {"process": one.process, "f": "write", "key": "k", "value": number}
        events.append((one.call_ns, {**base, "type": "invoke", "node": one.node}))
        events.append((one.return_ns or one.call_ns + 1, {**base, "type": one.outcome.value}))
    events.sort(key=lambda event: event[0])
    lines = [orjson.dumps({"index": n, "time_ns": at, **event}) for n, (at, event) in enumerate(events)]
    (folder / "history.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    window = Window("partition", 1000 * MS, 2000 * MS, ("n1",), ("n1->n2",))
    served = Availability([window], [Result(Valid.YES, "register", "fine")]).check(history(*operations))
    fault = {
        "name": "partition",
        "start_ns": 1000 * MS,
        "stop_ns": 2000 * MS,
        "did": "cut n1 <b>off</b>",
        "nodes": ["n1"],
    }
    results = {
        "valid": "valid",
        "checkers": {"availability": served.as_json(), "register": Result(Valid.YES, "register", "fine").as_json()},
        "faults": [fault, {"name": "never", "start_ns": None, "stop_ns": None, "did": None}],
        "operations": {"write": {"ok": 250, "fail": 0, "info": 50, "latency_ms": {"p50": 3.0, "p99": 3.0, "max": 3.0}}},
        "began_ns": 0,
        "reasons": [],
    }
    (folder / "results.json").write_bytes(orjson.dumps(results, default=str))
    (folder / "config.json").write_bytes(orjson.dumps({"config": {"system": "etcd", "seed": "17"}, "nodes": {}}))
    (folder / "monitor.json").write_bytes(orjson.dumps({"packets": 4242}))
    with sqlite3.connect(folder / "messages.sqlite") as database:
        database.execute("CREATE TABLE messages (kind TEXT, size INTEGER, delivered INTEGER)")
        database.executemany("INSERT INTO messages VALUES (?, ?, ?)", [("MsgApp", 10, 1), ("MsgApp", 20, 0)])
    database.close()


def test_everything_the_folder_tells_is_on_the_page(tmp_path):
    whole_run(tmp_path)
    text = render_report(tmp_path)
    page = Page(text)
    assert page.loads == []
    assert len(page.scripts) == 6  # the data and five scripts of ours
    assert orjson.loads(page.scripts[0])["faults"][0]["did"] == "cut n1 <b>off</b>"
    assert page.tags.count("svg") == 3
    for words in (
        "consistent and unavailable where cut",
        "<td>partition</td>",
        "cut n1 &lt;b&gt;off&lt;/b&gt;",
        "<td>MsgApp</td><td>2</td><td>30</td><td>1</td>",
        "<td>4242</td>",
        "<td>seed</td><td>17</td>",
        "n1: 0 of ",
        "<td>write</td><td>250</td>",
    ):
        assert words in text


@pytest.mark.parametrize("absent", ["history.jsonl", "results.json", "config.json", "monitor.json", "messages.sqlite"])
@pytest.mark.parametrize("torn", [False, True], ids=["absent", "torn"])
def test_a_file_that_is_absent_or_torn_leaves_only_its_part_out(tmp_path, absent, torn):
    whole_run(tmp_path)
    if torn:
        (tmp_path / absent).write_bytes((tmp_path / absent).read_bytes()[:10])
    else:
        (tmp_path / absent).unlink()
    text = render_report(tmp_path)
    assert text.endswith("</html>\n")
    assert ("there are no results" in text) == (absent == "results.json")
    assert ("there is no config.json" in text) == (absent == "config.json")
    assert ("there is no monitor.json" in text) == (absent == "monitor.json")
    assert ("<td>MsgApp</td>" in text) == (absent != "messages.sqlite")


def test_an_empty_folder_has_a_report_and_no_folder_has_none(tmp_path):
    assert "there are no results" in render_report(tmp_path)
    assert write_report(tmp_path).read_text() == render_report(tmp_path)
    with pytest.raises(InputError, match="no run"):
        render_report(tmp_path / "missing")
